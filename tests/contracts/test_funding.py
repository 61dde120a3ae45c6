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
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
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

ADMIN = {"from": PLATFORM_ADMIN}
COST = 2_000
"""Two generations at a thousandth of a dollar."""
WINDOW, SETTLEMENT, THAW = 7 * DAY, 21 * DAY, 28 * DAY


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license(pays=split((ARTIST, 500_000), (LABEL, 500_000)))


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    """A platform whose escrow is exactly one unit short of a report of two generations."""
    made = protocol.platform(COST - 1)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def unfunded(protocol: DeployedProtocol, platform: int, license_id: int) -> Report:
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    protocol.submit(report)
    return report


def top_up(protocol: DeployedProtocol, platform: int, amount: int) -> None:
    protocol.fund_account(STRANGER, amount)
    protocol.vault.deposit(platform, amount, {"from": STRANGER})


def fund(protocol: DeployedProtocol, report: Report, sender: str = STRANGER) -> int:
    """Fund by anyone; the end of the window that starts now."""
    tx = protocol.oracle.fund(protocol.report_id(report), {"from": sender})
    assert tx.events["ReportFunded"]["end"] == tx.timestamp + WINDOW
    return int(tx.timestamp) + WINDOW


def test_escrow_that_is_exactly_enough_is_enough(
    protocol: DeployedProtocol, license_id: int, platform: int
) -> None:
    top_up(protocol, platform, 1)
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    protocol.submit(report)
    assert state(protocol, report) == PENDING
    assert escrow(protocol, platform)[:2] == (0, 0)


def test_escrow_one_unit_short_leaves_the_report_unfunded_and_its_sequence_used(
    protocol: DeployedProtocol, license_id: int, platform: int
) -> None:
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    tx = protocol.submit(report)
    assert tx.events["ReportUnfunded"]["needed"] == COST
    assert "ReportFunded" not in tx.events
    # No window is running: its end is not set.
    assert protocol.oracle.reportOf(protocol.report_id(report))[1:5] == (
        UNFUNDED,
        platform,
        COST,
        0,
    )
    assert stream(protocol, platform) == (protocol.report_id(report), 1, report.header.period_end)
    assert escrow(protocol, platform) == (COST - 1, 0, 1_000 * DOLLAR, 0, 1)
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 0


def test_an_unfunded_report_is_neither_settled_nor_challenged(
    protocol: DeployedProtocol, license_id: int, platform: int, unfunded: Report
) -> None:
    report_id = protocol.report_id(unfunded)
    protocol.pass_window()
    with refused("NotPending", report_id):
        protocol.settle(unfunded)
    protocol.fund_account(ARTIST, MINIMUM)
    with refused("NotChallengeable", report_id):
        challenge(protocol, unfunded, license_id, UNIT, by=ARTIST)
    with refused("NotChallengeable", report_id):
        challenge(protocol, unfunded, license_id, 3 * UNIT, by=ARTIST)


def test_a_report_that_is_short_cannot_be_funded_yet(
    protocol: DeployedProtocol, platform: int, unfunded: Report
) -> None:
    with refused("EscrowShort", platform, COST):
        fund(protocol, unfunded)
    assert escrow(protocol, platform).obligations == 1
    assert state(protocol, unfunded) == UNFUNDED


def test_only_an_unfunded_report_is_funded_and_only_once(
    protocol: DeployedProtocol, platform: int, unfunded: Report
) -> None:
    with refused("NotUnfunded", b"\7" * 32):
        protocol.oracle.fund(b"\7" * 32, {"from": RELAY})
    top_up(protocol, platform, COST)
    fund(protocol, unfunded)
    with refused("NotUnfunded", protocol.report_id(unfunded)):
        fund(protocol, unfunded)
    assert protocol.vault.reservedOf(protocol.oracle, platform) == COST


def test_a_top_up_and_fund_start_the_window_and_free_the_platform(
    protocol: DeployedProtocol, license_id: int, platform: int, unfunded: Report
) -> None:
    protocol.wait(40 * DAY)
    top_up(protocol, platform, 1)
    end = fund(protocol, unfunded)
    assert escrow(protocol, platform) == (0, 0, 1_000 * DOLLAR, 0, 0)
    next_at(end - 1)
    with refused("WindowOpen", protocol.report_id(unfunded), end):
        protocol.settle(unfunded)
    next_at(end)
    protocol.settle(unfunded)
    assert state(protocol, unfunded) == SETTLED
    # The next one finds its platform free again, and its escrow empty.
    month = stream(protocol, platform)[2] + 31 * DAY
    following = protocol.report(platform, [row(license_id, UNIT)], end=month)
    protocol.submit(following)
    assert state(protocol, following) == UNFUNDED
    check_books(protocol)


def test_until_it_is_funded_its_platform_reports_nothing_not_even_zero(
    protocol: DeployedProtocol, license_id: int, platform: int, unfunded: Report
) -> None:
    protocol.wait(DAY)
    for rows in ([row(license_id, UNIT)], []):
        with refused("PlatformObliged", platform, 1):
            protocol.submit(protocol.report(platform, rows))
    with refused("PlatformObliged", platform, 1):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], model=b"\2" * 32))


def test_until_it_is_funded_its_platform_withdraws_nothing(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    tx = protocol.vault.thaw(platform, 500, ADMIN)
    ends_at = int(tx.timestamp) + THAW
    mine_at(ends_at + DAY)
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    pushed = int(protocol.submit(report).timestamp) + SETTLEMENT
    # Even a report that could not be funded pushed the thaw that had just ended.
    assert escrow(protocol, platform) == (COST - 501, 500, 1_000 * DOLLAR, pushed, 1)
    mine_at(pushed + DAY)
    with refused("PlatformObliged", platform, 1):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    with refused("PlatformObliged", platform, 1):
        protocol.vault.close(platform, ADMIN)
    # Funding takes thawing money too.
    top_up(protocol, platform, 1)
    fund(protocol, report)
    assert escrow(protocol, platform)[:2] == (0, 0)


def test_one_platforms_short_escrow_is_no_other_platforms_concern(
    protocol: DeployedProtocol, license_id: int, platform: int, unfunded: Report
) -> None:
    rich = protocol.platform(DOLLAR)
    report = protocol.report(rich, [row(license_id, UNIT)])
    protocol.submit(report)
    assert state(protocol, report) == PENDING
    assert escrow(protocol, rich) == (DOLLAR - 1_000, 0, 1_000 * DOLLAR, 0, 0)
    with refused("EscrowShort", platform, COST):
        fund(protocol, unfunded)


def test_a_withdrawal_with_a_report_open_leaves_the_reserve_alone(
    protocol: DeployedProtocol, license_id: int
) -> None:
    platform = protocol.platform(10_000)
    ends_at = int(protocol.vault.thaw(platform, 10_000, ADMIN).timestamp) + THAW
    mine_at(ends_at - DAY)
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    pushed = int(protocol.submit(report).timestamp) + SETTLEMENT
    next_at(pushed)
    protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    assert protocol.token.balanceOf(SOCIETY) == 8_000
    assert protocol.vault.reservedOf(protocol.oracle, platform) == COST
    protocol.settle(report)
    assert protocol.vault.receivedOf(protocol.registry.licenseOf(license_id)[6]) == COST
    check_books(protocol)
