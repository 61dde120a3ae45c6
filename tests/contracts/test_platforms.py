"""Platforms: registration, reporters, and money in and out."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from tests.contracts.contest import check_books, escrow, own_contracts, stream
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    KEY_OF,
    PLATFORM_ADMIN,
    RELAY,
    REPORTER,
    RIVAL_ADMIN,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    refused,
    row,
)

ZERO = "0x" + "00" * 20
BOND = 1_000 * DOLLAR
THAW, CLOSE, SETTLEMENT, TAKE = 28 * DAY, 201 * DAY, 21 * DAY, 3 * DAY
ADMIN = {"from": PLATFORM_ADMIN}


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform with its minimum bond and a thousand dollars."""
    return protocol.platform(1_000 * DOLLAR)


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol, platform: int) -> int:
    return protocol.license()


# ---- registration -------------------------------------------------------------------------------------------------


def test_a_platform_registers_with_a_bond_and_its_reporters(protocol: DeployedProtocol) -> None:
    protocol.fund_account(RIVAL_ADMIN, BOND)
    tx = protocol.vault.registerPlatform([REPORTER, STRANGER], BOND, {"from": RIVAL_ADMIN})
    made = tx.return_value
    assert made == protocol.vault.platformCount()
    assert protocol.vault.platformOf(made) == (RIVAL_ADMIN, 0)
    assert escrow(protocol, made) == (0, 0, BOND, 0, 0)
    assert all(protocol.vault.isReporter(made, account) for account in (REPORTER, STRANGER))
    assert not protocol.vault.isReporter(made, RIVAL_ADMIN)
    assert protocol.token.balanceOf(RIVAL_ADMIN) == 0


def test_a_bond_one_unit_short_is_refused(protocol: DeployedProtocol) -> None:
    protocol.fund_account(RIVAL_ADMIN, BOND)
    with refused("BondTooSmall", BOND - 1, BOND):
        protocol.vault.registerPlatform([], BOND - 1, {"from": RIVAL_ADMIN})


def test_only_the_admin_sets_reporters(protocol: DeployedProtocol, platform: int) -> None:
    protocol.vault.setReporter(platform, STRANGER, True, ADMIN)
    assert protocol.vault.isReporter(platform, STRANGER)
    protocol.vault.setReporter(platform, STRANGER, False, ADMIN)
    assert not protocol.vault.isReporter(platform, STRANGER)
    with refused("NotPlatformAdmin", platform, STRANGER):
        protocol.vault.setReporter(platform, STRANGER, True, {"from": STRANGER})


def test_everything_the_admin_may_do_is_refused_to_others(
    protocol: DeployedProtocol, platform: int
) -> None:
    v = protocol.vault
    acts = [
        lambda s: v.transferAdmin(platform, STRANGER, s),
        lambda s: v.thaw(platform, 1, s),
        lambda s: v.cancelThaw(platform, s),
        lambda s: v.withdraw(platform, STRANGER, s),
        lambda s: v.close(platform, s),
        lambda s: v.withdrawBond(platform, STRANGER, s),
        lambda s: v.enableModule(platform, STRANGER, True, s),
    ]
    for act in acts:
        with refused("NotPlatformAdmin", platform, STRANGER):
            act({"from": STRANGER})
    with refused("UnknownPlatform", 99):
        v.thaw(99, 1, {"from": STRANGER})


def test_administration_is_handed_over_in_two_steps(
    protocol: DeployedProtocol, platform: int
) -> None:
    protocol.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    assert protocol.vault.platformOf(platform)[0] == PLATFORM_ADMIN
    with refused("AdminInvalid", STRANGER):
        protocol.vault.acceptAdmin(platform, {"from": STRANGER})
    tx = protocol.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    assert tx.events["AdminTransferred"]["from"] == PLATFORM_ADMIN
    assert protocol.vault.platformOf(platform)[0] == RIVAL_ADMIN
    with refused("AdminInvalid", RIVAL_ADMIN):
        protocol.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    with refused("NotPlatformAdmin", platform, PLATFORM_ADMIN):
        protocol.vault.thaw(platform, 1, ADMIN)


def test_an_offered_administration_can_be_taken_back(
    protocol: DeployedProtocol, platform: int
) -> None:
    protocol.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    protocol.vault.transferAdmin(platform, ZERO, ADMIN)
    with refused("AdminInvalid", RIVAL_ADMIN):
        protocol.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})


