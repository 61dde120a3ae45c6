"""Settling: after the window, once, exactly what was frozen."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Metric, Pricing, Tier
from obbligato.protocol.rows import Credit, pack_credits, unpack_credits
from tests.contracts.contest import (
    MINIMUM,
    SETTLED,
    acting_as,
    challenge,
    check_books,
    escrow,
    state,
)
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PRODUCER,
    RELAY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    RateCard,
    Report,
    refused,
    row,
    split,
    terms,
)

WINDOW = 7 * DAY


@pytest.fixture(scope="module")
def licenses(protocol: DeployedProtocol) -> list[int]:
    """Three licences of three artists."""
    return [
        protocol.license(pays=split((owner, 1_000_000)), owner=owner)
        for owner in (ARTIST, LABEL, PRODUCER)
    ]


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, licenses: list[int]) -> int:
    made = protocol.platform(100 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def pending(protocol: DeployedProtocol, platform: int, licenses: list[int]) -> tuple[Report, int]:
    """A report of 1, 2 and 3 generations, and the end of its window."""
    report = protocol.report(
        platform, [row(one, n * UNIT) for n, one in enumerate(licenses, start=1)]
    )
    tx = protocol.submit(report)
    return report, int(tx.timestamp) + WINDOW


def received(protocol: DeployedProtocol, licenses: list[int]) -> list[int]:
    return [protocol.vault.receivedOf(protocol.registry.licenseOf(one)[6]) for one in licenses]


def test_a_report_is_settled_at_the_end_of_its_window_and_not_a_second_earlier(
    protocol: DeployedProtocol, platform: int, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    next_at(end - 1)
    with refused("WindowOpen", protocol.report_id(report), end):
        protocol.settle(report)
    next_at(end)
    tx = protocol.settle(report)
    assert tx.events["ReportSettled"]["credited"] == 6_000
    assert state(protocol, report) == SETTLED
    assert received(protocol, licenses) == [1_000, 2_000, 3_000]
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 0
    assert escrow(protocol, platform).available == 100 * DOLLAR - 6_000
    # Nobody is sent anything: the money waits to be claimed.
    assert protocol.token.balanceOf(ARTIST) == 0
    check_books(protocol)


def test_a_report_is_settled_once(
    protocol: DeployedProtocol, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    next_at(end)
    protocol.settle(report)
    with refused("NotPending", protocol.report_id(report)):
        protocol.settle(report)
    with refused("NotPending", keccak(b"no report")):
        protocol.oracle.settle(keccak(b"no report"), b"", {"from": RELAY})
    assert received(protocol, licenses) == [1_000, 2_000, 3_000]


def test_only_the_frozen_credits_settle_a_report(
    protocol: DeployedProtocol, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    next_at(end)
    first, *others = unpack_credits(report.credits)
    wrong = [
        pack_credits([Credit(first.split_id, first.amount + 1), *others]),
        pack_credits([Credit(first.split_id + 1, first.amount), *others]),
        pack_credits(others),
        report.credits + b"\0" * 12,
        b"",
    ]
    for credits_ in wrong:
        with refused("CreditsDigestMismatch", keccak(report.credits), keccak(credits_)):
            protocol.settle(report, credits_=credits_)
    assert received(protocol, licenses) == [0, 0, 0]


def test_a_row_under_challenge_is_left_out_and_the_others_are_paid(
    protocol: DeployedProtocol, platform: int, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    protocol.fund_account(STRANGER, MINIMUM)
    challenge(protocol, report, licenses[1], UNIT, by=STRANGER)
    assert protocol.oracle.isHeld(protocol.report_id(report), 1)
    assert not protocol.oracle.isHeld(protocol.report_id(report), 0)
    assert protocol.oracle.reportOf(protocol.report_id(report))[5] == 1
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 2_000
    next_at(end)
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 4_000
    assert received(protocol, licenses) == [1_000, 0, 3_000]
    check_books(protocol)


def test_a_report_with_every_row_held_settles_to_nothing(
    protocol: DeployedProtocol, platform: int, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    protocol.fund_account(STRANGER, 3 * MINIMUM)
    for one in licenses:
        challenge(protocol, report, one, 0, by=STRANGER)
    next_at(end)
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 0
    assert received(protocol, licenses) == [0, 0, 0]
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 6_000


def test_only_the_disputes_hold_rows_and_each_once(
    protocol: DeployedProtocol, pending: tuple[Report, int]
) -> None:
    report, _ = pending
    report_id = protocol.report_id(report)
    with refused("NotDisputes", STRANGER):
        protocol.oracle.hold(report_id, 0, 1, {"from": STRANGER})
    protocol.oracle.hold(report_id, 0, 1_000, acting_as(protocol.disputes))
    with refused("AlreadyHeld", report_id, 0):
        protocol.oracle.hold(report_id, 0, 1_000, acting_as(protocol.disputes))


def test_use_before_a_revocation_is_still_paid_after_it(
    protocol: DeployedProtocol, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    protocol.registry.revoke(licenses[0], {"from": ARTIST})
    next_at(end)
    protocol.settle(report)
    assert received(protocol, licenses) == [1_000, 2_000, 3_000]


def test_a_price_amended_after_submission_changes_nothing_that_was_frozen(
    protocol: DeployedProtocol, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    dearer = RateCard(training_run=0, generation=9 * DOLLAR, playback=0, grant_fee=0)
    digest = protocol.intern_terms(terms({Tier.GENERATIVE: dearer}))
    protocol.registry.amend(licenses[0], digest, keccak(b"new document"), {"from": ARTIST})
    next_at(end)
    protocol.settle(report)
    assert received(protocol, licenses) == [1_000, 2_000, 3_000]


def test_a_split_changed_after_submission_does_not_move_what_was_submitted(
    protocol: DeployedProtocol, licenses: list[int], pending: tuple[Report, int]
) -> None:
    report, end = pending
    old = split((ARTIST, 1_000_000))
    new = split((ARTIST, 400_000), (STRANGER, 600_000))
    raw = [
        [(payee.account, payee.share, int(payee.role)) for payee in one.payees]
        for one in (old, new)
    ]
    protocol.registry.changeSplit(licenses[0], *raw, [], {"from": ARTIST})
    next_at(end)
    protocol.settle(report)
    assert protocol.vault.receivedOf(protocol.split_id(old)) == 1_000
    assert protocol.vault.receivedOf(protocol.split_id(new)) == 0


def test_a_pool_is_settled_to_the_unit(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    rows = [
        row(one, n * 333_333, Tier.TRAINING, Metric.PLAYBACK)
        for n, one in enumerate(licenses, start=1)
    ]
    report = protocol.report(platform, rows, pricing=Pricing.POOL, total=10_001)
    # Weights 1 : 2 : 3 of 10 001 end at 1 666.83, 5 000.5 and 10 001.
    assert [credit.amount for credit in unpack_credits(report.credits)] == [1_666, 3_334, 5_001]
    protocol.submit(report)
    protocol.pass_window()
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 10_001
    assert received(protocol, licenses) == [1_666, 3_334, 5_001]
    assert escrow(protocol, platform).available == 100 * DOLLAR - 10_001
    check_books(protocol)


def test_how_usage_is_divided_into_reports_changes_at_most_one_unit_a_row(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    # 3 x 333 333 millionths at 1 000: 333 each time, where 999 999 at once would be 999.
    for _ in range(3):
        protocol.wait(60)
        protocol.settled(platform, [row(licenses[0], 333_333)])
    assert received(protocol, licenses)[0] == 3 * 333
