"""Pausing: submit and settle stop for a while; nobody's way out does, and no clock moves."""

from __future__ import annotations

import pytest

from tests.contracts.contest import (
    MINIMUM,
    SETTLED,
    UNFUNDED,
    challenge,
    check_books,
    rule_challenge,
    state,
)
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
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
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)

ZERO = "0x" + "00" * 20
PAUSE, SPACING = 14 * DAY, 90 * DAY


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license(pays=split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    made = protocol.platform(100 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


def pause(protocol: DeployedProtocol, by: str) -> int:
    """Pause; when it ends by itself."""
    tx = protocol.oracle.pause({"from": by})
    until = int(tx.timestamp) + PAUSE
    assert (tx.events["PausedUntil"]["until"], tx.events["PausedUntil"]["by"]) == (until, by)
    assert protocol.oracle.pausedUntil() == until
    return until


def submitted(protocol: DeployedProtocol, platform: int, license_id: int) -> Report:
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    protocol.submit(report)
    return report


def test_while_paused_nothing_is_submitted_or_settled(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = submitted(protocol, platform, license_id)
    protocol.pass_window()
    until = pause(protocol, GUARDIAN)
    with refused("Paused", until):
        protocol.settle(report)
    with refused("Paused", until):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))
    next_at(until - 1)
    with refused("Paused", until):
        protocol.settle(report)
    next_at(until)
    protocol.settle(report)
    assert state(protocol, report) == SETTLED
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))