# ---- money in -----------------------------------------------------------------------------------------------------


def test_anyone_may_deposit_and_add_to_the_bond(protocol: DeployedProtocol, platform: int) -> None:
    protocol.fund_account(STRANGER, 30)
    protocol.vault.deposit(platform, 10, {"from": STRANGER})
    protocol.vault.addBond(platform, 20, {"from": STRANGER})
    assert escrow(protocol, platform) == (1_000 * DOLLAR + 10, 0, BOND + 20, 0, 0)
    check_books(protocol)


def test_nothing_and_nobody_cannot_be_paid_for(protocol: DeployedProtocol, platform: int) -> None:
    for act in (protocol.vault.deposit, protocol.vault.addBond, protocol.vault.thaw):
        with refused("AmountZero"):
            act(platform, 0, ADMIN)
    for act in (protocol.vault.deposit, protocol.vault.addBond):
        with refused("UnknownPlatform", 99):
            act(99, 1, ADMIN)


def permit(
    protocol: DeployedProtocol, amount: int, signer: str = ARTIST
) -> tuple[int, int, bytes, bytes]:
    """(deadline, v, r, s) of an ERC-2612 permit for the vault."""
    deadline = protocol.deadline()
    signed = Account.sign_typed_data(
        KEY_OF[signer].key,
        {
            "name": "Test Dollar",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": protocol.token.address,
        },
        {
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ]
        },
        {
            "owner": ARTIST,
            "spender": protocol.vault.address,
            "value": amount,
            "nonce": protocol.token.nonces(ARTIST),
            "deadline": deadline,
        },
    )
    return deadline, signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def test_a_permit_deposits_without_an_allowance_before(
    protocol: DeployedProtocol, platform: int
) -> None:
    protocol.token.mint(ARTIST, 500, {"from": ARTIST})
    protocol.vault.depositWithPermit(platform, 500, *permit(protocol, 500), {"from": ARTIST})
    assert escrow(protocol, platform).available == 1_000 * DOLLAR + 500
    assert protocol.token.allowance(ARTIST, protocol.vault) == 0


def test_a_permit_that_somebody_else_relayed_does_no_harm(
    protocol: DeployedProtocol, platform: int
) -> None:
    protocol.token.mint(ARTIST, 500, {"from": ARTIST})
    signed = permit(protocol, 500)
    protocol.token.permit(ARTIST, protocol.vault, 500, *signed, {"from": STRANGER})
    protocol.vault.depositWithPermit(platform, 500, *signed, {"from": ARTIST})
    assert escrow(protocol, platform).available == 1_000 * DOLLAR + 500


def test_a_bad_permit_without_an_allowance_deposits_nothing(
    protocol: DeployedProtocol, platform: int
) -> None:
    protocol.token.mint(ARTIST, 500, {"from": ARTIST})
    with refused("ERC20InsufficientAllowance", protocol.vault.address, 0, 500):
        protocol.vault.depositWithPermit(
            platform, 500, *permit(protocol, 500, STRANGER), {"from": ARTIST}
        )
    with refused("ERC20InsufficientAllowance", protocol.vault.address, 0, 500):
        protocol.vault.deposit(platform, 500, {"from": ARTIST})
    assert escrow(protocol, platform).available == 1_000 * DOLLAR


# ---- thawing ------------------------------------------------------------------------------------------------------


def thaw(protocol: DeployedProtocol, platform: int, amount: int) -> int:
    """Start a thaw; when it ends."""
    tx = protocol.vault.thaw(platform, amount, ADMIN)
    assert tx.events["ThawStarted"]["endsAt"] == tx.timestamp + THAW
    return int(tx.timestamp) + THAW


def test_money_leaves_when_the_thaw_is_over_and_not_a_second_earlier(
    protocol: DeployedProtocol, platform: int
) -> None:
    ends_at = thaw(protocol, platform, 400 * DOLLAR)
    assert escrow(protocol, platform) == (600 * DOLLAR, 400 * DOLLAR, BOND, ends_at, 0)
    next_at(ends_at - 1)
    with refused("StillThawing", platform, ends_at):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(ends_at)
    protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    assert protocol.token.balanceOf(SOCIETY) == 400 * DOLLAR
    assert escrow(protocol, platform) == (600 * DOLLAR, 0, BOND, 0, 0)
    check_books(protocol)


