"""Dollars that misbehave, payees that refuse money, and deployments that could not work."""

from __future__ import annotations

from typing import Any

import pytest
from brownie import Contract, project

from obbligato.protocol.constants import Flag, Tier
from tests.contracts.contest import acting_as, check_books, deploy, packed_credits
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    ATTESTERS,
    DAY,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
    LABEL,
    MODEL,
    PLATFORM_ADMIN,
    RELAY,
    SOCIETY,
    STRANGER,
    DeployedProtocol,
    new_protocol,
    raw_split,
    refused,
    split,
    terms,
)

ZERO = "0x" + "00" * 20
ANYONE = {"from": RELAY}
BOND = 1_000 * DOLLAR


def protocol_on(dollar: str) -> DeployedProtocol:
    return new_protocol(token=deploy(dollar))


def credited(protocol: DeployedProtocol, *payees: str, amount: int = 100) -> list[int]:
    """One split for each payee, each with `amount` received. Their ids."""
    ids = [
        int(protocol.vault.internSplit(raw_split(split((payee, 1_000_000))), ANYONE).return_value)
        for payee in payees
    ]
    platform = protocol.platform(amount * len(payees))
    lane = deploy("TestModule", protocol.vault)
    protocol.vault.listModule(lane, {"from": GOVERNOR})
    protocol.wait(protocol.parameters.module_delay)
    protocol.vault.enableModule(platform, lane, True, {"from": PLATFORM_ADMIN})
    lane.reserve(platform, amount * len(payees), ANYONE)
    lane.credit(platform, packed_credits(*[(one, amount) for one in ids]), ANYONE)
    return ids


# ---- tokens -------------------------------------------------------------------------------------------------------


