"""Platforms: registration, reporters, and money in and out."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from tests.contracts.contest import check_books, escrow
from tests.contracts.house import (
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
    House,
    refused,
    row,
)
from tests.contracts.moments import mine_at, next_at

ZERO = "0x" + "00" * 20
BOND = 1_000 * DOLLAR
THAW, CLOSE, SETTLEMENT = 28 * DAY, 201 * DAY, 21 * DAY
ADMIN = {"from": PLATFORM_ADMIN}


@pytest.fixture(scope="module")
def platform(house: House) -> int:
    """A platform with its minimum bond and a thousand dollars."""
    return house.platform(1_000 * DOLLAR)


@pytest.fixture(scope="module")
def license_id(house: House, platform: int) -> int:
    return house.license()


# ---- registration -------------------------------------------------------------------------------------------------


def test_a_platform_registers_with_a_bond_and_its_reporters(house: House) -> None:
    house.fund_account(RIVAL_ADMIN, BOND)
    tx = house.vault.registerPlatform([REPORTER, STRANGER], BOND, {"from": RIVAL_ADMIN})
    made = tx.return_value
    assert made == house.vault.platformCount()
    assert house.vault.platformOf(made) == (RIVAL_ADMIN, 0)
    assert escrow(house, made) == (0, 0, BOND, 0, 0)
    assert all(house.vault.isReporter(made, account) for account in (REPORTER, STRANGER))
    assert not house.vault.isReporter(made, RIVAL_ADMIN)
    assert house.token.balanceOf(RIVAL_ADMIN) == 0


def test_a_bond_one_unit_short_is_refused(house: House) -> None:
    house.fund_account(RIVAL_ADMIN, BOND)
    with refused("BondTooSmall", BOND - 1, BOND):
        house.vault.registerPlatform([], BOND - 1, {"from": RIVAL_ADMIN})


def test_only_the_admin_sets_reporters(house: House, platform: int) -> None:
    house.vault.setReporter(platform, STRANGER, True, ADMIN)
    assert house.vault.isReporter(platform, STRANGER)
    house.vault.setReporter(platform, STRANGER, False, ADMIN)
    assert not house.vault.isReporter(platform, STRANGER)
    with refused("NotPlatformAdmin", platform, STRANGER):
        house.vault.setReporter(platform, STRANGER, True, {"from": STRANGER})


def test_everything_the_admin_may_do_is_refused_to_others(house: House, platform: int) -> None:
    v = house.vault
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


def test_administration_is_handed_over_in_two_steps(house: House, platform: int) -> None:
    house.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    assert house.vault.platformOf(platform)[0] == PLATFORM_ADMIN
    with refused("AdminInvalid", STRANGER):
        house.vault.acceptAdmin(platform, {"from": STRANGER})
    tx = house.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    assert tx.events["AdminTransferred"]["from"] == PLATFORM_ADMIN
    assert house.vault.platformOf(platform)[0] == RIVAL_ADMIN
    with refused("AdminInvalid", RIVAL_ADMIN):
        house.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    with refused("NotPlatformAdmin", platform, PLATFORM_ADMIN):
        house.vault.thaw(platform, 1, ADMIN)


def test_an_offered_administration_can_be_taken_back(house: House, platform: int) -> None:
    house.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    house.vault.transferAdmin(platform, ZERO, ADMIN)
    with refused("AdminInvalid", RIVAL_ADMIN):
        house.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})


# ---- money in -----------------------------------------------------------------------------------------------------


def test_anyone_may_deposit_and_add_to_the_bond(house: House, platform: int) -> None:
    house.fund_account(STRANGER, 30)
    house.vault.deposit(platform, 10, {"from": STRANGER})
    house.vault.addBond(platform, 20, {"from": STRANGER})
    assert escrow(house, platform) == (1_000 * DOLLAR + 10, 0, BOND + 20, 0, 0)
    check_books(house)


def test_nothing_and_nobody_cannot_be_paid_for(house: House, platform: int) -> None:
    for act in (house.vault.deposit, house.vault.addBond, house.vault.thaw):
        with refused("AmountZero"):
            act(platform, 0, ADMIN)
    for act in (house.vault.deposit, house.vault.addBond):
        with refused("UnknownPlatform", 99):
            act(99, 1, ADMIN)


def permit(house: House, amount: int, signer: str = ARTIST) -> tuple[int, int, bytes, bytes]:
    """(deadline, v, r, s) of an ERC-2612 permit for the vault."""
    deadline = house.deadline()
    signed = Account.sign_typed_data(
        KEY_OF[signer].key,
        {
            "name": "Test Dollar",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": house.token.address,
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
            "spender": house.vault.address,
            "value": amount,
            "nonce": house.token.nonces(ARTIST),
            "deadline": deadline,
        },
    )
    return deadline, signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def test_a_permit_deposits_without_an_allowance_before(house: House, platform: int) -> None:
    house.token.mint(ARTIST, 500, {"from": ARTIST})
    house.vault.depositWithPermit(platform, 500, *permit(house, 500), {"from": ARTIST})
    assert escrow(house, platform).available == 1_000 * DOLLAR + 500
    assert house.token.allowance(ARTIST, house.vault) == 0


def test_a_permit_that_somebody_else_relayed_does_no_harm(house: House, platform: int) -> None:
    house.token.mint(ARTIST, 500, {"from": ARTIST})
    signed = permit(house, 500)
    house.token.permit(ARTIST, house.vault, 500, *signed, {"from": STRANGER})
    house.vault.depositWithPermit(platform, 500, *signed, {"from": ARTIST})
    assert escrow(house, platform).available == 1_000 * DOLLAR + 500


def test_a_bad_permit_without_an_allowance_deposits_nothing(house: House, platform: int) -> None:
    house.token.mint(ARTIST, 500, {"from": ARTIST})
    with refused("ERC20InsufficientAllowance", house.vault.address, 0, 500):
        house.vault.depositWithPermit(
            platform, 500, *permit(house, 500, STRANGER), {"from": ARTIST}
        )
    with refused("ERC20InsufficientAllowance", house.vault.address, 0, 500):
        house.vault.deposit(platform, 500, {"from": ARTIST})
    assert escrow(house, platform).available == 1_000 * DOLLAR


# ---- thawing ------------------------------------------------------------------------------------------------------


def thaw(house: House, platform: int, amount: int) -> int:
    """Start a thaw; when it ends."""
    tx = house.vault.thaw(platform, amount, ADMIN)
    assert tx.events["ThawStarted"]["endsAt"] == tx.timestamp + THAW
    return int(tx.timestamp) + THAW


def test_money_leaves_when_the_thaw_is_over_and_not_a_second_earlier(
    house: House, platform: int
) -> None:
    ends_at = thaw(house, platform, 400 * DOLLAR)
    assert escrow(house, platform) == (600 * DOLLAR, 400 * DOLLAR, BOND, ends_at, 0)
    next_at(ends_at - 1)
    with refused("StillThawing", platform, ends_at):
        house.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(ends_at)
    house.vault.withdraw(platform, SOCIETY, ADMIN)
    assert house.token.balanceOf(SOCIETY) == 400 * DOLLAR
    assert escrow(house, platform) == (600 * DOLLAR, 0, BOND, 0, 0)
    check_books(house)


def test_more_than_is_available_cannot_thaw(house: House, platform: int) -> None:
    with refused("EscrowShort", platform, 1_000 * DOLLAR, 1_000 * DOLLAR + 1):
        house.vault.thaw(platform, 1_000 * DOLLAR + 1, ADMIN)


def test_a_further_thaw_starts_the_clock_again_for_all_of_it(house: House, platform: int) -> None:
    first = thaw(house, platform, 1)
    mine_at(first - 10)
    second = thaw(house, platform, 2)
    assert escrow(house, platform)[1:4] == (3, BOND, second)
    next_at(first)
    with refused("StillThawing", platform, second):
        house.vault.withdraw(platform, SOCIETY, ADMIN)


def test_a_cancelled_thaw_is_available_again(house: House, platform: int) -> None:
    thaw(house, platform, 400)
    tx = house.vault.cancelThaw(platform, ADMIN)
    assert tx.events["ThawCancelled"]["amount"] == 400
    assert escrow(house, platform) == (1_000 * DOLLAR, 0, BOND, 0, 0)
    for act in (
        lambda: house.vault.cancelThaw(platform, ADMIN),
        lambda: house.vault.withdraw(platform, SOCIETY, ADMIN),
    ):
        with refused("NothingThawing", platform):
            act()


def test_withdrawn_money_is_never_sent_where_nobody_could_take_it_out(
    house: House, platform: int
) -> None:
    mine_at(thaw(house, platform, 400))
    for to in (ZERO, house.vault.address, house.token.address):
        with refused("RecipientInvalid", to):
            house.vault.withdraw(platform, to, ADMIN)


def test_thawing_money_still_pays_a_report_and_the_report_pushes_the_rest(
    house: House, platform: int, license_id: int
) -> None:
    ends_at = thaw(house, platform, 1_000 * DOLLAR)
    mine_at(ends_at - DAY)
    report = house.report(platform, [row(license_id, 400_000 * UNIT)], start=house.now() - 20 * DAY)
    tx = house.submit(report)
    pushed = int(tx.timestamp) + SETTLEMENT
    assert tx.events["ThawDelayed"]["endsAt"] == pushed
    # 400 000 generations at a thousandth: 400 dollars are reserved, 600 go on thawing, for longer.
    assert escrow(house, platform) == (0, 600 * DOLLAR, BOND, pushed, 0)
    assert house.vault.reservedOf(house.oracle, platform) == 400 * DOLLAR
    next_at(pushed - 1)
    with refused("StillThawing", platform, pushed):
        house.vault.withdraw(platform, SOCIETY, ADMIN)
    next_at(pushed)
    house.vault.withdraw(platform, SOCIETY, ADMIN)
    assert house.token.balanceOf(SOCIETY) == 600 * DOLLAR
    assert house.vault.reservedOf(house.oracle, platform) == 400 * DOLLAR


def test_a_thaw_that_ends_late_enough_is_not_pushed(
    house: House, platform: int, license_id: int
) -> None:
    house.wait(DAY)  # the licence may be as young as the block before
    ends_at = thaw(house, platform, 1)
    tx = house.submit(
        house.report(platform, [row(license_id, UNIT)], start=house.now() - 1, end=house.now())
    )
    assert "ThawDelayed" not in tx.events
    assert escrow(house, platform).thaw_ends_at == ends_at


# ---- closing ------------------------------------------------------------------------------------------------------


def test_a_closed_platform_reports_no_more_but_gets_its_money_back(
    house: House, platform: int, license_id: int
) -> None:
    with refused("PlatformOpen", platform):
        house.vault.withdrawBond(platform, SOCIETY, ADMIN)
    house.wait(DAY)
    report = house.report(platform, [row(license_id, UNIT)])
    tx = house.vault.close(platform, ADMIN)
    closes_at = int(tx.timestamp) + CLOSE
    assert tx.events["PlatformClosing"]["closesAt"] == closes_at
    with refused("PlatformClosed", platform):
        house.vault.close(platform, ADMIN)
    with refused("PlatformClosed", platform):
        house.submit(report)
    thaw(house, platform, 1_000 * DOLLAR)
    next_at(closes_at - 1)
    with refused("StillThawing", platform, closes_at):
        house.vault.withdrawBond(platform, SOCIETY, ADMIN)
    next_at(closes_at)
    house.vault.withdrawBond(platform, SOCIETY, ADMIN)
    house.vault.withdraw(platform, SOCIETY, ADMIN)
    assert house.token.balanceOf(SOCIETY) == BOND + 1_000 * DOLLAR
    assert escrow(house, platform) == (0, 0, 0, 0, 0)
    with refused("AmountZero"):
        house.vault.withdrawBond(platform, SOCIETY, ADMIN)
    check_books(house)


def test_a_report_in_flight_is_still_paid_after_its_platform_closed(
    house: House, platform: int, license_id: int
) -> None:
    house.wait(DAY)
    report = house.report(platform, [row(license_id, 3 * UNIT)])
    house.submit(report)
    house.vault.close(platform, ADMIN)
    house.pass_window()
    house.settle(report)
    assert house.vault.receivedOf(1) == 3_000


def test_the_bond_is_never_sent_where_nobody_could_take_it_out(house: House, platform: int) -> None:
    mine_at(int(house.vault.close(platform, ADMIN).timestamp) + CLOSE)
    for to in (ZERO, house.vault.address, house.token.address):
        with refused("RecipientInvalid", to):
            house.vault.withdrawBond(platform, to, ADMIN)


def test_an_obliged_platform_neither_submits_nor_withdraws_nor_closes(
    house: House, license_id: int
) -> None:
    platform = house.platform(1_000)
    mine_at(thaw(house, platform, 1_000))
    report = house.report(platform, [row(license_id, 2 * UNIT)])
    assert house.submit(report).events["ObligationsChanged"]["obligations"] == 1
    mine_at(house.now() + SETTLEMENT)
    acts: list[Any] = [
        lambda: house.submit(house.report(platform, [row(license_id, UNIT)])),
        lambda: house.vault.withdraw(platform, SOCIETY, ADMIN),
        lambda: house.vault.close(platform, ADMIN),
    ]
    for act in acts:
        with refused("PlatformObliged", platform, 1):
            act()
    house.fund_account(RELAY, 1_000)
    house.vault.deposit(platform, 1_000, {"from": RELAY})
    house.oracle.fund(house.report_id(report), {"from": RELAY})
    acts[0]()
