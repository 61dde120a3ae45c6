"""A reduction gives way to a lower one, so that a row's own payee cannot use it up; and the clock that this extends has
its bounds."""

from __future__ import annotations

import pytest

from tests.contracts.contest import (
    DEAD,
    LAPSED,
    OPEN,
    RULED,
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
    RELAY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)

ARBITRATION = 14 * DAY
JUDGE, ANYONE = {"from": ARBITER}, {"from": RELAY}
REPORTED, CREDITED = 100_000 * UNIT, 100 * DOLLAR
HAS = 1_000 * DOLLAR


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license(pays=split((ARTIST, 1_000_000)))


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    """A platform; the row's payee and a stranger have money for bonds."""
    made = protocol.platform(HAS)
    for account in (ARTIST, STRANGER):
        protocol.fund_account(account, HAS)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, license_id: int) -> Report:
    made = protocol.report(platform, [row(license_id, REPORTED)])
    protocol.submit(made)
    return made


@pytest.fixture
def blocker(protocol: DeployedProtocol, license_id: int, report: Report) -> int:
    """The row's own payee reduces it by one, to keep true reductions out."""
    return challenge(protocol, report, license_id, REPORTED - 1, by=ARTIST)


def test_a_lower_claim_takes_the_place_of_an_open_reduction(
    protocol: DeployedProtocol, platform: int, license_id: int, report: Report, blocker: int
) -> None:
    had = escrow(protocol, platform)
    # The whole row is at stake, however little is claimed: ten dollars, half of it for a payee.
    assert challenge_of(protocol, blocker).bond == 5 * DOLLAR
    true = challenge(protocol, report, license_id, 10_000 * UNIT, by=STRANGER)
    assert [challenge_of(protocol, one).state for one in (blocker, true)] == [LAPSED, OPEN]
    assert record_of(protocol, report, license_id).open_reduction == true
    # One row, held once; the first bond is whole again.
    assert protocol.vault.reservedOf(protocol.disputes, platform) == CREDITED
    assert protocol.vault.refundOf(ARTIST) == 5 * DOLLAR
    assert escrow(protocol, platform) == had
    with refused("ChallengeClosed", blocker):
        rule_challenge(protocol, blocker, REPORTED, JUDGE)

    rule_challenge(protocol, true, 10_000 * UNIT, JUDGE)
    assert received(protocol, license_id) == 10 * DOLLAR
    # Ninety dollars return to the platform, less its stake of ten: five to the stranger, five burn.
    assert escrow(protocol, platform).available == had.available + 80 * DOLLAR
    assert (protocol.vault.refundOf(STRANGER), protocol.vault.refundOf(DEAD)) == (
        15 * DOLLAR,
        5 * DOLLAR,
    )
    check_books(protocol)


@pytest.mark.parametrize("quantity", [REPORTED - 1, 0])
def test_an_equal_claim_takes_nobody_s_place(
    protocol: DeployedProtocol, license_id: int, report: Report, quantity: int
) -> None:
    first = challenge(protocol, report, license_id, quantity, by=STRANGER)
    with refused("AlreadyChallenged", first):
        challenge(protocol, report, license_id, quantity, by=ARTIST)


def test_a_lower_claim_is_in_time_for_the_first_one_s_arbitration_whatever_became_of_the_window(
    protocol: DeployedProtocol, license_id: int, report: Report
) -> None:
    end = window_end(protocol, report)
    next_at(end - 1)
    blocker = challenge(protocol, report, license_id, REPORTED - 1, by=ARTIST)
    next_at(end)
    protocol.settle(report)
    since = end - 1
    next_at(since + ARBITRATION - 1)
    lower = challenge(protocol, report, license_id, 1, by=STRANGER)
    assert challenge_of(protocol, blocker).state == LAPSED
    assert challenge_of(protocol, lower).disputed_since == since
    # After that nobody takes the row any more, even a lower claim.
    next_at(since + ARBITRATION)
    with refused("ChallengeTooLate", protocol.report_id(report), since + ARBITRATION):
        challenge(protocol, report, license_id, 0, by=STRANGER)
    rule_challenge(protocol, lower, 1, JUDGE)
    check_books(protocol)


def test_the_arbiter_has_half_its_period_after_the_latest_claim_and_the_row_waits_no_longer(
    protocol: DeployedProtocol, license_id: int, report: Report, blocker: int
) -> None:
    since = challenge_of(protocol, blocker).opened_at
    # Early in the first one's time: the first one's clock.
    next_at(since + DAY)
    second = challenge(protocol, report, license_id, REPORTED - 2, by=STRANGER)
    # In the last second of it: half a period more, one and a half in all, which nobody can make longer.
    next_at(since + ARBITRATION - 2)
    with refused("ArbitrationRunning", second, since + ARBITRATION):
        protocol.disputes.lapse(second, ANYONE)
    next_at(since + ARBITRATION - 1)
    last = challenge(protocol, report, license_id, 0, by=STRANGER)
    end = since + ARBITRATION - 1 + ARBITRATION // 2
    next_at(end)
    with refused("ArbitrationRunning", last, end):
        protocol.disputes.lapse(last, ANYONE)
    next_at(end)
    rule_challenge(protocol, last, 0, JUDGE)
    assert challenge_of(protocol, last).state == RULED
    check_books(protocol)


def test_what_nobody_rules_on_lapses_when_the_clock_says(
    protocol: DeployedProtocol, license_id: int, report: Report, blocker: int
) -> None:
    since = challenge_of(protocol, blocker).opened_at
    next_at(since + 10 * DAY)
    lower = challenge(protocol, report, license_id, 0, by=STRANGER)
    end = since + 17 * DAY
    next_at(end + 1)
    with refused("ArbitrationOver", lower, end):
        rule_challenge(protocol, lower, 0, JUDGE)
    next_at(end + 1)
    protocol.disputes.lapse(lower, ANYONE)
    # The report stands; a tenth of ten dollars burns, and nothing of the bond that was superseded.
    assert received(protocol, license_id) == CREDITED
    assert protocol.vault.refundOf(STRANGER) == 9 * DOLLAR
    assert protocol.vault.refundOf(ARTIST) == 5 * DOLLAR
    assert protocol.vault.refundOf(DEAD) == DOLLAR
    check_books(protocol)


def test_claims_of_more_share_one_clock_too(
    protocol: DeployedProtocol, license_id: int, report: Report
) -> None:
    first = challenge(protocol, report, license_id, REPORTED + 1, by=STRANGER)
    since = challenge_of(protocol, first).opened_at
    next_at(since + ARBITRATION - 1)
    second = challenge(protocol, report, license_id, REPORTED + 3, by=STRANGER)
    assert challenge_of(protocol, second).disputed_since == since
    next_at(since + ARBITRATION)
    with refused("ChallengeTooLate", protocol.report_id(report), since + ARBITRATION):
        challenge(protocol, report, license_id, REPORTED + 7, by=STRANGER)
    check_books(protocol)
