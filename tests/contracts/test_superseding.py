"""A row contested from both sides: neither a claim of more nor a reduction can be kept out by the other, or by a small
one of its own kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from obbligato.protocol.constants import Tier
from tests.contracts.contest import (
    DEAD,
    LAPSED,
    MINIMUM,
    OPEN,
    challenge,
    challenge_of,
    check_books,
    escrow,
    received,
    record_of,
    rule_challenge,
    window_end,
)
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PLATFORM_ADMIN,
    RELAY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)

WINDOW, ARBITRATION, CLAIM_PERIOD, SETTLEMENT = 7 * DAY, 14 * DAY, 180 * DAY, 21 * DAY
JUDGE, ANYONE = {"from": ARBITER}, {"from": RELAY}
REPORTED = 100_000 * UNIT
CREDITED = 100 * DOLLAR
OTHER = 7_000
"""What the row that nobody contests is paid."""
HAS = 1_000 * DOLLAR


@pytest.fixture(scope="module")
def licenses(protocol: DeployedProtocol) -> list[int]:
    """The artist's licence and a label's."""
    return [
        protocol.license(pays=split((owner, 1_000_000)), owner=owner) for owner in (ARTIST, LABEL)
    ]


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, licenses: list[int]) -> int:
    """A platform; and an artist, a stranger and the platform's own admin with money for bonds."""
    made = protocol.platform(HAS)
    for account in (ARTIST, STRANGER, PLATFORM_ADMIN):
        protocol.fund_account(account, HAS)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, licenses: list[int]) -> Report:
    """The contested row and one that nobody contests."""
    made = protocol.report(platform, [row(licenses[0], REPORTED), row(licenses[1], 7 * UNIT)])
    protocol.submit(made)
    return made


# ---- the beneficiary of an overstated row ---------------------------------------------------------------------------


@pytest.mark.parametrize("ruled", [None, REPORTED, REPORTED + 1])
def test_a_claim_of_one_more_shields_no_overstated_row(
    protocol: DeployedProtocol,
    platform: int,
    licenses: list[int],
    report: Report,
    ruled: int | None,
) -> None:
    shield = challenge(protocol, report, licenses[0], REPORTED + 1, by=ARTIST)
    if ruled is not None:
        rule_challenge(protocol, shield, ruled, JUDGE)
    # A payee's bond is half the minimum; the platform was right, or it lost as much.
    had = escrow(protocol, platform).available
    assert had == HAS - CREDITED - OTHER + {None: 0, REPORTED: 1, REPORTED + 1: -2}[ruled] * (
        MINIMUM // 4
    )

    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)

    assert challenge_of(protocol, made)[6:9] == (REPORTED, 0, CREDITED)
    assert protocol.oracle.isHeld(protocol.report_id(report), 0)
    rule_challenge(protocol, made, 0, JUDGE)
    assert received(protocol, licenses[0]) == 0
    # The whole credit is free again, less the stake of a tenth of it.
    assert escrow(protocol, platform).available == had + CREDITED - 10 * DOLLAR
    assert protocol.vault.refundOf(STRANGER) == 15 * DOLLAR
    protocol.pass_window()
    assert protocol.settle(report).events["ReportSettled"]["credited"] == OTHER
    assert received(protocol, licenses[0]) == 0
    check_books(protocol)


def test_a_claim_of_more_ruled_as_reported_leaves_the_row_as_it_was(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 2 * REPORTED, by=ARTIST)
    closed = int(rule_challenge(protocol, made, REPORTED, JUDGE).timestamp)
    assert record_of(protocol, report, licenses[0]) == (0, 0, closed + WINDOW, 0, 0, False)
    again = challenge(protocol, report, licenses[0], REPORTED + 1, by=ARTIST)
    assert challenge_of(protocol, again)[6:9] == (REPORTED, REPORTED + 1, CREDITED)


@pytest.mark.parametrize("end", ["ruled", "lapsed"])
def test_a_row_is_reduced_once_whatever_became_of_it(
    protocol: DeployedProtocol, licenses: list[int], report: Report, end: str
) -> None:
    made = challenge(protocol, report, licenses[0], 40_000 * UNIT, by=STRANGER)
    if end == "ruled":
        rule_challenge(protocol, made, 40_000 * UNIT, JUDGE)
    else:
        next_at(challenge_of(protocol, made).opened_at + ARBITRATION + 1)
        protocol.disputes.lapse(made, ANYONE)
    lower = 39_999 * UNIT
    with refused("RowRuled", licenses[0], Tier.GENERATIVE, 2):
        challenge(protocol, report, licenses[0], lower, by=STRANGER)
    # What it stands at is claimed for nothing; one more is a claim of more.
    stands = 40_000 * UNIT if end == "ruled" else REPORTED
    with refused("NothingClaimed", licenses[0], Tier.GENERATIVE, 2):
        challenge(protocol, report, licenses[0], stands, by=STRANGER)
    more = challenge(protocol, report, licenses[0], stands + 1, by=ARTIST)
    assert challenge_of(protocol, more).reported == stands


