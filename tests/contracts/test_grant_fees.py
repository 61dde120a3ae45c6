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
from tests.contracts.granting import ADMIN, FEE, PAYS, START, buy, covered, offer
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
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
    DeployedProtocol,
    refused,
    row,
)


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform with a hundred dollars in escrow, whose admin has a hundred more."""
    registered = protocol.platform(100 * DOLLAR)
    protocol.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(protocol: DeployedProtocol, platform: int) -> int:
    """Minted at START for GENERATIVE, by grant for three dollars."""
    next_at(START)
    return protocol.license(offer(), PAYS)


# ---- the wallet -----------------------------------------------------------------------------------------------------


def test_the_fee_leaves_the_admins_wallet_and_not_the_escrow(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    before = escrow(protocol, platform)
    held = protocol.token.balanceOf(protocol.vault)
    tx = buy(protocol, platform, licence)
    assert dict(tx.events["PaidIn"]) == {
        "from": PLATFORM_ADMIN,
        "splitId": protocol.split_id(PAYS),
        "amount": FEE,
    }
    assert escrow(protocol, platform) == before
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    assert protocol.token.balanceOf(protocol.vault) == held + FEE
    assert protocol.vault.reservedOf(protocol.grants, platform) == 0
    assert "Reserved" not in tx.events
    assert "Credited" not in tx.events
    # The payees need not wait for anything.
    assert protocol.vault.claim(LABEL, [protocol.split_id(PAYS)], ADMIN).return_value == 1_200_000
    check_books(protocol)


def test_a_fee_is_paid_by_the_admin_of_today(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    protocol.vault.transferAdmin(platform, RIVAL_ADMIN, ADMIN)
    protocol.vault.acceptAdmin(platform, {"from": RIVAL_ADMIN})
    protocol.fund_account(RIVAL_ADMIN, FEE)
    with refused("NotPlatformAdmin", platform, PLATFORM_ADMIN):
        buy(protocol, platform, licence)
    buy(protocol, platform, licence, sender={"from": RIVAL_ADMIN})
    assert protocol.token.balanceOf(RIVAL_ADMIN) == 0
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR


def test_an_admin_one_unit_short_buys_nothing_whatever_is_in_escrow(
    protocol: DeployedProtocol, licence: int
) -> None:
    poor = protocol.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    sender = {"from": RIVAL_ADMIN}
    protocol.fund_account(RIVAL_ADMIN, FEE - 1)
    with refused("ERC20InsufficientBalance", RIVAL_ADMIN, FEE - 1, FEE):
        buy(protocol, poor, licence, sender=sender)
    now = protocol.now()
    assert covered(protocol, poor, licence, (now, now + DAY)) == [False]
    protocol.fund_account(RIVAL_ADMIN, 1)
    protocol.token.approve(protocol.vault, FEE - 1, sender)
    with refused("ERC20InsufficientAllowance", protocol.vault.address, FEE - 1, FEE):
        buy(protocol, poor, licence, sender=sender)
    protocol.token.approve(protocol.vault, FEE, sender)
    buy(protocol, poor, licence, sender=sender)
    assert protocol.token.balanceOf(RIVAL_ADMIN) == 0


def test_an_allowance_one_unit_short_buys_nothing(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    protocol.token.approve(protocol.vault, FEE - 1, ADMIN)
    with refused("ERC20InsufficientAllowance", protocol.vault.address, FEE - 1, FEE):
        buy(protocol, platform, licence)
    # The allowance is the vault's: one to the grants is of no use.
    protocol.token.approve(protocol.grants, 100 * DOLLAR, ADMIN)
    with refused("ERC20InsufficientAllowance", protocol.vault.address, FEE - 1, FEE):
        buy(protocol, platform, licence)
    protocol.token.approve(protocol.vault, FEE, ADMIN)
    buy(protocol, platform, licence)
    assert protocol.token.allowance(PLATFORM_ADMIN, protocol.vault) == 0


# ---- what a platform owes already -----------------------------------------------------------------------------------


def test_a_platform_without_a_unit_in_escrow_buys(protocol: DeployedProtocol, licence: int) -> None:
    poor = protocol.platform(0, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    protocol.fund_account(RIVAL_ADMIN, FEE)
    buy(protocol, poor, licence, sender={"from": RIVAL_ADMIN})
    assert protocol.vault.receivedOf(protocol.split_id(PAYS)) == FEE
    assert escrow(protocol, poor)[:2] == (0, 0)


def test_a_platform_with_an_open_challenge_buys_and_its_escrow_stays(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    free = protocol.license(owner=LABEL)
    protocol.wait(30 * DAY)
    report = protocol.report(platform, [row(free, 1_000 * UNIT)])
    protocol.submit(report)
    protocol.fund_account(STRANGER, MINIMUM)
    challenge(protocol, report, free, 400 * UNIT, by=STRANGER)
    before = escrow(protocol, platform)
    held = [protocol.vault.reservedOf(m, platform) for m in (protocol.oracle, protocol.disputes)]
    assert held == [0, DOLLAR]
    buy(protocol, platform, licence)
    assert escrow(protocol, platform) == before
    assert [
        protocol.vault.reservedOf(m, platform) for m in (protocol.oracle, protocol.disputes)
    ] == held
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    check_books(protocol)


def test_a_platform_with_an_unfunded_report_buys_and_its_escrow_stays(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    free = protocol.license(owner=LABEL)
    protocol.wait(30 * DAY)
    # A hundred dollars and a thousandth, of a hundred in escrow.
    report = protocol.report(platform, [row(free, 100_001 * UNIT)])
    protocol.submit(report)
    assert state(protocol, report) == UNFUNDED
    before = escrow(protocol, platform)
    assert (before.available, before.obligations) == (100 * DOLLAR, 1)
    buy(protocol, platform, licence)
    assert escrow(protocol, platform) == before
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    check_books(protocol)


def test_a_platform_whose_escrow_thaws_pays_from_its_wallet_all_the_same(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    protocol.vault.thaw(platform, 100 * DOLLAR, ADMIN)
    before = escrow(protocol, platform)
    buy(protocol, platform, licence)
    assert escrow(protocol, platform) == before
    assert (before.available, before.thawing) == (0, 100 * DOLLAR)


# ---- paying in ------------------------------------------------------------------------------------------------------


def test_only_the_grants_pay_in(protocol: DeployedProtocol, platform: int, licence: int) -> None:
    split_id = protocol.split_id(PAYS)
    for account in (STRANGER, PLATFORM_ADMIN, ARTIST, RELAY):
        with refused("NotGrants", account):
            protocol.vault.payIn(PLATFORM_ADMIN, split_id, 1, {"from": account})
    for contract in (protocol.oracle, protocol.disputes, protocol.registry):
        with refused("NotGrants", contract.address):
            protocol.vault.payIn(PLATFORM_ADMIN, split_id, 1, acting_as(contract))
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    assert protocol.vault.receivedOf(split_id) == 0


def test_nothing_is_paid_into_a_split_that_nobody_interned(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    for unknown in (0, protocol.vault.splitCount() + 1, 2**32 - 1):
        with refused("UnknownSplit", unknown):
            protocol.vault.payIn(PLATFORM_ADMIN, unknown, 1, acting_as(protocol.grants))
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
