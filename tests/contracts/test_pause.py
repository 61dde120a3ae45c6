"""Pausing: submit and settle stop for a while; nobody's way out does, and no clock moves."""

from __future__ import annotations

import pytest

from tests.contracts.contest import MINIMUM, SETTLED, UNFUNDED, challenge, check_books, state
from tests.contracts.house import (
    ARBITER,
    ARTIST,
    ATTESTERS,
    DAY,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
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

ZERO = "0x" + "00" * 20
PAUSE, SPACING = 14 * DAY, 90 * DAY


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    return house.license(pays=split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    made = house.platform(100 * DOLLAR)
    house.wait(30 * DAY)
    return made


def pause(house: House, by: str) -> int:
    """Pause; when it ends by itself."""
    tx = house.oracle.pause({"from": by})
    until = int(tx.timestamp) + PAUSE
    assert (tx.events["PausedUntil"]["until"], tx.events["PausedUntil"]["by"]) == (until, by)
    assert house.oracle.pausedUntil() == until
    return until


def submitted(house: House, platform: int, license_id: int) -> Report:
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    house.submit(report)
    return report


def test_while_paused_nothing_is_submitted_or_settled(
    house: House, platform: int, license_id: int
) -> None:
    report = submitted(house, platform, license_id)
    house.pass_window()
    until = pause(house, GUARDIAN)
    with refused("Paused", until):
        house.settle(report)
    with refused("Paused", until):
        house.submit(house.report(platform, [row(license_id, UNIT)]))
    next_at(until - 1)
    with refused("Paused", until):
        house.settle(report)
    next_at(until)
    house.settle(report)
    assert state(house, report) == SETTLED
    house.submit(house.report(platform, [row(license_id, UNIT)]))


def test_while_paused_money_is_claimed_and_withdrawn_and_rows_are_challenged_and_ruled(
    house: House, platform: int, license_id: int
) -> None:
    house.vault.thaw(platform, DOLLAR, {"from": PLATFORM_ADMIN})
    house.wait(21 * DAY)
    paid = house.settled(platform, [row(license_id, UNIT)])
    report = submitted(house, platform, license_id)
    thawed = house.vault.escrowOf(platform)[3]
    mine_at(thawed - 10 * DAY)
    late = house.report(platform, [row(license_id, 2 * UNIT)])
    with refused("Paused", pause(house, GUARDIAN)):
        house.submit(late)
    assert state(house, paid) == SETTLED

    split_id = house.registry.licenseOf(license_id)[6]
    house.vault.claim(ARTIST, [split_id], {"from": RELAY})
    assert house.token.balanceOf(ARTIST) == 1_000
    house.fund_account(LABEL, MINIMUM)
    contested = challenge(house, report, license_id, 3 * UNIT, by=LABEL)
    house.disputes.rule(contested, 3 * UNIT, {"from": ARBITER})
    assert house.vault.receivedOf(split_id) == 2_000
    pushed = house.vault.escrowOf(platform)[3]
    # Pausing does not move the clock of a thaw: only the challenge did.
    assert pushed == house.disputes.challengeOf(contested)[3] + 21 * DAY
    next_at(pushed)
    pause(house, GOVERNOR)
    house.vault.withdraw(platform, SOCIETY, {"from": PLATFORM_ADMIN})
    assert house.token.balanceOf(SOCIETY) == DOLLAR
    check_books(house)


def test_a_pause_moves_no_window(house: House, platform: int, license_id: int) -> None:
    report = submitted(house, platform, license_id)
    end = house.oracle.reportOf(house.report_id(report))[4]
    pause(house, GUARDIAN)
    assert house.oracle.reportOf(house.report_id(report))[4] == end
    house.fund_account(STRANGER, 2 * MINIMUM)
    mine_at(end)
    # The window ended while paused: too late to reduce the row, early enough to settle once unpaused.
    with refused("ChallengeTooLate", house.report_id(report), end):
        challenge(house, report, license_id, UNIT, by=STRANGER)
    house.oracle.unpause({"from": GUARDIAN})
    house.settle(report)


def test_an_unfunded_report_is_funded_while_paused(
    house: House, license_id: int, platform: int
) -> None:
    poor = house.platform(0)
    report = submitted(house, poor, license_id)
    assert state(house, report) == UNFUNDED
    pause(house, GUARDIAN)
    house.fund_account(STRANGER, 2_000)
    house.vault.deposit(poor, 2_000, {"from": STRANGER})
    tx = house.oracle.fund(house.report_id(report), {"from": STRANGER})
    assert tx.events["ReportFunded"]["end"] == tx.timestamp + 7 * DAY


def test_the_guardian_pauses_once_in_ninety_days(house: House) -> None:
    until = pause(house, GUARDIAN)
    again = until - PAUSE + SPACING
    with refused("PausedTooSoon", again):
        house.oracle.pause({"from": GUARDIAN})
    next_at(again - 1)
    with refused("PausedTooSoon", again):
        house.oracle.pause({"from": GUARDIAN})
    next_at(again)
    pause(house, GUARDIAN)


def test_lifting_a_pause_early_gives_the_guardian_no_other(house: House) -> None:
    until = pause(house, GUARDIAN)
    tx = house.oracle.unpause({"from": GUARDIAN})
    assert tx.events["PausedUntil"]["until"] == house.oracle.pausedUntil() == 0
    with refused("PausedTooSoon", until - PAUSE + SPACING):
        house.oracle.pause({"from": GUARDIAN})


def test_another_guardian_does_not_start_the_ninety_days_anew(house: House) -> None:
    until = pause(house, GUARDIAN)
    house.oracle.setGuardian(SOCIETY, {"from": GOVERNOR})
    with refused("PausedTooSoon", until - PAUSE + SPACING):
        house.oracle.pause({"from": SOCIETY})


def test_the_governor_pauses_at_any_time_and_lifts_any_pause(house: House) -> None:
    pause(house, GOVERNOR)
    house.wait(DAY)
    pause(house, GOVERNOR)
    # The governor's pauses do not count against the guardian.
    pause(house, GUARDIAN)
    house.oracle.unpause({"from": GOVERNOR})
    assert house.oracle.pausedUntil() == 0


def test_nobody_else_pauses_or_lifts_a_pause(house: House) -> None:
    for account in (STRANGER, ARBITER, ATTESTERS[0], PLATFORM_ADMIN):
        with refused("NotPauser", account):
            house.oracle.pause({"from": account})
        with refused("NotPauser", account):
            house.oracle.unpause({"from": account})