def test_what_is_not_taken_within_three_days_is_frozen_again(
    protocol: DeployedProtocol, platform: int
) -> None:
    assert protocol.vault.withdrawalPeriod() == TAKE
    ends_at = thaw(protocol, platform, 400 * DOLLAR)
    next_at(ends_at + TAKE)
    with refused("ThawLapsed", platform, ends_at + TAKE):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    # A thaw begins with what lapsed back among the available: a thousand dollars, not six hundred.
    with refused("EscrowShort", platform, 1_000 * DOLLAR, 1_000 * DOLLAR + 1):
        protocol.vault.thaw(platform, 1_000 * DOLLAR + 1, ADMIN)
    tx = protocol.vault.thaw(platform, 300 * DOLLAR, ADMIN)
    assert tx.events["ThawCancelled"]["amount"] == 400 * DOLLAR
    again = int(tx.timestamp) + THAW
    assert escrow(protocol, platform) == (700 * DOLLAR, 300 * DOLLAR, BOND, again, 0)
    # The last second in which it can be taken.
    next_at(again + TAKE - 1)
    protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    assert protocol.token.balanceOf(SOCIETY) == 300 * DOLLAR
    assert escrow(protocol, platform) == (700 * DOLLAR, 0, BOND, 0, 0)
    check_books(protocol)


def test_a_report_pushes_a_thaw_whose_days_still_run_and_freezes_one_whose_days_are_over(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    ends_at = thaw(protocol, platform, 1_000 * DOLLAR)
    mine_at(ends_at + TAKE - DAY)
    tx = protocol.submit(protocol.report(platform, [row(license_id, 1_000 * UNIT)]))
    pushed = int(tx.timestamp) + SETTLEMENT
    assert tx.events["ThawDelayed"]["endsAt"] == pushed
    assert escrow(protocol, platform) == (0, 999 * DOLLAR, BOND, pushed, 0)
    # The next report comes after the days in which the rest could have been taken.
    mine_at(pushed + TAKE)
    covered = stream(protocol, platform)[2]
    late = protocol.report(platform, [row(license_id, 1_000 * UNIT)], end=covered + 20 * DAY)
    tx = protocol.submit(late)
    assert tx.events["ThawCancelled"]["amount"] == 999 * DOLLAR
    assert escrow(protocol, platform) == (998 * DOLLAR, 0, BOND, 0, 0)
    with refused("NothingThawing", platform):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    check_books(protocol)


def test_more_than_is_available_cannot_thaw(protocol: DeployedProtocol, platform: int) -> None:
    with refused("EscrowShort", platform, 1_000 * DOLLAR, 1_000 * DOLLAR + 1):
        protocol.vault.thaw(platform, 1_000 * DOLLAR + 1, ADMIN)


def test_a_further_thaw_starts_the_clock_again_for_all_of_it(
    protocol: DeployedProtocol, platform: int
) -> None:
    first = thaw(protocol, platform, 1)
    mine_at(first - 10)
    second = thaw(protocol, platform, 2)
    assert escrow(protocol, platform)[1:4] == (3, BOND, second)
    next_at(first)
    with refused("StillThawing", platform, second):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)


def test_a_cancelled_thaw_is_available_again(protocol: DeployedProtocol, platform: int) -> None:
    thaw(protocol, platform, 400)
    tx = protocol.vault.cancelThaw(platform, ADMIN)
    assert tx.events["ThawCancelled"]["amount"] == 400
    assert escrow(protocol, platform) == (1_000 * DOLLAR, 0, BOND, 0, 0)
    for act in (
        lambda: protocol.vault.cancelThaw(platform, ADMIN),
        lambda: protocol.vault.withdraw(platform, SOCIETY, ADMIN),
    ):
        with refused("NothingThawing", platform):
            act()


def test_withdrawn_money_is_never_sent_where_nobody_could_take_it_out(
    protocol: DeployedProtocol, platform: int
) -> None:
    mine_at(thaw(protocol, platform, 400))
    for to in (ZERO, *own_contracts(protocol)):
        with refused("RecipientInvalid", to):
            protocol.vault.withdraw(platform, to, ADMIN)