def test_while_paused_money_is_claimed_and_withdrawn_and_rows_are_challenged_and_ruled(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    protocol.vault.thaw(platform, DOLLAR, {"from": PLATFORM_ADMIN})
    protocol.wait(21 * DAY)
    paid = protocol.settled(platform, [row(license_id, UNIT)])
    report = submitted(protocol, platform, license_id)
    thawed = protocol.vault.escrowOf(platform)[3]
    mine_at(thawed - 10 * DAY)
    late = protocol.report(platform, [row(license_id, 2 * UNIT)])
    with refused("Paused", pause(protocol, GUARDIAN)):
        protocol.submit(late)
    assert state(protocol, paid) == SETTLED

    split_id = protocol.registry.licenseOf(license_id)[6]
    protocol.vault.claim(ARTIST, [split_id], {"from": RELAY})
    assert protocol.token.balanceOf(ARTIST) == 1_000
    protocol.fund_account(LABEL, MINIMUM)
    contested = challenge(protocol, report, license_id, 3 * UNIT, by=LABEL)
    rule_challenge(protocol, contested, 3 * UNIT, {"from": ARBITER})
    assert protocol.vault.receivedOf(split_id) == 2_000
    pushed = protocol.vault.escrowOf(platform)[3]
    # Pausing does not move the clock of a thaw: only the challenge did.
    assert pushed == protocol.disputes.challengeOf(contested)[3] + 21 * DAY
    next_at(pushed)
    pause(protocol, GOVERNOR)
    protocol.vault.withdraw(platform, SOCIETY, {"from": PLATFORM_ADMIN})
    assert protocol.token.balanceOf(SOCIETY) == DOLLAR
    check_books(protocol)


def test_a_pause_moves_no_window(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    report = submitted(protocol, platform, license_id)
    end = protocol.oracle.reportOf(protocol.report_id(report))[4]
    pause(protocol, GUARDIAN)
    assert protocol.oracle.reportOf(protocol.report_id(report))[4] == end
    protocol.fund_account(STRANGER, 2 * MINIMUM)
    mine_at(end)
    # The window ended while paused: too late to reduce the row, early enough to settle once unpaused.
    with refused("ChallengeTooLate", protocol.report_id(report), end):
        challenge(protocol, report, license_id, UNIT, by=STRANGER)
    protocol.oracle.unpause({"from": GUARDIAN})
    protocol.settle(report)


def test_an_unfunded_report_is_funded_while_paused(
    protocol: DeployedProtocol, license_id: int, platform: int
) -> None:
    poor = protocol.platform(0)
    report = submitted(protocol, poor, license_id)
    assert state(protocol, report) == UNFUNDED
    pause(protocol, GUARDIAN)
    protocol.fund_account(STRANGER, 2_000)
    protocol.vault.deposit(poor, 2_000, {"from": STRANGER})
    tx = protocol.oracle.fund(protocol.report_id(report), {"from": STRANGER})
    assert tx.events["ReportFunded"]["end"] == tx.timestamp + 7 * DAY


def test_the_guardian_pauses_once_in_ninety_days(protocol: DeployedProtocol) -> None:
    until = pause(protocol, GUARDIAN)
    again = until - PAUSE + SPACING
    with refused("PausedTooSoon", again):
        protocol.oracle.pause({"from": GUARDIAN})
    next_at(again - 1)
    with refused("PausedTooSoon", again):
        protocol.oracle.pause({"from": GUARDIAN})
    next_at(again)
    pause(protocol, GUARDIAN)


def test_lifting_a_pause_early_gives_the_guardian_no_other(protocol: DeployedProtocol) -> None:
    until = pause(protocol, GUARDIAN)
    tx = protocol.oracle.unpause({"from": GUARDIAN})
    assert tx.events["PausedUntil"]["until"] == protocol.oracle.pausedUntil() == 0
    with refused("PausedTooSoon", until - PAUSE + SPACING):
        protocol.oracle.pause({"from": GUARDIAN})


def test_another_guardian_does_not_start_the_ninety_days_anew(protocol: DeployedProtocol) -> None:
    until = pause(protocol, GUARDIAN)
    protocol.oracle.setGuardian(SOCIETY, {"from": GOVERNOR})
    with refused("PausedTooSoon", until - PAUSE + SPACING):
        protocol.oracle.pause({"from": SOCIETY})


def test_the_governor_pauses_at_any_time_and_lifts_any_pause(protocol: DeployedProtocol) -> None:
    pause(protocol, GOVERNOR)
    protocol.wait(DAY)
    pause(protocol, GOVERNOR)
    # The governor's pauses do not count against the guardian.
    pause(protocol, GUARDIAN)
    protocol.oracle.unpause({"from": GOVERNOR})
    assert protocol.oracle.pausedUntil() == 0


def test_the_guardian_cannot_lift_what_the_governor_paused(protocol: DeployedProtocol) -> None:
    until = pause(protocol, GOVERNOR)
    with refused("PausedByGovernor", until):
        protocol.oracle.unpause({"from": GUARDIAN})
    # Nor by pausing on top of it first: what it added stays until the governor's own pause is over.
    protocol.wait(4 * DAY)
    longer = pause(protocol, GUARDIAN)
    with refused("PausedByGovernor", until):
        protocol.oracle.unpause({"from": GUARDIAN})
    next_at(until - 1)
    with refused("PausedByGovernor", until):
        protocol.oracle.unpause({"from": GUARDIAN})
    assert protocol.oracle.pausedUntil() == longer
    next_at(until)
    protocol.oracle.unpause({"from": GUARDIAN})
    assert protocol.oracle.pausedUntil() == 0


def test_a_pause_that_the_governor_lifted_does_not_bind_the_guardian_later(
    protocol: DeployedProtocol,
) -> None:
    pause(protocol, GOVERNOR)
    protocol.oracle.unpause({"from": GOVERNOR})
    pause(protocol, GUARDIAN)
    protocol.oracle.unpause({"from": GUARDIAN})
    assert protocol.oracle.pausedUntil() == 0


def test_nobody_else_pauses_or_lifts_a_pause(protocol: DeployedProtocol) -> None:
    for account in (STRANGER, ARBITER, ATTESTERS[0], PLATFORM_ADMIN):
        with refused("NotPauser", account):
            protocol.oracle.pause({"from": account})
        with refused("NotPauser", account):
            protocol.oracle.unpause({"from": account})
