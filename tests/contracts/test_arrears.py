"""Arrears: what a platform owes beyond all it has."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from obbligato.protocol.constants import Metric
from tests.contracts.contest import (
    DEAD,
    MINIMUM,
    PENDING,
    UNFUNDED,
    arrears_of,
    challenge,
    challenge_of,
    check_books,
    escrow,
    rule_challenge,
    state,
    stream,
)
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    PLATFORM_ADMIN,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)

ADMIN, JUDGE, ANYONE = {"from": PLATFORM_ADMIN}, {"from": ARBITER}, {"from": RELAY}
BOND = 1_000 * DOLLAR
ALL = 2**64 - 1
NONE = (0, 0, 0, 0, "0x" + "00" * 20)
REPORTED = 1_000 * UNIT
"""A dollar's worth."""


class Owing(NamedTuple):
    """A platform that lost a challenge, and what it lost."""

    platform: int
    report: Report
    challenge: int
    split_id: int


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license(pays=split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    """A platform with a hundred dollars available, fifty thawing and its bond."""
    made = protocol.platform(151 * DOLLAR)
    protocol.fund_account(STRANGER, 100_000 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, license_id: int) -> Report:
    """A settled report of a dollar."""
    made = protocol.settled(platform, [row(license_id, REPORTED)])
    protocol.vault.thaw(platform, 50 * DOLLAR, ADMIN)
    return made


def lose(
    protocol: DeployedProtocol, platform: int, report: Report, license_id: int, dollars: int
) -> Owing:
    """Rule that the row was worth so many dollars more."""
    quantity = REPORTED + dollars * 1_000 * UNIT
    made = challenge(protocol, report, license_id, quantity, by=STRANGER)
    rule_challenge(protocol, made, quantity, JUDGE)
    return Owing(platform, report, made, int(protocol.registry.licenseOf(license_id)[6]))


def received(protocol: DeployedProtocol, owing: Owing) -> int:
    return int(protocol.vault.receivedOf(owing.split_id))


# A challenge of X more dollars carries a bond, and a stake, of a tenth of X.
@pytest.mark.parametrize(
    ("dollars", "left"),
    [
        # what is left of 100 available, 50 thawing and 1 000 bond, once X and a tenth of it are taken
        (50, (45, 50, 1_000)),
        (100, (0, 40, 1_000)),
        (130, (0, 7, 1_000)),
        (150, (0, 0, 985)),
        (1_000, (0, 0, 50)),
    ],
)
def test_what_is_missing_comes_from_available_then_thawing_then_bond(
    protocol: DeployedProtocol,
    platform: int,
    license_id: int,
    report: Report,
    dollars: int,
    left: tuple[int, ...],
) -> None:
    assert escrow(protocol, platform)[:3] == (100 * DOLLAR, 50 * DOLLAR, BOND)
    owing = lose(protocol, platform, report, license_id, dollars)
    assert escrow(protocol, platform)[:3] == tuple(part * DOLLAR for part in left)
    assert received(protocol, owing) == (1 + dollars) * DOLLAR
    assert arrears_of(protocol, owing.challenge) == NONE
    assert escrow(protocol, platform).obligations == 0
    check_books(protocol)


@pytest.fixture
def owing(protocol: DeployedProtocol, platform: int, license_id: int, report: Report) -> Owing:
    """1 300 dollars more are due, and 130 of stake: the platform has 1 150."""
    return lose(protocol, platform, report, license_id, 1_300)


def test_what_nothing_is_left_for_becomes_arrears_the_row_first(
    protocol: DeployedProtocol, platform: int, license_id: int, report: Report
) -> None:
    quantity = REPORTED + 1_300_000 * UNIT
    made = challenge(protocol, report, license_id, quantity, by=STRANGER)
    tx = rule_challenge(protocol, made, quantity, JUDGE)
    split_id = int(protocol.registry.licenseOf(license_id)[6])
    event = tx.events["Ruled"]
    assert (event["paid"], event["arrears"]) == (1_150 * DOLLAR, 280 * DOLLAR)
    assert arrears_of(protocol, made) == (platform, split_id, 150 * DOLLAR, 130 * DOLLAR, STRANGER)
    assert escrow(protocol, platform) == (0, 0, 0, escrow(protocol, platform).thaw_ends_at, 1)
    assert protocol.vault.receivedOf(split_id) == 1_151 * DOLLAR
    # The challenger has its own bond back at once; the stake it won is still owed.
    assert protocol.vault.refundOf(STRANGER) == 130 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 0
    check_books(protocol)


def test_a_stake_that_can_be_paid_in_part_is_paid_in_part(
    protocol: DeployedProtocol, platform: int, license_id: int, report: Report
) -> None:
    # 1 100 dollars fit; of the stake of 110 there are 50 left.
    owing = lose(protocol, platform, report, license_id, 1_100)
    assert received(protocol, owing) == 1_101 * DOLLAR
    assert arrears_of(protocol, owing.challenge)[2:4] == (0, 60 * DOLLAR)
    assert protocol.vault.refundOf(STRANGER) == 110 * DOLLAR + 25 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 25 * DOLLAR
    check_books(protocol)


def pay(protocol: DeployedProtocol, owing: Owing, amount: int = ALL) -> tuple[int, int]:
    """Pay arrears; what went to the row and what to the penalty."""
    event = protocol.disputes.payArrears(owing.challenge, amount, ANYONE).events["ArrearsPaid"]
    return event["paid"], event["penalty"]


def test_arrears_are_paid_by_as_much_as_there_is_the_row_first(
    protocol: DeployedProtocol, platform: int, owing: Owing
) -> None:
    with refused("ArrearsUnpaid", owing.challenge, 280 * DOLLAR):
        protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)
    protocol.vault.deposit(platform, 100 * DOLLAR, {"from": STRANGER})
    with refused("ArrearsUnpaid", owing.challenge, 280 * DOLLAR):
        protocol.disputes.payArrears(owing.challenge, 0, ANYONE)
    assert pay(protocol, owing) == (100 * DOLLAR, 0)
    assert arrears_of(protocol, owing.challenge)[2:4] == (50 * DOLLAR, 130 * DOLLAR)
    assert escrow(protocol, platform).obligations == 1
    # 80 more: 50 end the row's, 30 begin the penalty, half of them the challenger's.
    protocol.vault.deposit(platform, 80 * DOLLAR, {"from": STRANGER})
    assert pay(protocol, owing) == (50 * DOLLAR, 30 * DOLLAR)
    assert arrears_of(protocol, owing.challenge)[2:4] == (0, 100 * DOLLAR)
    assert received(protocol, owing) == 1_301 * DOLLAR
    assert protocol.vault.refundOf(STRANGER) == 130 * DOLLAR + 15 * DOLLAR
    assert escrow(protocol, platform).obligations == 1
    check_books(protocol)
    protocol.vault.deposit(platform, 100 * DOLLAR + 1, {"from": STRANGER})
    assert pay(protocol, owing) == (0, 100 * DOLLAR)
    assert arrears_of(protocol, owing.challenge) == NONE
    assert escrow(protocol, platform)[:3] == (1, 0, 0)
    assert escrow(protocol, platform).obligations == 0
    assert protocol.vault.refundOf(STRANGER) == 130 * DOLLAR + 65 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 65 * DOLLAR
    check_books(protocol)