def test_a_dollar_that_keeps_a_fee_is_refused_at_every_door(protocol: DeployedProtocol) -> None:
    taxed = protocol_on("FeeDollar")
    taxed.fund_account(PLATFORM_ADMIN, 2 * BOND)
    with refused("DepositMismatch", BOND, BOND - BOND // 100):
        taxed.vault.registerPlatform([], BOND, {"from": PLATFORM_ADMIN})
    # No platform could ever register; and none that had could be paid in.
    with refused("UnknownPlatform", 1):
        taxed.vault.deposit(1, 100, {"from": PLATFORM_ADMIN})
    assert taxed.token.balanceOf(taxed.vault) == 0


def test_a_dollar_that_answers_false_deposits_nothing(protocol: DeployedProtocol) -> None:
    lying = protocol_on("FalseDollar")
    lying.fund_account(PLATFORM_ADMIN, BOND)
    with refused("SafeERC20FailedOperation", lying.token.address):
        lying.vault.registerPlatform([], BOND, {"from": PLATFORM_ADMIN})
    assert lying.vault.platformCount() == 0


def one_split(protocol: DeployedProtocol) -> int:
    pays = raw_split(split((ARTIST, 1_000_000)))
    return int(protocol.vault.internSplit(pays, ANYONE).return_value)


def test_a_dollar_that_keeps_a_fee_pays_no_grant(protocol: DeployedProtocol) -> None:
    taxed = protocol_on("FeeDollar")
    split_id = one_split(taxed)
    taxed.fund_account(PLATFORM_ADMIN, 1_000)
    with refused("DepositMismatch", 1_000, 990):
        taxed.vault.payIn(PLATFORM_ADMIN, split_id, 1_000, acting_as(taxed.grants))
    assert taxed.vault.receivedOf(split_id) == 0
    assert taxed.token.balanceOf(PLATFORM_ADMIN) == 1_000
    assert taxed.token.balanceOf(taxed.vault) == 0


def test_a_dollar_that_answers_false_pays_no_grant(protocol: DeployedProtocol) -> None:
    lying = protocol_on("FalseDollar")
    split_id = one_split(lying)
    lying.fund_account(PLATFORM_ADMIN, 1_000)
    with refused("SafeERC20FailedOperation", lying.token.address):
        lying.vault.payIn(PLATFORM_ADMIN, split_id, 1_000, acting_as(lying.grants))
    assert lying.vault.receivedOf(split_id) == 0


def test_an_admin_blocked_by_the_dollar_pays_no_grant(protocol: DeployedProtocol) -> None:
    blocking = protocol_on("BlockingDollar")
    license_id = blocking.license(terms(flags=int(Flag.GRANT_REQUIRED)))
    platform = blocking.platform(100 * DOLLAR)
    blocking.fund_account(PLATFORM_ADMIN, 3 * DOLLAR)
    act = (platform, license_id, int(Tier.GENERATIVE), MODEL, 3 * DOLLAR)
    block(blocking, PLATFORM_ADMIN)
    with refused("Blocked", PLATFORM_ADMIN):
        blocking.grants.buy(*act, {"from": PLATFORM_ADMIN})
    now = blocking.now()
    covered = (license_id, int(Tier.GENERATIVE), platform, MODEL, now, now + DAY)
    assert not blocking.grants.covers(*covered)
    # A platform whose admin is blocked hands over to another, who pays.
    blocking.vault.transferAdmin(platform, LABEL, {"from": PLATFORM_ADMIN})
    blocking.vault.acceptAdmin(platform, {"from": LABEL})
    blocking.fund_account(LABEL, 3 * DOLLAR)
    blocking.grants.buy(*act, {"from": LABEL})
    assert blocking.vault.escrowOf(platform)["available"] == 100 * DOLLAR
    check_books(blocking)


# ---- payees -------------------------------------------------------------------------------------------------------


def test_a_payee_that_refuses_money_blocks_nobody_and_can_redirect(
    protocol: DeployedProtocol,
) -> None:
    calling = protocol_on("CallingDollar")
    payee = deploy("RevertingPayee")
    refusing, other = credited(calling, payee.address, ARTIST)
    with refused("Unwanted", 100):
        calling.vault.claim(payee, [refusing], ANYONE)
    assert calling.vault.claim(ARTIST, [other], ANYONE).return_value == 100
    payee.redirect(calling.vault, SOCIETY, ANYONE)
    assert calling.vault.claim(payee, [refusing], ANYONE).return_value == 100
    assert calling.token.balanceOf(SOCIETY) == 100
    check_books(calling, payees=[payee.address])


def test_a_payee_that_claims_again_while_it_is_paid_is_paid_once(
    protocol: DeployedProtocol,
) -> None:
    calling = protocol_on("CallingDollar")
    payee = deploy("ReenteringPayee", calling.vault)
    mine, other = credited(calling, payee.address, ARTIST)
    payee.watch(mine, ANYONE)
    calling.vault.claim(payee, [mine], ANYONE)
    assert (payee.tried(), payee.succeeded()) == (True, False)
    assert calling.token.balanceOf(payee) == 100
    assert calling.vault.claimable(ARTIST, [other]) == 100
    check_books(calling, payees=[payee.address])


def test_a_payee_blocked_by_the_dollar_keeps_its_money_and_can_redirect(
    protocol: DeployedProtocol,
) -> None:
    blocking = protocol_on("BlockingDollar")
    mine, other = credited(blocking, ARTIST, LABEL)
    block(blocking, ARTIST)
    with refused("Blocked", ARTIST):
        blocking.vault.claim(ARTIST, [mine], ANYONE)
    assert blocking.vault.claim(LABEL, [other], ANYONE).return_value == 100
    assert blocking.vault.claimable(ARTIST, [mine]) == 100
    blocking.vault.redirect(SOCIETY, {"from": ARTIST})
    assert blocking.vault.claim(ARTIST, [mine], ANYONE).return_value == 100
    assert blocking.token.balanceOf(SOCIETY) == 100
    check_books(blocking)


def block(protocol: DeployedProtocol, account: str) -> None:
    """Block an account of a BlockingDollar, which the deployment knows as a plain dollar."""
    abi = project.get_loaded_projects()[0].BlockingDollar.abi
    dollar = Contract.from_abi("BlockingDollar", protocol.token.address, abi)
    dollar.setBlocked(account, True, {"from": STRANGER})


# ---- deployments that could not work ------------------------------------------------------------------------------


def vault_config(protocol: DeployedProtocol, **changes: Any) -> tuple[Any, ...]:
    fields = {
        "token": protocol.token.address,
        "governor": GOVERNOR,
        "registry": protocol.registry.address,
        "grants": protocol.grants.address,
        "usageOracle": protocol.oracle.address,
        "disputes": protocol.disputes.address,
        "minimumBond": BOND,
        "settlementPeriod": 21 * DAY,
        "thawPeriod": 28 * DAY,
        "closePeriod": 201 * DAY,
        "moduleDelay": 35 * DAY,
    }
    return tuple({**fields, **changes}.values())


def test_a_vault_on_no_contract_or_on_eighteen_decimals_is_refused(
    protocol: DeployedProtocol,
) -> None:
    wide = deploy("WideDollar")
    for token in (ZERO, STRANGER, wide.address):
        with refused("TokenInvalid", token):
            deploy("RoyaltyVault", vault_config(protocol, token=token))


@pytest.mark.parametrize("field", ["governor", "registry", "grants", "usageOracle", "disputes"])
def test_a_vault_without_one_of_its_roles_is_refused(
    protocol: DeployedProtocol, field: str
) -> None:
    with refused("ConfigInvalid", field):
        deploy("RoyaltyVault", vault_config(protocol, **{field: ZERO}))


@pytest.mark.parametrize(
    ("field", "seconds"),
    [("thawPeriod", 21 * DAY), ("closePeriod", 28 * DAY - 1), ("moduleDelay", 28 * DAY)],
)
def test_a_vault_whose_clocks_leave_each_other_no_room_is_refused(
    protocol: DeployedProtocol, field: str, seconds: int
) -> None:
    with refused("ConfigInvalid", field):
        deploy("RoyaltyVault", vault_config(protocol, **{field: seconds}))


def oracle_config(protocol: DeployedProtocol, **changes: Any) -> tuple[Any, ...]:
    fields = {
        "vault": protocol.vault.address,
        "registry": protocol.registry.address,
        "grants": protocol.grants.address,
        "disputes": protocol.disputes.address,
        "governor": GOVERNOR,
        "guardian": GUARDIAN,
        "attesters": sorted(ATTESTERS, key=lambda account: int(account, 16)),
        "challengeWindow": 7 * DAY,
    }
    return tuple({**fields, **changes}.values())


@pytest.mark.parametrize("seconds", [0, 21 * DAY, 22 * DAY])
def test_a_window_of_nothing_or_as_long_as_the_settlement_is_refused(
    protocol: DeployedProtocol, seconds: int
) -> None:
    with refused("ConfigInvalid", "challengeWindow"):
        deploy("UsageOracle", oracle_config(protocol, challengeWindow=seconds))


@pytest.mark.parametrize(
    ("field", "account"),
    [
        ("governor", ZERO),
        ("governor", ATTESTERS[1]),
        ("governor", GUARDIAN),
        ("guardian", ZERO),
        ("guardian", GOVERNOR),
        # The disputes exist, so their arbiter is known.
        ("guardian", ARBITER),
        ("guardian", ATTESTERS[2]),
    ],
)
def test_an_oracle_whose_roles_are_nobody_or_one_account_is_refused(
    protocol: DeployedProtocol, field: str, account: str
) -> None:
    with refused("RoleInvalid", account):
        deploy("UsageOracle", oracle_config(protocol, **{field: account}))


def test_an_oracle_without_attesters_is_refused(protocol: DeployedProtocol) -> None:
    with refused("AttesterCountInvalid", 0):
        deploy("UsageOracle", oracle_config(protocol, attesters=[]))


def disputes_config(protocol: DeployedProtocol, **changes: Any) -> tuple[Any, ...]:
    fields = {
        "usageOracle": protocol.oracle.address,
        "arbiter": ARBITER,
        "minimumChallengeBond": 5 * DOLLAR,
        "arbitrationPeriod": 14 * DAY,
        "claimPeriod": 180 * DAY,
    }
    return tuple({**fields, **changes}.values())


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("minimumChallengeBond", 0, "minimumChallengeBond"),
        ("arbitrationPeriod", 7 * DAY - 1, "arbitrationPeriod"),
        # Window and arbitration are 7 + 14 days and one second, the settlement period 21 days.
        ("arbitrationPeriod", 14 * DAY + 1, "settlementPeriod"),
        # 187 days and one second to claim and 14 to rule, the bond may leave after 201.
        ("claimPeriod", 187 * DAY + 1, "closePeriod"),
    ],
)
def test_disputes_whose_clocks_or_bond_cannot_work_are_refused(
    protocol: DeployedProtocol, field: str, value: int, named: str
) -> None:
    with refused("ConfigInvalid", named):
        deploy("Disputes", disputes_config(protocol, **{field: value}))


@pytest.mark.parametrize("account", [ZERO, GOVERNOR, GUARDIAN, *ATTESTERS])
def test_an_arbiter_that_is_nobody_or_holds_another_role_is_refused(
    protocol: DeployedProtocol, account: str
) -> None:
    with refused("ArbiterInvalid", account):
        deploy("Disputes", disputes_config(protocol, arbiter=account))
    with refused("ArbiterInvalid", account):
        protocol.disputes.setArbiter(account, {"from": GOVERNOR})


def test_only_the_governor_changes_the_arbiter(protocol: DeployedProtocol) -> None:
    with refused("NotGovernor", ARBITER):
        protocol.disputes.setArbiter(STRANGER, {"from": ARBITER})
    tx = protocol.disputes.setArbiter(SOCIETY, {"from": GOVERNOR})
    assert tx.events["ArbiterChanged"]["arbiter"] == protocol.disputes.arbiter() == SOCIETY
