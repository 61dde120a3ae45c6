"""Who pays for a grant, out of which purse: the admin's wallet, never the escrow."""

from __future__ import annotations

import pytest

from tests.contracts.contest import (
    MINIMUM,
    UNFUNDED,
    acting_as,
    challenge,
    check_books,
    escrow,
    state,
)
from tests.contracts.granting import (
    ADMIN,
    FEE,
    PAYS,
    START,
    buy,
    covered,
    offer,
)
from tests.contracts.house import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PLATFORM_ADMIN,
    RELAY,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    STRANGER,
    UNIT,
    House,
    refused,
    row,
)
from tests.contracts.moments import next_at


@pytest.fixture(scope="module")
def platform(house: House) -> int:
    """A platform with a hundred dollars in escrow, whose admin has a hundred more."""
    registered = house.platform(100 * DOLLAR)
    house.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(house: House, platform: int) -> int:
    """Minted at START for GENERATIVE, by grant for three dollars."""
    next_at(START)
    return house.license(offer(), PAYS)


# ---- the wallet -----------------------------------------------------------------------------------------------------


def test_the_fee_leaves_the_admins_wallet_and_not_the_escrow(
    house: House, platform: int, licence: int
) -> None:
    before = escrow(house, platform)
    held = house.token.balanceOf(house.vault)
    tx = buy(house, platform, licence)
    assert dict(tx.events["PaidIn"]) == {
        "from": PLATFORM_ADMIN,
        "splitId": house.split_id(PAYS),
        "amount": FEE,
    }
    assert escrow(house, platform) == before
    assert house.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    assert house.token.balanceOf(house.vault) == held + FEE
    assert house.vault.reservedOf(house.grants, platform) == 0
    assert "Reserved" not in tx.events
    assert "Credited" not in tx.events
    # The payees need not wait for anything.
    assert house.vault.claim(LABEL, [house.split_id(PAYS)], ADMIN).return_value == 1_200_000
    check_books(house)


def test_a_fee_is_paid_by_the_admin_of_today(house: House, platform: int, licence: int) -> None:
    house.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    house.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    house.fund_account(RIVAL_ADMIN, FEE)
    with refused("NotPlatformAdmin", platform, PLATFORM_ADMIN):
        buy(house, platform, licence)
    buy(house, platform, licence, sender={"from": RIVAL_ADMIN})
    assert house.token.balanceOf(RIVAL_ADMIN) == 0
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR


def test_an_admin_one_unit_short_buys_nothing_whatever_is_in_escrow(
    house: House, licence: int
) -> None:
    poor = house.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    house.fund_account(RIVAL_ADMIN, FEE - 1)
    with refused("ERC20InsufficientBalance", RIVAL_ADMIN, FEE - 1, FEE):
        buy(house, poor, licence, sender=sender)
    now = house.now()
    assert covered(house, poor, licence, (now, now + DAY)) == [False]
    house.fund_account(RIVAL_ADMIN, 1)
    house.token.approve(house.vault, FEE - 1, sender)
    with refused("ERC20InsufficientAllowance", house.vault.address, FEE - 1, FEE):
        buy(house, poor, licence, sender=sender)
    house.token.approve(house.vault, FEE, sender)
    buy(house, poor, licence, sender=sender)
    assert house.token.balanceOf(RIVAL_ADMIN) == 0


def test_an_allowance_one_unit_short_buys_nothing(
    house: House, platform: int, licence: int
) -> None:
    house.token.approve(house.vault, FEE - 1, ADMIN)
    with refused("ERC20InsufficientAllowance", house.vault.address, FEE - 1, FEE):
        buy(house, platform, licence)
    # The allowance is the vault's: one to the grants is of no use.
    house.token.approve(house.grants, 100 * DOLLAR, ADMIN)
    with refused("ERC20InsufficientAllowance", house.vault.address, FEE - 1, FEE):
        buy(house, platform, licence)
    house.token.approve(house.vault, FEE, ADMIN)
    buy(house, platform, licence)
    assert house.token.allowance(PLATFORM_ADMIN, house.vault) == 0


# ---- what a platform owes already -----------------------------------------------------------------------------------


def test_a_platform_without_a_unit_in_escrow_buys(house: House, licence: int) -> None:
    poor = house.platform(0, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    house.fund_account(RIVAL_ADMIN, FEE)
    buy(house, poor, licence, sender={"from": RIVAL_ADMIN})
    assert house.vault.receivedOf(house.split_id(PAYS)) == FEE
    assert escrow(house, poor)[:2] == (0, 0)


def test_a_platform_with_an_open_challenge_buys_and_its_escrow_stays(
    house: House, platform: int, licence: int
) -> None:
    free = house.license(owner=LABEL)
    house.wait(30 * DAY)
    report = house.report(platform, [row(free, 1_000 * UNIT)])
    house.submit(report)
    house.fund_account(STRANGER, MINIMUM)
    challenge(house, report, free, 400 * UNIT, by=STRANGER)
    before = escrow(house, platform)
    held = [house.vault.reservedOf(m, platform) for m in (house.oracle, house.disputes)]
    assert held == [0, DOLLAR]
    buy(house, platform, licence)
    assert escrow(house, platform) == before
    assert [house.vault.reservedOf(m, platform) for m in (house.oracle, house.disputes)] == held
    assert house.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    check_books(house)


def test_a_platform_with_an_unfunded_report_buys_and_its_escrow_stays(
    house: House, platform: int, licence: int
) -> None:
    free = house.license(owner=LABEL)
    house.wait(30 * DAY)
    # A hundred dollars and a thousandth, of a hundred in escrow.
    report = house.report(platform, [row(free, 100_001 * UNIT)])
    house.submit(report)
    assert state(house, report) == UNFUNDED
    before = escrow(house, platform)
    assert (before.available, before.obligations) == (100 * DOLLAR, 1)
    buy(house, platform, licence)
    assert escrow(house, platform) == before
    assert house.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    check_books(house)


def test_a_platform_whose_escrow_thaws_pays_from_its_wallet_all_the_same(
    house: House, platform: int, licence: int
) -> None:
    house.vault.thaw(platform, 100 * DOLLAR, ADMIN)
    before = escrow(house, platform)
    buy(house, platform, licence)
    assert escrow(house, platform) == before
    assert (before.available, before.thawing) == (0, 100 * DOLLAR)


# ---- paying in ------------------------------------------------------------------------------------------------------


def test_only_the_grants_pay_in(house: House, platform: int, licence: int) -> None:
    split_id = house.split_id(PAYS)
    for account in (STRANGER, PLATFORM_ADMIN, ARTIST, RELAY):
        with refused("NotGrants", account):
            house.vault.payIn(PLATFORM_ADMIN, split_id, 1, {"from": account})
    for contract in (house.oracle, house.disputes, house.registry):
        with refused("NotGrants", contract.address):
            house.vault.payIn(PLATFORM_ADMIN, split_id, 1, acting_as(contract))
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    assert house.vault.receivedOf(split_id) == 0


def test_nothing_is_paid_into_a_split_that_nobody_interned(
    house: House, platform: int, licence: int
) -> None:
    for unknown in (0, house.vault.splitCount() + 1, 2**32 - 1):
        with refused("UnknownSplit", unknown):
            house.vault.payIn(PLATFORM_ADMIN, unknown, 1, acting_as(house.grants))
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
