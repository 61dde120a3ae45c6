"""Escrow that is short: the report waits, and so does its platform."""

from __future__ import annotations

import pytest

from tests.contracts.contest import (
    MINIMUM,
    PENDING,
    SETTLED,
    UNFUNDED,
    challenge,
    check_books,
    escrow,
    state,
    stream,
)
from tests.contracts.house import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
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

ADMIN = {"from": PLATFORM_ADMIN}
COST = 2_000
"""Two generations at a thousandth of a dollar."""
WINDOW, SETTLEMENT, THAW = 7 * DAY, 21 * DAY, 28 * DAY


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    return house.license(pays=split((ARTIST, 500_000), (LABEL, 500_000)))


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    """A platform whose escrow is exactly one unit short of a report of two generations."""
    made = house.platform(COST - 1)
    house.wait(30 * DAY)
    return made


@pytest.fixture
def unfunded(house: House, platform: int, license_id: int) -> Report:
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    house.submit(report)
    return report


def top_up(house: House, platform: int, amount: int) -> None:
    house.fund_account(STRANGER, amount)
    house.vault.deposit(platform, amount, {"from": STRANGER})


def fund(house: House, report: Report, sender: str = STRANGER) -> int:
    """Fund by anyone; the end of the window that starts now."""
    tx = house.oracle.fund(house.report_id(report), {"from": sender})
    assert tx.events["ReportFunded"]["end"] == tx.timestamp + WINDOW
    return int(tx.timestamp) + WINDOW


def test_escrow_that_is_exactly_enough_is_enough(
    house: House, license_id: int, platform: int
) -> None:
    top_up(house, platform, 1)
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    house.submit(report)
    assert state(house, report) == PENDING
    assert escrow(house, platform)[:2] == (0, 0)


def test_escrow_one_unit_short_leaves_the_report_unfunded_and_its_sequence_used(
    house: House, license_id: int, platform: int
) -> None:
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    tx = house.submit(report)
    assert tx.events["ReportUnfunded"]["needed"] == COST
    assert "ReportFunded" not in tx.events
    # No window is running: its end is not set.
    assert house.oracle.reportOf(house.report_id(report))[1:5] == (UNFUNDED, platform, COST, 0)
    assert stream(house, platform) == (house.report_id(report), 1, report.header.period_end)
    assert escrow(house, platform) == (COST - 1, 0, 1_000 * DOLLAR, 0, 1)
    assert house.vault.reservedOf(house.oracle, platform) == 0


def test_an_unfunded_report_is_neither_settled_nor_challenged(
    house: House, license_id: int, platform: int, unfunded: Report
) -> None:
    report_id = house.report_id(unfunded)
    house.pass_window()
    with refused("NotPending", report_id):
        house.settle(unfunded)
    house.fund_account(ARTIST, MINIMUM)
    with refused("NotChallengeable", report_id):
        challenge(house, unfunded, license_id, UNIT, by=ARTIST)
    with refused("NotChallengeable", report_id):
        challenge(house, unfunded, license_id, 3 * UNIT, by=ARTIST)


def test_a_report_that_is_short_cannot_be_funded_yet(
    house: House, platform: int, unfunded: Report
) -> None:
    with refused("EscrowShort", platform, COST):
        fund(house, unfunded)
    assert escrow(house, platform).obligations == 1
    assert state(house, unfunded) == UNFUNDED


def test_only_an_unfunded_report_is_funded_and_only_once(
    house: House, platform: int, unfunded: Report
) -> None:
    with refused("NotUnfunded", b"\7" * 32):
        house.oracle.fund(b"\7" * 32, {"from": RELAY})
    top_up(house, platform, COST)
    fund(house, unfunded)
    with refused("NotUnfunded", house.report_id(unfunded)):
        fund(house, unfunded)
    assert house.vault.reservedOf(house.oracle, platform) == COST


def test_a_top_up_and_fund_start_the_window_and_free_the_platform(
    house: House, license_id: int, platform: int, unfunded: Report
) -> None:
    house.wait(40 * DAY)
    top_up(house, platform, 1)
    end = fund(house, unfunded)
    assert escrow(house, platform) == (0, 0, 1_000 * DOLLAR, 0, 0)
    next_at(end - 1)
    with refused("WindowOpen", house.report_id(unfunded), end):
        house.settle(unfunded)
    next_at(end)
    house.settle(unfunded)
    assert state(house, unfunded) == SETTLED
    # The next one finds its platform free again, and its escrow empty.
    following = house.report(platform, [row(license_id, UNIT)])
    house.submit(following)
    assert state(house, following) == UNFUNDED
    check_books(house)


def test_until_it_is_funded_its_platform_reports_nothing_not_even_zero(
    house: House, license_id: int, platform: int, unfunded: Report
) -> None:
    house.wait(DAY)
    for rows in ([row(license_id, UNIT)], []):
        with refused("PlatformObliged", platform, 1):
            house.submit(house.report(platform, rows))
    with refused("PlatformObliged", platform, 1):
        house.submit(house.report(platform, [row(license_id, UNIT)], model=b"\2" * 32))


def test_until_it_is_funded_its_platform_withdraws_nothing(
    house: House, platform: int, license_id: int
) -> None:
    tx = house.vault.thaw(platform, 500, ADMIN)
    ends_at = int(tx.timestamp) + THAW
    mine_at(ends_at + DAY)
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    pushed = int(house.submit(report).timestamp) + SETTLEMENT
    # Even a report that could not be funded pushed the thaw that had just ended.
    assert escrow(house, platform) == (COST - 501, 500, 1_000 * DOLLAR, pushed, 1)
    mine_at(pushed + DAY)
    with refused("PlatformObliged", platform, 1):
        house.vault.withdraw(platform, SOCIETY, ADMIN)
    with refused("PlatformObliged", platform, 1):
        house.vault.close(platform, ADMIN)
    # Funding takes thawing money too.
    top_up(house, platform, 1)
    fund(house, report)
    assert escrow(house, platform)[:2] == (0, 0)


def test_one_platforms_short_escrow_is_no_other_platforms_concern(
    house: House, license_id: int, platform: int, unfunded: Report
) -> None:
    rich = house.platform(DOLLAR)
    report = house.report(rich, [row(license_id, UNIT)])
    house.submit(report)
    assert state(house, report) == PENDING
    assert escrow(house, rich) == (DOLLAR - 1_000, 0, 1_000 * DOLLAR, 0, 0)
    with refused("EscrowShort", platform, COST):
        fund(house, unfunded)


def test_a_withdrawal_with_a_report_open_leaves_the_reserve_alone(
    house: House, license_id: int
) -> None:
    platform = house.platform(10_000)
    ends_at = int(house.vault.thaw(platform, 10_000, ADMIN).timestamp) + THAW
    mine_at(ends_at - DAY)
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    pushed = int(house.submit(report).timestamp) + SETTLEMENT
    next_at(pushed)
    house.vault.withdraw(platform, SOCIETY, ADMIN)
    assert house.token.balanceOf(SOCIETY) == 8_000
    assert house.vault.reservedOf(house.oracle, platform) == COST
    house.settle(report)
    assert house.vault.receivedOf(house.registry.licenseOf(license_id)[6]) == COST
    check_books(house)
