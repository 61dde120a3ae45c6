"""Streams: reports in order, periods without gaps, and statements that there was no use."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Pricing
from tests.contracts.contest import NONE, SETTLED, escrow, standing, state, stream
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    DAY,
    DOLLAR,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    UNIT,
    DeployedProtocol,
    refused,
    row,
)

WINDOW = 7 * DAY


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license()


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    """A platform with a thousand dollars, thirty days after the licence was minted."""
    made = protocol.platform(1_000 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


# ---- the stream ---------------------------------------------------------------------------------------------------


def test_a_sequence_skipped_or_repeated_is_refused_and_not_consumed(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    first = protocol.report(platform, [row(license_id, UNIT)])
    with refused("SequenceInvalid", 1, 2):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], sequence=2))
    with refused("SequenceInvalid", 1, 0):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], sequence=0))
    protocol.submit(first)
    before = standing(protocol, platform)
    for wrong in (1, 3, 2**64 - 1):
        with refused("SequenceInvalid", 2, wrong):
            protocol.submit(protocol.report(platform, [row(license_id, UNIT)], sequence=wrong))
    assert standing(protocol, platform) == before


def test_a_wrong_previous_report_is_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    wrong = keccak(b"something else")
    with refused("PreviousInvalid", b"\0" * 32, wrong):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], previous=wrong))
    first = protocol.report(platform, [row(license_id, UNIT)])
    protocol.submit(first)
    for given in (b"\0" * 32, wrong):
        with refused("PreviousInvalid", protocol.report_id(first), given):
            protocol.submit(
                protocol.report(platform, [row(license_id, UNIT)], previous=given, sequence=2)
            )


def test_of_two_signed_attempts_the_first_to_arrive_stands(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    one = protocol.report(platform, [row(license_id, UNIT)])
    same = protocol.report(platform, [row(license_id, 2 * UNIT)])
    other = protocol.report(platform, [row(license_id, UNIT)], attempt=2)
    protocol.submit(one)
    for rival in (same, other):
        with refused("SequenceInvalid", 2, 1):
            protocol.submit(rival)
        assert state(protocol, rival) == NONE


def test_a_gap_between_periods_is_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    first = protocol.report(platform, [row(license_id, UNIT)])
    protocol.submit(first)
    covered = first.header.period_end
    protocol.wait(DAY)
    end = protocol.now()
    for start in (covered + 1, covered - 1):
        with refused("PeriodGap", covered, start, end):
            protocol.submit(
                protocol.report(platform, [row(license_id, UNIT)], start=start, end=end)
            )
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)], start=covered, end=end))
    assert stream(protocol, platform)[2] == end


def test_a_period_that_is_not_over_or_empty_is_refused(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    now = next_at(protocol.now() + 10)
    with refused("PeriodNotOver", now + 1, now):
        protocol.submit(
            protocol.report(platform, [row(license_id, UNIT)], start=now - 60, end=now + 1)
        )
    for start, end in ((now, now), (now, now - 1)):
        with refused("PeriodInvalid", start, end):
            protocol.submit(
                protocol.report(platform, [row(license_id, UNIT)], start=start, end=end)
            )
    next_at(now + 60)
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)], start=now, end=now + 60))


def test_a_correction_lies_wholly_before_what_is_covered_and_leaves_it_there(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    first = protocol.report(platform, [row(license_id, UNIT)])
    protocol.submit(first)
    covered = first.header.period_end
    for start, end in ((covered - 20, covered - 10), (covered - DAY, covered)):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], start=start, end=end))
        assert stream(protocol, platform)[2] == covered
    assert stream(protocol, platform)[1] == 3


def test_streams_of_two_models_and_of_two_platforms_know_nothing_of_each_other(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    other_model = keccak(b"model two")
    rival = protocol.platform(DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    end = protocol.now()
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)], end=end))
    second = protocol.report(platform, [row(license_id, UNIT)], model=other_model, end=end - 5)
    protocol.submit(second)
    third = protocol.report(rival, [row(license_id, UNIT)], end=end - 7)
    protocol.submit(third, reporter=RIVAL_REPORTER)
    assert stream(protocol, platform)[1:] == (1, end)
    assert stream(protocol, platform, other_model) == (protocol.report_id(second), 1, end - 5)
    assert stream(protocol, rival) == (protocol.report_id(third), 1, end - 7)


# ---- zero statements ----------------------------------------------------------------------------------------------


def test_a_zero_statement_is_settled_as_it_stands_and_credits_nothing(
    protocol: DeployedProtocol, platform: int
) -> None:
    report = protocol.report(platform, [])
    tx = protocol.submit(report)
    assert tx.events["ReportSettled"]["credited"] == 0
    assert state(protocol, report) == SETTLED
    assert stream(protocol, platform)[2] == report.header.period_end
    assert escrow(protocol, platform).available == 1_000 * DOLLAR
    protocol.pass_window()
    with refused("NotPending", protocol.report_id(report)):
        protocol.settle(report)


def test_a_second_zero_statement_for_a_period_is_refused(
    protocol: DeployedProtocol, platform: int
) -> None:
    first = protocol.report(platform, [])
    protocol.submit(first)
    covered = first.header.period_end
    with refused("ZeroStatementRepeated", covered, covered):
        protocol.submit(protocol.report(platform, [], start=first.header.period_start, end=covered))
    with refused("ZeroStatementRepeated", covered, covered - 1):
        protocol.submit(protocol.report(platform, [], start=covered - 60, end=covered - 1))


def test_a_zero_statement_of_a_pool_or_with_a_total_is_refused(
    protocol: DeployedProtocol, platform: int
) -> None:
    with refused("PricingInvalid", 2):
        protocol.submit(protocol.report(platform, [], pricing=Pricing.POOL, total=0))
    with refused("TotalMismatch", 1, 0):
        protocol.submit(protocol.report(platform, [], total=1))