def test_thawing_money_still_pays_a_report_and_the_report_pushes_the_rest(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    ends_at = thaw(protocol, platform, 1_000 * DOLLAR)
    mine_at(ends_at - DAY)
    report = protocol.report(
        platform, [row(license_id, 400_000 * UNIT)], start=protocol.now() - 20 * DAY
    )
    tx = protocol.submit(report)
    pushed = int(tx.timestamp) + SETTLEMENT
    assert tx.events["ThawDelayed"]["endsAt"] == pushed
    # 400 000 generations at a thousandth: 400 dollars are reserved, 600 go on thawing, for longer.
    assert escrow(protocol, platform) == (0, 600 * DOLLAR, BOND, pushed, 0)
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 400 * DOLLAR
    next_at(pushed - 1)
    with refused("StillThawing", platform, pushed):
        protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(pushed)
    protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    assert protocol.token.balanceOf(SOCIETY) == 600 * DOLLAR
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 400 * DOLLAR


def test_a_thaw_that_ends_late_enough_is_not_pushed(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    protocol.wait(DAY)  # the licence may be as young as the block before
    ends_at = thaw(protocol, platform, 1)
    tx = protocol.submit(
        protocol.report(
            platform, [row(license_id, UNIT)], start=protocol.now() - 1, end=protocol.now()
        )
    )
    assert "ThawDelayed" not in tx.events
    assert escrow(protocol, platform).thaw_ends_at == ends_at


# ---- closing ------------------------------------------------------------------------------------------------------


def test_a_closed_platform_reports_no_more_but_gets_its_money_back(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    with refused("PlatformOpen", platform):
        protocol.vault.withdrawBond(platform, SOCIETY, ADMIN)
    protocol.wait(DAY)
    report = protocol.report(platform, [row(license_id, UNIT)])
    tx = protocol.vault.close(platform, ADMIN)
    closes_at = int(tx.timestamp) + CLOSE
    assert tx.events["PlatformClosing"]["closesAt"] == closes_at
    with refused("PlatformClosed", platform):
        protocol.vault.close(platform, ADMIN)
    with refused("PlatformClosed", platform):
        protocol.submit(report)
    next_at(thaw(protocol, platform, 1_000 * DOLLAR))
    protocol.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(closes_at - 1)
    with refused("StillThawing", platform, closes_at):
        protocol.vault.withdrawBond(platform, SOCIETY, ADMIN)
    next_at(closes_at)
    protocol.vault.withdrawBond(platform, SOCIETY, ADMIN)
    assert protocol.token.balanceOf(SOCIETY) == BOND + 1_000 * DOLLAR
    assert escrow(protocol, platform) == (0, 0, 0, 0, 0)
    with refused("AmountZero"):
        protocol.vault.withdrawBond(platform, SOCIETY, ADMIN)
    check_books(protocol)


def test_a_report_in_flight_is_still_paid_after_its_platform_closed(
    protocol: DeployedProtocol, platform: int, license_id: int
) -> None:
    protocol.wait(DAY)
    report = protocol.report(platform, [row(license_id, 3 * UNIT)])
    protocol.submit(report)
    protocol.vault.close(platform, ADMIN)
    protocol.pass_window()
    protocol.settle(report)
    assert protocol.vault.receivedOf(1) == 3_000


def test_the_bond_is_never_sent_where_nobody_could_take_it_out(
    protocol: DeployedProtocol, platform: int
) -> None:
    mine_at(int(protocol.vault.close(platform, ADMIN).timestamp) + CLOSE)
    for to in (ZERO, *own_contracts(protocol)):
        with refused("RecipientInvalid", to):
            protocol.vault.withdrawBond(platform, to, ADMIN)


def test_an_obliged_platform_neither_submits_nor_withdraws_nor_closes(
    protocol: DeployedProtocol, license_id: int
) -> None:
    platform = protocol.platform(1_000)
    mine_at(thaw(protocol, platform, 1_000))
    report = protocol.report(platform, [row(license_id, 2 * UNIT)])
    assert protocol.submit(report).events["ObligationsChanged"]["obligations"] == 1
    mine_at(protocol.now() + SETTLEMENT)
    acts: list[Any] = [
        lambda: protocol.submit(protocol.report(platform, [row(license_id, UNIT)])),
        lambda: protocol.vault.withdraw(platform, SOCIETY, ADMIN),
        lambda: protocol.vault.close(platform, ADMIN),
    ]
    for act in acts:
        with refused("PlatformObliged", platform, 1):
            act()
    protocol.fund_account(RELAY, 1_000)
    protocol.vault.deposit(platform, 1_000, {"from": RELAY})
    protocol.oracle.fund(protocol.report_id(report), {"from": RELAY})
    acts[0]()