def test_no_more_is_paid_than_was_named_nor_than_is_due(
    protocol: DeployedProtocol, platform: int, owing: Owing
) -> None:
    protocol.vault.deposit(platform, 1_000 * DOLLAR, {"from": STRANGER})
    assert pay(protocol, owing, 10 * DOLLAR) == (10 * DOLLAR, 0)
    assert escrow(protocol, platform)[:3] == (990 * DOLLAR, 0, 0)
    assert pay(protocol, owing, 270 * DOLLAR + 1) == (140 * DOLLAR, 130 * DOLLAR)
    assert escrow(protocol, platform)[:3] == (720 * DOLLAR, 0, 0)


def test_a_penalty_paid_unit_by_unit_still_is_half_the_challengers(
    protocol: DeployedProtocol, platform: int, owing: Owing
) -> None:
    protocol.vault.deposit(platform, 1_000 * DOLLAR, {"from": STRANGER})
    pay(protocol, owing, 150 * DOLLAR)
    before = protocol.vault.refundOf(STRANGER)
    for _ in range(5):
        assert pay(protocol, owing, 1) == (0, 1)
    # 130 000 000 units were due: of the first five, every other one is the challenger's, beginning with the first.
    assert protocol.vault.refundOf(STRANGER) - before == 3
    assert protocol.vault.refundOf(DEAD) == 2
    pay(protocol, owing)
    assert protocol.vault.refundOf(STRANGER) - before == 65 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 65 * DOLLAR


