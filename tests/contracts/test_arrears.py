"""Arrears: what a platform owes beyond all it has."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from obbligato.words import Metric
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
    state,
)
from tests.contracts.house import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    PLATFORM_ADMIN,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    House,
    Report,
    refused,
    row,
    split,
)
from tests.contracts.moments import mine_at, next_at

ADMIN, JUDGE, ANYONE = {"from": PLATFORM_ADMIN}, {"from": ARBITER}, {"from": RELAY}
BOND = 1_000 * DOLLAR
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
def license_id(house: House) -> int:
    return house.license(pays=split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    """A platform with a hundred dollars available, fifty thawing and its bond."""
    made = house.platform(151 * DOLLAR)
    house.fund_account(STRANGER, 100_000 * DOLLAR)
    house.wait(30 * DAY)
    return made


@pytest.fixture
def report(house: House, platform: int, license_id: int) -> Report:
    """A settled report of a dollar."""
    made = house.settled(platform, [row(license_id, REPORTED)])
    house.vault.thaw(platform, 50 * DOLLAR, ADMIN)
    return made


def lose(house: House, platform: int, report: Report, license_id: int, dollars: int) -> Owing:
    """Rule that the row was worth so many dollars more."""
    quantity = REPORTED + dollars * 1_000 * UNIT
    made = challenge(house, report, license_id, quantity, by=STRANGER)
    house.disputes.rule(made, quantity, JUDGE)
    return Owing(platform, report, made, int(house.registry.licenseOf(license_id)[6]))


def received(house: House, owing: Owing) -> int:
    return int(house.vault.receivedOf(owing.split_id))


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
    house: House,
    platform: int,
    license_id: int,
    report: Report,
    dollars: int,
    left: tuple[int, ...],
) -> None:
    assert escrow(house, platform)[:3] == (100 * DOLLAR, 50 * DOLLAR, BOND)
    owing = lose(house, platform, report, license_id, dollars)
    assert escrow(house, platform)[:3] == tuple(part * DOLLAR for part in left)
    assert received(house, owing) == (1 + dollars) * DOLLAR
    assert arrears_of(house, owing.challenge) == NONE
    assert escrow(house, platform).obligations == 0
    check_books(house)


@pytest.fixture
def owing(house: House, platform: int, license_id: int, report: Report) -> Owing:
    """1 300 dollars more are due, and 130 of stake: the platform has 1 150."""
    return lose(house, platform, report, license_id, 1_300)


def test_what_nothing_is_left_for_becomes_arrears_the_row_first(
    house: House, platform: int, license_id: int, report: Report
) -> None:
    quantity = REPORTED + 1_300_000 * UNIT
    made = challenge(house, report, license_id, quantity, by=STRANGER)
    tx = house.disputes.rule(made, quantity, JUDGE)
    split_id = int(house.registry.licenseOf(license_id)[6])
    event = tx.events["Ruled"]
    assert (event["paid"], event["arrears"]) == (1_150 * DOLLAR, 280 * DOLLAR)
    assert arrears_of(house, made) == (platform, split_id, 150 * DOLLAR, 130 * DOLLAR, STRANGER)
    assert escrow(house, platform) == (0, 0, 0, escrow(house, platform).thaw_ends_at, 1)
    assert house.vault.receivedOf(split_id) == 1_151 * DOLLAR
    # The challenger has its own bond back at once; the stake it won is still owed.
    assert house.vault.refundOf(STRANGER) == 130 * DOLLAR
    assert house.vault.refundOf(DEAD) == 0
    check_books(house)


def test_a_stake_that_can_be_paid_in_part_is_paid_in_part(
    house: House, platform: int, license_id: int, report: Report
) -> None:
    # 1 100 dollars fit; of the stake of 110 there are 50 left.
    owing = lose(house, platform, report, license_id, 1_100)
    assert received(house, owing) == 1_101 * DOLLAR
    assert arrears_of(house, owing.challenge)[2:4] == (0, 60 * DOLLAR)
    assert house.vault.refundOf(STRANGER) == 110 * DOLLAR + 25 * DOLLAR
    assert house.vault.refundOf(DEAD) == 25 * DOLLAR
    check_books(house)


def test_arrears_are_paid_whole_or_not_at_all(house: House, platform: int, owing: Owing) -> None:
    house.vault.deposit(platform, 280 * DOLLAR - 1, {"from": STRANGER})
    before = escrow(house, platform)
    with refused("ArrearsUnpaid", owing.challenge, 1):
        house.disputes.payArrears(owing.challenge, ANYONE)
    assert escrow(house, platform) == before
    house.vault.deposit(platform, 2, {"from": STRANGER})
    tx = house.disputes.payArrears(owing.challenge, ANYONE)
    assert (tx.events["ArrearsPaid"]["owed"], tx.events["ArrearsPaid"]["penalty"]) == (
        150 * DOLLAR,
        130 * DOLLAR,
    )
    assert escrow(house, platform)[:3] == (1, 0, 0)
    assert escrow(house, platform).obligations == 0
    assert received(house, owing) == 1_301 * DOLLAR
    assert house.vault.refundOf(STRANGER) == 130 * DOLLAR + 65 * DOLLAR
    assert house.vault.refundOf(DEAD) == 65 * DOLLAR
    check_books(house)


def test_arrears_are_paid_once_and_only_where_there_are_some(
    house: House, platform: int, owing: Owing
) -> None:
    with refused("NoArrears", 99):
        house.disputes.payArrears(99, ANYONE)
    house.vault.deposit(platform, 1_000 * DOLLAR, {"from": STRANGER})
    house.disputes.payArrears(owing.challenge, ANYONE)
    with refused("NoArrears", owing.challenge):
        house.disputes.payArrears(owing.challenge, ANYONE)


def test_a_platform_in_arrears_neither_reports_nor_withdraws_nor_closes(
    house: House, platform: int, license_id: int, owing: Owing
) -> None:
    house.vault.deposit(platform, 100 * DOLLAR, {"from": STRANGER})
    house.vault.addBond(platform, BOND, {"from": STRANGER})
    house.vault.thaw(platform, DOLLAR, ADMIN)
    house.wait(29 * DAY)
    blocked = [
        lambda: house.submit(house.report(platform, [row(license_id, UNIT)])),
        lambda: house.submit(house.report(platform, [])),
        lambda: house.vault.withdraw(platform, SOCIETY, ADMIN),
        lambda: house.vault.close(platform, ADMIN),
    ]
    for act in blocked:
        with refused("PlatformObliged", platform, 1):
            act()
    # Arrears take the bond too, as a ruling does; the platform must then make it whole to report again.
    house.disputes.payArrears(owing.challenge, ANYONE)
    assert escrow(house, platform)[:3] == (0, 0, 820 * DOLLAR)
    with refused("BondTooSmall", 820 * DOLLAR, BOND):
        blocked[0]()
    house.vault.addBond(platform, 180 * DOLLAR, {"from": STRANGER})
    blocked[0]()


def test_a_closing_platform_in_arrears_keeps_its_bond_in(
    house: House, platform: int, license_id: int, report: Report
) -> None:
    closes_at = int(house.vault.close(platform, ADMIN).timestamp) + 201 * DAY
    lose(house, platform, report, license_id, 1_300)
    house.vault.addBond(platform, DOLLAR, {"from": STRANGER})
    next_at(closes_at)
    with refused("PlatformObliged", platform, 1):
        house.vault.withdrawBond(platform, SOCIETY, ADMIN)


def test_each_ruling_leaves_its_own_arrears(
    house: House, platform: int, license_id: int, owing: Owing
) -> None:
    second = challenge(
        house, owing.report, license_id, 5_000 * UNIT, by=STRANGER, metric=Metric.PLAYBACK
    )
    # 5 000 playbacks at half a thousandth: two and a half dollars, and the minimum bond.
    house.disputes.rule(second, 5_000 * UNIT, JUDGE)
    assert arrears_of(house, second)[2:4] == (2_500_000, MINIMUM)
    assert escrow(house, platform).obligations == 2
    house.vault.deposit(platform, 7_500_000, {"from": STRANGER})
    house.disputes.payArrears(second, ANYONE)
    assert escrow(house, platform).obligations == 1
    assert arrears_of(house, owing.challenge)[2] == 150 * DOLLAR
    check_books(house)


def test_arrears_come_before_a_report_that_waits_for_money(
    house: House, license_id: int, platform: int
) -> None:
    poor = house.platform(DOLLAR)
    first = house.settled(poor, [row(license_id, REPORTED)])
    house.wait(60)
    waiting = house.report(poor, [row(license_id, 2 * REPORTED)])
    house.submit(waiting)
    assert state(house, waiting) == UNFUNDED
    owing = lose(house, poor, first, license_id, 2_000)
    assert escrow(house, poor).obligations == 2
    house.vault.deposit(poor, 2 * DOLLAR, {"from": STRANGER})
    with refused("PlatformObliged", poor, 1):
        house.oracle.fund(house.report_id(waiting), ANYONE)
    house.vault.deposit(poor, 1_200 * DOLLAR, {"from": STRANGER})
    house.disputes.payArrears(owing.challenge, ANYONE)
    house.vault.addBond(poor, BOND, {"from": STRANGER})
    house.oracle.fund(house.report_id(waiting), ANYONE)
    assert state(house, waiting) == PENDING
    assert escrow(house, poor) == (0, 0, BOND, 0, 0)
    check_books(house)


def test_no_other_platform_pays_for_arrears(house: House, license_id: int, owing: Owing) -> None:
    rich = house.platform(10_000 * DOLLAR)
    with refused("ArrearsUnpaid", owing.challenge, 280 * DOLLAR):
        house.disputes.payArrears(owing.challenge, ANYONE)
    assert escrow(house, rich)[:3] == (10_000 * DOLLAR, 0, BOND)
    report = house.report(rich, [row(license_id, UNIT)])
    house.submit(report)
    assert state(house, report) == PENDING


def test_a_reduction_that_empties_a_row_still_pays_its_stake_from_what_it_frees(
    house: House, license_id: int, platform: int
) -> None:
    bare = house.platform(DOLLAR)
    report = house.report(bare, [row(license_id, REPORTED)])
    house.submit(report)
    made = challenge(house, report, license_id, 0, by=STRANGER)
    house.disputes.rule(made, 0, JUDGE)
    # One dollar is freed; the stake of five takes it and four of the bond.
    assert challenge_of(house, made).bond == MINIMUM
    assert escrow(house, bare) == (0, 0, BOND - 4 * DOLLAR, 0, 0)
    check_books(house)


def test_money_thawed_in_time_for_a_challenge_is_still_there_for_its_ruling(
    house: House, platform: int, license_id: int, report: Report
) -> None:
    thawed = escrow(house, platform).thaw_ends_at
    mine_at(thawed - 1)
    quantity = REPORTED + 150_000 * UNIT
    made = challenge(house, report, license_id, quantity, by=STRANGER)
    with refused("StillThawing", platform, challenge_of(house, made).opened_at + 21 * DAY):
        next_at(thawed)
        house.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(challenge_of(house, made).opened_at + 14 * DAY)
    house.disputes.rule(made, quantity, JUDGE)
    assert house.vault.receivedOf(house.registry.licenseOf(license_id)[6]) == 151 * DOLLAR