def test_a_row_that_was_raised_is_reduced_below_what_was_reported_or_not_at_all(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    raised = 2 * REPORTED
    made = challenge(protocol, report, licenses[0], raised, by=ARTIST)
    rule_challenge(protocol, made, raised, JUDGE)
    for quantity in (REPORTED, raised - 1):
        with refused("RowRuled", licenses[0], Tier.GENERATIVE, 2):
            challenge(protocol, report, licenses[0], quantity, by=STRANGER)
    with refused("NothingClaimed", licenses[0], Tier.GENERATIVE, 2):
        challenge(protocol, report, licenses[0], raised, by=STRANGER)
    end = window_end(protocol, report)
    next_at(end)
    with refused("ChallengeTooLate", protocol.report_id(report), end):
        challenge(protocol, report, licenses[0], REPORTED - 1, by=STRANGER)


# ---- the platform that challenges itself ----------------------------------------------------------------------------


def test_an_artist_supersedes_the_small_claim_of_a_platform_that_challenges_itself(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    blocker = challenge(protocol, report, licenses[0], REPORTED + 1, by=PLATFORM_ADMIN)
    had = escrow(protocol, platform)
    # 100 dollars more: a bond of 10, half of it for a payee.
    bond = 5 * DOLLAR
    tx = protocol.disputes.challenge(
        report.case,
        (licenses[0], Tier.GENERATIVE, 2, 2 * REPORTED, b"\1" * 32),
        [],
        {"from": ARTIST},
    )
    artists = int(tx.return_value)
    assert (tx.events["Lapsed"]["challengeId"], tx.events["Lapsed"]["paid"]) == (blocker, 0)
    assert challenge_of(protocol, blocker).state == LAPSED
    assert challenge_of(protocol, artists)[3] == tx.timestamp
    assert record_of(protocol, report, licenses[0]) == (0, 0, 0, artists, 0, False)
    assert protocol.vault.refundOf(PLATFORM_ADMIN) == MINIMUM
    assert protocol.vault.challengeBonds() == bond
    assert escrow(protocol, platform) == had
    check_books(protocol)
    with refused("ChallengeClosed", blocker):
        rule_challenge(protocol, blocker, REPORTED, JUDGE)
    with refused("ChallengeClosed", blocker):
        protocol.disputes.lapse(blocker, ANYONE)

    rule_challenge(protocol, artists, 2 * REPORTED, JUDGE)
    assert (
        received(protocol, licenses[0]) == CREDITED
    )  # as much again: the first is not settled yet
    assert protocol.vault.refundOf(ARTIST) == bond + bond // 2
    assert escrow(protocol, platform).available == had.available - CREDITED - bond
    protocol.vault.claim(PLATFORM_ADMIN, [], ANYONE)
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == HAS
    protocol.pass_window()
    protocol.settle(report)
    assert received(protocol, licenses[0]) == 2 * CREDITED
    check_books(protocol)


def test_only_a_claim_more_than_twice_as_far_supersedes(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    first = challenge(protocol, report, licenses[0], REPORTED + 10, by=STRANGER)
    for more in (1, 9, 10, 11, 19, 20):
        with refused("AlreadyChallenged", first):
            challenge(protocol, report, licenses[0], REPORTED + more, by=ARTIST)
    second = challenge(protocol, report, licenses[0], REPORTED + 21, by=ARTIST)
    with refused("AlreadyChallenged", second):
        challenge(protocol, report, licenses[0], REPORTED + 42, by=STRANGER)
    third = challenge(protocol, report, licenses[0], REPORTED + 43, by=STRANGER)
    assert [challenge_of(protocol, one).state for one in (first, second, third)] == [
        LAPSED,
        LAPSED,
        OPEN,
    ]
    assert protocol.vault.refundOf(STRANGER) == protocol.vault.challengeBonds() == MINIMUM
    assert protocol.vault.refundOf(ARTIST) == MINIMUM // 2
    check_books(protocol)


def test_how_far_is_counted_from_what_the_open_claim_started_from(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    raised = REPORTED + 1_000
    made = challenge(protocol, report, licenses[0], raised, by=STRANGER)
    rule_challenge(protocol, made, raised, JUDGE)
    again = challenge(protocol, report, licenses[0], raised + 10, by=STRANGER)
    with refused("AlreadyChallenged", again):
        challenge(protocol, report, licenses[0], raised + 20, by=ARTIST)
    challenge(protocol, report, licenses[0], raised + 21, by=ARTIST)


def test_a_claim_that_supersedes_starts_from_what_a_reduction_left(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    first = challenge(protocol, report, licenses[0], REPORTED + 10 * UNIT, by=PLATFORM_ADMIN)
    reduction = challenge(protocol, report, licenses[0], 40_000 * UNIT, by=STRANGER)
    rule_challenge(protocol, reduction, 40_000 * UNIT, JUDGE)
    for quantity in (70_000 * UNIT, REPORTED + 20 * UNIT):
        with refused("AlreadyChallenged", first):
            challenge(protocol, report, licenses[0], quantity, by=ARTIST)
    had = escrow(protocol, platform).available
    made = challenge(protocol, report, licenses[0], 200_000 * UNIT, by=ARTIST)
    assert challenge_of(protocol, made)[6:9] == (40_000 * UNIT, 200_000 * UNIT, 40 * DOLLAR)
    # 160 dollars are disputed: a bond of 16, half of it for a payee. Ruled to 150 dollars: 110 more and the stake.
    rule_challenge(protocol, made, 150_000 * UNIT, JUDGE)
    assert received(protocol, licenses[0]) == 150 * DOLLAR
    assert escrow(protocol, platform).available == had - 118 * DOLLAR
    check_books(protocol)


# ---- both directions at once ----------------------------------------------------------------------------------------

# The artist claims 300 dollars: 200 more, a bond of 20, halved: 10. A stranger claims 40: all 100 are held, so 10 too.
# Ruled (raise, reduction) in dollars; then the split, the artist, the stranger, burnt, what the platform has less than
# the 899.993 before, and the row's record.
BOTH = [
    # Both win: 150 more and a stake of 10; 60 back less a stake of 10.
    ((250, 40), (40 + 150, 10 + 5, 10 + 5, 5 + 5, 150 + 10 - 60 + 10, 250)),
    # The raise fails: half its bond to the platform.
    ((100, 40), (40, 0, 10 + 5, 5 + 5, -5 - 60 + 10, 40)),
    # The reduction fails.
    ((250, 100), (100 + 150, 10 + 5, 0, 5 + 5, 150 + 10 - 5, 250)),
    # Both fail: the report was right, and the reduction puts that on record.
    ((100, 100), (100, 0, 0, 5 + 5, -5 - 5, 100)),
]


@pytest.mark.parametrize("raise_first", [True, False])
@pytest.mark.parametrize(("ruled", "expected"), BOTH)
def test_both_directions_are_ruled_in_either_order_with_the_same_money(
    protocol: DeployedProtocol,
    platform: int,
    licenses: list[int],
    report: Report,
    ruled: tuple[int, int],
    expected: Sequence[int],
    raise_first: bool,
) -> None:
    opened = [(300_000 * UNIT, ARTIST), (40_000 * UNIT, STRANGER)]
    made = [challenge(protocol, report, licenses[0], q, by=by) for q, by in opened]
    assert [challenge_of(protocol, one).bond for one in made] == [10 * DOLLAR, 10 * DOLLAR]
    assert record_of(protocol, report, licenses[0]) == (0, 0, 0, *made, False)
    check_books(protocol)
    for which in (0, 1) if raise_first else (1, 0):
        rule_challenge(protocol, made[which], ruled[which] * 1_000 * UNIT, JUDGE)
        check_books(protocol)
    to_split, artist, stranger, burnt, less, stands = (n * DOLLAR for n in expected)
    assert received(protocol, licenses[0]) == to_split
    assert protocol.vault.refundOf(ARTIST) == artist
    assert protocol.vault.refundOf(STRANGER) == stranger
    assert protocol.vault.refundOf(DEAD) == burnt
    assert escrow(protocol, platform).available == HAS - CREDITED - OTHER - less
    assert protocol.vault.challengeBonds() == 0
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 0
    record = record_of(protocol, report, licenses[0])
    assert (record.quantity, record.amount) == (stands * 1_000, stands)
    assert record[3:] == (0, 0, True)
    protocol.pass_window()
    assert protocol.settle(report).events["ReportSettled"]["credited"] == OTHER
    assert received(protocol, licenses[0]) == to_split
    check_books(protocol)


@pytest.mark.parametrize("raise_first", [True, False])
def test_each_lapses_by_itself(
    protocol: DeployedProtocol,
    platform: int,
    licenses: list[int],
    report: Report,
    raise_first: bool,
) -> None:
    had = escrow(protocol, platform)
    more = challenge(protocol, report, licenses[0], 300_000 * UNIT, by=ARTIST)
    less = challenge(protocol, report, licenses[0], 40_000 * UNIT, by=STRANGER)
    next_at(challenge_of(protocol, less).opened_at + ARBITRATION + 1)
    order = [more, less] if raise_first else [less, more]
    protocol.disputes.lapse(order[0], ANYONE)
    assert record_of(protocol, report, licenses[0])[3:] == (
        (0, less, False) if raise_first else (more, 0, False)
    )
    assert challenge_of(protocol, order[1]).state == OPEN
    assert received(protocol, licenses[0]) == (0 if raise_first else CREDITED)
    check_books(protocol)
    protocol.disputes.lapse(order[1], ANYONE)
    assert record_of(protocol, report, licenses[0])[3:] == (0, 0, False)
    assert received(protocol, licenses[0]) == CREDITED
    # Nobody ruled: a tenth of each bond of ten dollars burns.
    assert protocol.vault.refundOf(ARTIST) == protocol.vault.refundOf(STRANGER) == 9 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 2 * DOLLAR
    assert escrow(protocol, platform) == had
    protocol.settle(report)
    assert received(protocol, licenses[0]) == CREDITED
    check_books(protocol)


# ---- the end of it --------------------------------------------------------------------------------------------------


def test_challenging_again_and_again_ends_and_the_platform_withdraws(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    claim_end = window_end(protocol, report) + CLAIM_PERIOD
    cap = claim_end + ARBITRATION + WINDOW
    protocol.pass_window()
    protocol.settle(report)
    thawing = escrow(protocol, platform).available
    next_at(claim_end - 2)
    protocol.vault.thaw(platform, thawing, {"from": PLATFORM_ADMIN})

    until, reopened = claim_end, []
    for _ in range(4):
        next_at(until - 1)
        made = challenge(protocol, report, licenses[0], REPORTED + 1, by=STRANGER)
        next_at(until)
        rule_challenge(protocol, made, REPORTED, JUDGE)
        until = record_of(protocol, report, licenses[0]).reopen_until
        reopened.append(until - claim_end)
    # One window at a time, and then no more.
    assert reopened == [7 * DAY, 14 * DAY, 21 * DAY, 21 * DAY]
    next_at(cap)
    with refused("ChallengeTooLate", protocol.report_id(report), cap):
        challenge(protocol, report, licenses[0], REPORTED + 1, by=STRANGER)

    ends = escrow(protocol, platform).thaw_ends_at
    assert ends == cap - 1 + SETTLEMENT
    next_at(ends - 1)
    with refused("StillThawing", platform, ends):
        protocol.vault.withdraw(platform, PLATFORM_ADMIN, {"from": PLATFORM_ADMIN})
    next_at(ends)
    protocol.vault.withdraw(platform, PLATFORM_ADMIN, {"from": PLATFORM_ADMIN})
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == HAS + thawing
    check_books(protocol)


def test_a_platform_cannot_make_a_true_claim_a_draw_by_taking_its_place(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    # The truth is 200 000 units more; at exactly twice that distance the true ruling would lie in the middle.
    true = REPORTED + 200_000 * UNIT
    first = challenge(protocol, report, licenses[0], true, by=ARTIST)
    with refused("AlreadyChallenged", first):
        challenge(protocol, report, licenses[0], REPORTED + 400_000 * UNIT, by=PLATFORM_ADMIN)
    dodge = challenge(
        protocol, report, licenses[0], REPORTED + 400_000 * UNIT + 1, by=PLATFORM_ADMIN
    )
    rule_challenge(protocol, dodge, true, JUDGE)
    # The ruling is nearer to what was reported: the platform's own bond is lost, half of it burnt.
    bond = challenge_of(protocol, dodge).bond
    assert protocol.vault.refundOf(DEAD) == bond - bond // 2
    check_books(protocol)
