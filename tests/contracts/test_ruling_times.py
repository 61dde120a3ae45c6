"""Rulings: what the arbiter may say, until when, and what may be said of a row again."""

from __future__ import annotations

import pytest

from obbligato.protocol.constants import Tier
from obbligato.protocol.rulings import challenge_digest, row_digest
from tests.contracts.contest import (
    DEAD,
    LAPSED,
    MINIMUM,
    RULED,
    challenge,
    challenge_of,
    check_books,
    escrow,
    received,
    record_of,
    rule_challenge,
)
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
    LABEL,
    PLATFORM_ADMIN,
    PRODUCER,
    RELAY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)

WINDOW, ARBITRATION, CLAIM_PERIOD = 7 * DAY, 14 * DAY, 180 * DAY
JUDGE = {"from": ARBITER}
REPORTED = 100_001 * UNIT
CREDITED = 100_001_000
"""A hundred dollars and a thousandth, so that halves and tenths are odd."""
HAS = 1_000 * DOLLAR


@pytest.fixture(scope="module")
def licenses(protocol: DeployedProtocol) -> list[int]:
    """Three pooled licences of three artists."""
    return [
        protocol.license(pays=split((owner, 1_000_000)), owner=owner)
        for owner in (ARTIST, LABEL, PRODUCER)
    ]


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, licenses: list[int]) -> int:
    made = protocol.platform(HAS)
    protocol.fund_account(STRANGER, HAS)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, licenses: list[int]) -> Report:
    """The contested row and one that nobody contests."""
    made = protocol.report(platform, [row(licenses[0], REPORTED), row(licenses[1], 7 * UNIT)])
    protocol.submit(made)
    return made


# ---- what the arbiter may say -------------------------------------------------------------------------------------