def test_arrears_are_paid_at_once_where_the_money_is_there(
    protocol: DeployedProtocol, platform: int, owing: Owing
) -> None:
    protocol.vault.deposit(platform, 280 * DOLLAR + 1, {"from": STRANGER})
    assert pay(protocol, owing) == (150 * DOLLAR, 130 * DOLLAR)
    assert escrow(protocol, platform)[:3] == (1, 0, 0)
    assert escrow(protocol, platform).obligations == 0
    assert received(protocol, owing) == 1_301 * DOLLAR
    assert protocol.vault.refundOf(STRANGER) == 130 * DOLLAR + 65 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == 65 * DOLLAR
    check_books(protocol)


def test_arrears_are_paid_once_and_only_where_there_are_some(
    protocol: DeployedProtocol, platform: int, owing: Owing
) -> None:
    with refused("NoArrears", 99):
        protocol.disputes.payArrears(99, ALL, ANYONE)
    protocol.vault.deposit(platform, 1_000 * DOLLAR, {"from": STRANGER})
    protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)
    with refused("NoArrears", owing.challenge):
        protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)


def test_a_platform_in_arrears_neither_reports_nor_withdraws_nor_closes(
    protocol: DeployedProtocol, platform: int, license_id: int, owing: Owing
) -> None:
    protocol.vault.deposit(platform, 100 * DOLLAR, {"from": STRANGER})
    protocol.vault.addBond(platform, BOND, {"from": STRANGER})
    protocol.vault.thaw(platform, DOLLAR, ADMIN)
    protocol.wait(29 * DAY)
    month = stream(protocol, platform)[2] + 31 * DAY
    blocked = [
        lambda: protocol.submit(protocol.report(platform, [row(license_id, UNIT)], end=month)),
        lambda: protocol.submit(protocol.report(platform, [], end=month)),
        lambda: protocol.vault.withdraw(platform, SOCIETY, ADMIN),
        lambda: protocol.vault.close(platform, ADMIN),
    ]
    for act in blocked:
        with refused("PlatformObliged", platform, 1):
            act()
    # Arrears take the bond too, as a ruling does; the platform must then make it whole to report again.
    protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)
    assert escrow(protocol, platform)[:3] == (0, 0, 820 * DOLLAR)
    with refused("BondTooSmall", 820 * DOLLAR, BOND):
        blocked[0]()
    protocol.vault.addBond(platform, 180 * DOLLAR, {"from": STRANGER})
    blocked[0]()


def test_a_closing_platform_in_arrears_keeps_its_bond_in(
    protocol: DeployedProtocol, platform: int, license_id: int, report: Report
) -> None:
    closes_at = int(protocol.vault.close(platform, ADMIN).timestamp) + 201 * DAY
    lose(protocol, platform, report, license_id, 1_300)
    protocol.vault.addBond(platform, DOLLAR, {"from": STRANGER})
    next_at(closes_at)
    with refused("PlatformObliged", platform, 1):
        protocol.vault.withdrawBond(platform, SOCIETY, ADMIN)


