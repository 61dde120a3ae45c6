"""Streams: reports in order, periods without gaps, and statements that there was no use."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.words import Pricing
from tests.contracts.contest import NONE, SETTLED, escrow, standing, state, stream
from tests.contracts.house import (
    DAY,
    DOLLAR,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    UNIT,
    House,
    refused,
    row,
)
from tests.contracts.moments import next_at

WINDOW = 7 * DAY


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    return house.license()


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    """A platform with a thousand dollars, thirty days after the licence was minted."""
    made = house.platform(1_000 * DOLLAR)
    house.wait(30 * DAY)
    return made


# ---- the stream ---------------------------------------------------------------------------------------------------


def test_a_sequence_skipped_or_repeated_is_refused_and_not_consumed(
    house: House, platform: int, license_id: int
) -> None:
    first = house.report(platform, [row(license_id, UNIT)])
    with refused("SequenceInvalid", 1, 2):
        house.submit(house.report(platform, [row(license_id, UNIT)], sequence=2))
    with refused("SequenceInvalid", 1, 0):
        house.submit(house.report(platform, [row(license_id, UNIT)], sequence=0))
    house.submit(first)
    before = standing(house, platform)
    for wrong in (1, 3, 2**64 - 1):
        with refused("SequenceInvalid", 2, wrong):
            house.submit(house.report(platform, [row(license_id, UNIT)], sequence=wrong))
    assert standing(house, platform) == before


def test_a_wrong_previous_report_is_refused(house: House, platform: int, license_id: int) -> None:
    wrong = keccak(b"something else")
    with refused("PreviousInvalid", b"\0" * 32, wrong):
        house.submit(house.report(platform, [row(license_id, UNIT)], previous=wrong))
    first = house.report(platform, [row(license_id, UNIT)])
    house.submit(first)
    for given in (b"\0" * 32, wrong):
        with refused("PreviousInvalid", house.report_id(first), given):
            house.submit(
                house.report(platform, [row(license_id, UNIT)], previous=given, sequence=2)
            )


def test_of_two_signed_attempts_the_first_to_arrive_stands(
    house: House, platform: int, license_id: int
) -> None:
    one = house.report(platform, [row(license_id, UNIT)])
    same = house.report(platform, [row(license_id, 2 * UNIT)])
    other = house.report(platform, [row(license_id, UNIT)], attempt=2)
    house.submit(one)
    for rival in (same, other):
        with refused("SequenceInvalid", 2, 1):
            house.submit(rival)
        assert state(house, rival) == NONE


def test_a_gap_between_periods_is_refused(house: House, platform: int, license_id: int) -> None:
    first = house.report(platform, [row(license_id, UNIT)])
    house.submit(first)
    covered = first.header.period_end
    house.wait(DAY)
    end = house.now()
    for start in (covered + 1, covered - 1):
        with refused("PeriodGap", covered, start, end):
            house.submit(house.report(platform, [row(license_id, UNIT)], start=start, end=end))
    house.submit(house.report(platform, [row(license_id, UNIT)], start=covered, end=end))
    assert stream(house, platform)[2] == end


def test_a_period_that_is_not_over_or_empty_is_refused(
    house: House, platform: int, license_id: int
) -> None:
    now = next_at(house.now() + 10)
    with refused("PeriodNotOver", now + 1, now):
        house.submit(house.report(platform, [row(license_id, UNIT)], start=now - 60, end=now + 1))
    for start, end in ((now, now), (now, now - 1)):
        with refused("PeriodInvalid", start, end):
            house.submit(house.report(platform, [row(license_id, UNIT)], start=start, end=end))
    next_at(now + 60)
    house.submit(house.report(platform, [row(license_id, UNIT)], start=now, end=now + 60))


def test_a_correction_lies_wholly_before_what_is_covered_and_leaves_it_there(
    house: House, platform: int, license_id: int
) -> None:
    first = house.report(platform, [row(license_id, UNIT)])
    house.submit(first)
    covered = first.header.period_end
    for start, end in ((covered - 20, covered - 10), (covered - DAY, covered)):
        house.submit(house.report(platform, [row(license_id, UNIT)], start=start, end=end))
        assert stream(house, platform)[2] == covered
    assert stream(house, platform)[1] == 3


def test_streams_of_two_models_and_of_two_platforms_know_nothing_of_each_other(
    house: House, platform: int, license_id: int
) -> None:
    other_model = keccak(b"model two")
    rival = house.platform(DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    end = house.now()
    house.submit(house.report(platform, [row(license_id, UNIT)], end=end))
    second = house.report(platform, [row(license_id, UNIT)], model=other_model, end=end - 5)
    house.submit(second)
    third = house.report(rival, [row(license_id, UNIT)], end=end - 7)
    house.submit(third, reporter=RIVAL_REPORTER)
    assert stream(house, platform)[1:] == (1, end)
    assert stream(house, platform, other_model) == (house.report_id(second), 1, end - 5)
    assert stream(house, rival) == (house.report_id(third), 1, end - 7)


# ---- zero statements ----------------------------------------------------------------------------------------------


def test_a_zero_statement_is_settled_as_it_stands_and_credits_nothing(
    house: House, platform: int
) -> None:
    report = house.report(platform, [])
    tx = house.submit(report)
    assert tx.events["ReportSettled"]["credited"] == 0
    assert state(house, report) == SETTLED
    assert stream(house, platform)[2] == report.header.period_end
    assert escrow(house, platform).available == 1_000 * DOLLAR
    house.pass_window()
    with refused("NotPending", house.report_id(report)):
        house.settle(report)


def test_a_second_zero_statement_for_a_period_is_refused(house: House, platform: int) -> None:
    first = house.report(platform, [])
    house.submit(first)
    covered = first.header.period_end
    with refused("ZeroStatementRepeated", covered, covered):
        house.submit(house.report(platform, [], start=first.header.period_start, end=covered))
    with refused("ZeroStatementRepeated", covered, covered - 1):
        house.submit(house.report(platform, [], start=covered - 60, end=covered - 1))


def test_a_zero_statement_of_a_pool_or_with_a_total_is_refused(house: House, platform: int) -> None:
    with refused("PricingInvalid", 2):
        house.submit(house.report(platform, [], pricing=Pricing.POOL, total=0))
    with refused("TotalMismatch", 1, 0):
        house.submit(house.report(platform, [], total=1))