def test_only_the_arbiter_rules(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    for account in (STRANGER, GOVERNOR, GUARDIAN, PLATFORM_ADMIN):
        with refused("NotArbiter", account):
            rule_challenge(protocol, made, 0, {"from": account})


@pytest.mark.parametrize(
    ("claimed", "low", "high"),
    [(0, 0, REPORTED), (UNIT, UNIT, REPORTED), (REPORTED + 5, REPORTED, REPORTED + 5)],
)
def test_a_ruling_lies_between_what_may_be_ruled(
    protocol: DeployedProtocol,
    licenses: list[int],
    report: Report,
    claimed: int,
    low: int,
    high: int,
) -> None:
    made = challenge(protocol, report, licenses[0], claimed, by=STRANGER)
    for quantity in {low - 1, high + 1} - {-1}:
        with refused("RulingOutOfRange", made, quantity, low, high):
            rule_challenge(protocol, made, quantity, JUDGE)


def test_a_challenge_is_ruled_once_and_only_if_there_is_one(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    rule_challenge(protocol, made, 0, JUDGE)
    with refused("ChallengeClosed", made):
        rule_challenge(protocol, made, REPORTED, JUDGE)
    with refused("ChallengeClosed", made):
        protocol.disputes.lapse(made, {"from": RELAY})
    for act in (
        lambda: rule_challenge(protocol, 99, 0, JUDGE),
        lambda: protocol.disputes.lapse(99, {"from": RELAY}),
    ):
        with refused("UnknownChallenge", 99):
            act()


def test_the_arbiter_has_fourteen_days_and_no_second_more(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    other = challenge(protocol, report, licenses[1], 0, by=STRANGER)
    end = challenge_of(protocol, made).opened_at + ARBITRATION
    next_at(end)
    with refused("ArbitrationRunning", made, end):
        protocol.disputes.lapse(made, {"from": RELAY})
    next_at(end)
    rule_challenge(protocol, made, 0, JUDGE)
    late = challenge_of(protocol, other).opened_at + ARBITRATION
    next_at(late + 1)
    with refused("ArbitrationOver", other, late):
        rule_challenge(protocol, other, 0, JUDGE)
    protocol.disputes.lapse(other, {"from": RELAY})


# ---- silence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("claimed", "held"), [(0, CREDITED), (REPORTED + 300_000 * UNIT, 0)])
def test_if_the_arbiter_stays_silent_the_report_stands_and_a_tenth_of_the_bond_burns(
    protocol: DeployedProtocol,
    platform: int,
    licenses: list[int],
    report: Report,
    claimed: int,
    held: int,
) -> None:
    before = escrow(protocol, platform)
    made = challenge(protocol, report, licenses[0], claimed, by=STRANGER)
    bond = challenge_of(protocol, made).bond
    protocol.pass_window()
    protocol.settle(report)
    next_at(challenge_of(protocol, made).opened_at + ARBITRATION + 1)
    tx = protocol.disputes.lapse(made, {"from": RELAY})
    assert tx.events["Lapsed"]["paid"] == held
    assert challenge_of(protocol, made).state == LAPSED
    assert received(protocol, licenses[0]) == CREDITED
    assert protocol.vault.refundOf(STRANGER) == bond - bond // 10
    assert protocol.vault.refundOf(DEAD) == bond // 10
    assert escrow(protocol, platform) == before
    record = record_of(protocol, report, licenses[0])
    assert (record.open_challenge, record.open_reduction, record.ruled) == (0, 0, False)
    check_books(protocol)


# ---- rows again ---------------------------------------------------------------------------------------------------


def test_a_ruled_row_can_only_be_raised(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    rule_challenge(protocol, made, 40_000 * UNIT, JUDGE)
    assert record_of(protocol, report, licenses[0])[:2] == (40_000 * UNIT, 40 * DOLLAR)
    with refused("RowRuled", licenses[0], Tier.GENERATIVE, 2):
        challenge(protocol, report, licenses[0], 39_999 * UNIT, by=STRANGER)
    with refused("NothingClaimed", licenses[0], Tier.GENERATIVE, 2):
        challenge(protocol, report, licenses[0], 40_000 * UNIT, by=STRANGER)
    raised = challenge(protocol, report, licenses[0], 70_000 * UNIT, by=STRANGER)
    assert challenge_of(protocol, raised)[6:9] == (40_000 * UNIT, 70_000 * UNIT, 40 * DOLLAR)
    rule_challenge(protocol, raised, 70_000 * UNIT, JUDGE)
    # Thirty dollars more, not seventy.
    assert received(protocol, licenses[0]) == 70 * DOLLAR
    protocol.pass_window()
    protocol.settle(report)
    assert received(protocol, licenses[0]) == 70 * DOLLAR
    check_books(protocol)


def test_a_row_raised_step_by_step_is_paid_once_for_each_step(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    available = escrow(protocol, platform).available
    quantities = [REPORTED + n * 10_000 * UNIT + n for n in range(1, 4)]
    for quantity in quantities:
        made = challenge(protocol, report, licenses[0], quantity, by=STRANGER)
        rule_challenge(protocol, made, quantity, JUDGE)
    protocol.pass_window()
    protocol.settle(report)
    whole = quantities[-1] * 1_000 // 1_000_000
    assert received(protocol, licenses[0]) == whole
    assert escrow(protocol, platform).available == available - (whole - CREDITED) - 3 * MINIMUM
    check_books(protocol)


@pytest.mark.parametrize("ruled", [0, REPORTED])
def test_a_platform_that_challenges_itself_loses_half_a_bond_and_gains_nothing(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report, ruled: int
) -> None:
    protocol.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    wealth = 100 * DOLLAR + escrow(protocol, platform).available
    made = challenge(protocol, report, licenses[0], 0, by=PLATFORM_ADMIN)
    bond = challenge_of(protocol, made).bond
    rule_challenge(protocol, made, ruled, JUDGE)
    protocol.vault.claim(PLATFORM_ADMIN, [], {"from": RELAY})
    after = protocol.token.balanceOf(PLATFORM_ADMIN) + escrow(protocol, platform).available
    # What a reduction frees was the platform's own; beside that half a bond is gone, whoever was nearer.
    freed = CREDITED if ruled == 0 else 0
    assert wealth + freed - after == bond - bond // 2


def test_a_platform_cannot_hold_an_artists_claim_off_past_the_end_by_challenging_itself(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    claim_end = int(protocol.oracle.reportOf(protocol.report_id(report))[4]) + CLAIM_PERIOD
    protocol.fund_account(PLATFORM_ADMIN, DOLLAR * 100)
    protocol.pass_window()
    protocol.settle(report)
    next_at(claim_end - 1)
    blocker = challenge(protocol, report, licenses[0], REPORTED + 1, by=PLATFORM_ADMIN)
    mine_at(claim_end + DAY)
    # Nobody can supersede it any more, but its end opens the row again.
    with refused("ChallengeTooLate", protocol.report_id(report), claim_end):
        challenge(protocol, report, licenses[0], 2 * REPORTED, by=STRANGER)
    closed = int(rule_challenge(protocol, blocker, REPORTED, JUDGE).timestamp)
    reopen_until = closed + WINDOW
    assert record_of(protocol, report, licenses[0]).reopen_until == reopen_until
    next_at(reopen_until - 1)
    artists = challenge(protocol, report, licenses[0], 2 * REPORTED, by=STRANGER)
    rule_challenge(protocol, artists, 2 * REPORTED, JUDGE)
    assert received(protocol, licenses[0]) == 2 * CREDITED
    # Another row of the report, never contested, is past its time.
    with refused("ChallengeTooLate", protocol.report_id(report), claim_end):
        challenge(protocol, report, licenses[1], 8 * UNIT, by=STRANGER)


def test_a_lapsed_row_stays_open_to_claims_of_more_for_one_more_window(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    claim_end = int(protocol.oracle.reportOf(protocol.report_id(report))[4]) + CLAIM_PERIOD
    next_at(claim_end - 1)
    made = challenge(protocol, report, licenses[0], REPORTED + 1, by=STRANGER)
    next_at(challenge_of(protocol, made).opened_at + ARBITRATION + 1)
    reopen_until = int(protocol.disputes.lapse(made, {"from": RELAY}).timestamp) + WINDOW
    next_at(reopen_until)
    with refused("ChallengeTooLate", protocol.report_id(report), reopen_until):
        challenge(protocol, report, licenses[0], REPORTED + 1, by=STRANGER)
    next_at(protocol.now())
    with refused("ChallengeTooLate"):
        challenge(protocol, report, licenses[0], 0, by=STRANGER)


def test_a_ruling_says_what_it_rules_on(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], REPORTED + 10, by=STRANGER)
    contested = row_digest(protocol.report_id(report), (licenses[0], 3, 2))
    meant = challenge_digest(
        contested, challenger=STRANGER, reported=REPORTED, claimed=REPORTED + 10
    )
    # Another row, another challenger, or another quantity than was examined.
    other_row = row_digest(protocol.report_id(report), (licenses[1], 3, 2))
    for digest in (
        challenge_digest(other_row, challenger=STRANGER, reported=REPORTED, claimed=REPORTED + 10),
        challenge_digest(contested, challenger=ARTIST, reported=REPORTED, claimed=REPORTED + 10),
        challenge_digest(
            contested, challenger=STRANGER, reported=REPORTED + 1, claimed=REPORTED + 10
        ),
        challenge_digest(contested, challenger=STRANGER, reported=REPORTED, claimed=REPORTED + 11),
        bytes(32),
    ):
        with refused("ChallengeMismatch", made, meant, digest):
            protocol.disputes.rule(made, REPORTED + 10, digest, JUDGE)
    protocol.disputes.rule(made, REPORTED + 10, meant, JUDGE)
    assert challenge_of(protocol, made).state == RULED