def test_each_ruling_leaves_its_own_arrears(
    protocol: DeployedProtocol, platform: int, license_id: int, owing: Owing
) -> None:
    second = challenge(
        protocol, owing.report, license_id, 5_000 * UNIT, by=STRANGER, metric=Metric.PLAYBACK
    )
    # 5 000 playbacks at half a thousandth: two and a half dollars, and the minimum bond.
    rule_challenge(protocol, second, 5_000 * UNIT, JUDGE)
    assert arrears_of(protocol, second)[2:4] == (2_500_000, MINIMUM)
    assert escrow(protocol, platform).obligations == 2
    protocol.vault.deposit(platform, 7_500_000, {"from": STRANGER})
    protocol.disputes.payArrears(second, ALL, ANYONE)
    assert escrow(protocol, platform).obligations == 1
    assert arrears_of(protocol, owing.challenge)[2] == 150 * DOLLAR
    check_books(protocol)


def test_arrears_come_before_a_report_that_waits_for_money(
    protocol: DeployedProtocol, license_id: int, platform: int
) -> None:
    poor = protocol.platform(DOLLAR)
    first = protocol.settled(poor, [row(license_id, REPORTED)])
    protocol.wait(60)
    waiting = protocol.report(poor, [row(license_id, 2 * REPORTED)])
    protocol.submit(waiting)
    assert state(protocol, waiting) == UNFUNDED
    owing = lose(protocol, poor, first, license_id, 2_000)
    assert escrow(protocol, poor).obligations == 2
    protocol.vault.deposit(poor, 2 * DOLLAR, {"from": STRANGER})
    with refused("PlatformObliged", poor, 1):
        protocol.oracle.fund(protocol.report_id(waiting), ANYONE)
    protocol.vault.deposit(poor, 1_200 * DOLLAR, {"from": STRANGER})
    protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)
    protocol.vault.addBond(poor, BOND, {"from": STRANGER})
    protocol.oracle.fund(protocol.report_id(waiting), ANYONE)
    assert state(protocol, waiting) == PENDING
    assert escrow(protocol, poor) == (0, 0, BOND, 0, 0)
    check_books(protocol)


def test_no_other_platform_pays_for_arrears(
    protocol: DeployedProtocol, license_id: int, owing: Owing
) -> None:
    rich = protocol.platform(10_000 * DOLLAR)
    with refused("ArrearsUnpaid", owing.challenge, 280 * DOLLAR):
        protocol.disputes.payArrears(owing.challenge, ALL, ANYONE)
    assert escrow(protocol, rich)[:3] == (10_000 * DOLLAR, 0, BOND)
    report = protocol.report(rich, [row(license_id, UNIT)])
    protocol.submit(report)
    assert state(protocol, report) == PENDING


def test_a_reduction_that_empties_a_row_still_pays_its_stake_from_what_it_frees(
    protocol: DeployedProtocol, license_id: int, platform: int
) -> None:
    bare = protocol.platform(DOLLAR)
    report = protocol.report(bare, [row(license_id, REPORTED)])
    protocol.submit(report)
    made = challenge(protocol, report, license_id, 0, by=STRANGER)
    rule_challenge(protocol, made, 0, JUDGE)
    # One dollar is freed; the stake of five takes it and four of the bond.
    assert challenge_of(protocol, made).bond == MINIMUM
    assert escrow(protocol, bare) == (0, 0, BOND - 4 * DOLLAR, 0, 0)
    check_books(protocol)


def test_money_thawed_in_time_for_a_challenge_is_still_there_for_its_ruling(
    protocol: DeployedProtocol, platform: int, license_id: int, report: Report
) -> None:
    thawed = escrow(protocol, platform).thaw_ends_at
    mine_at(thawed - 1)
    quantity = REPORTED + 150_000 * UNIT
    made = challenge(protocol, report, license_id, quantity, by=STRANGER)
    with refused("StillThawing", platform, challenge_of(protocol, made).opened_at + 21 * DAY):
        next_at(thawed)
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(challenge_of(protocol, made).opened_at + 14 * DAY)
    rule_challenge(protocol, made, quantity, JUDGE)
    assert protocol.vault.receivedOf(protocol.registry.licenseOf(license_id)[6]) == 151 * DOLLAR
