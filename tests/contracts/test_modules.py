"""Modules: who may move a platform's money, each from its own bucket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contest import acting_as, check_books, deploy, escrow, packed_credits
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
    PLATFORM_ADMIN,
    RELAY,
    RIVAL_ADMIN,
    STRANGER,
    UNIT,
    DeployedProtocol,
    raw_split,
    refused,
    row,
    split,
)

DELAY = 35 * DAY
ADMIN = {"from": PLATFORM_ADMIN}
ANYONE = {"from": RELAY}


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform with a thousand dollars."""
    return protocol.platform(1_000 * DOLLAR)


@pytest.fixture(scope="module")
def paid(protocol: DeployedProtocol) -> int:
    """The split of one artist."""
    return int(
        protocol.vault.internSplit(raw_split(split((ARTIST, 1_000_000))), ANYONE).return_value
    )


@pytest.fixture(scope="module")
def lane(protocol: DeployedProtocol, platform: int) -> Any:
    """A module that nobody listed yet."""
    return deploy("TestModule", protocol.vault)


@pytest.fixture
def live(protocol: DeployedProtocol, platform: int, lane: Any) -> Any:
    """The module, listed, active and enabled."""
    protocol.vault.listModule(lane, {"from": GOVERNOR})
    protocol.wait(DELAY)
    protocol.vault.enableModule(platform, lane, True, ADMIN)
    return lane


# ---- listing ------------------------------------------------------------------------------------------------------


def test_only_the_governor_lists_and_retires_modules(protocol: DeployedProtocol, lane: Any) -> None:
    for account in (STRANGER, GUARDIAN, PLATFORM_ADMIN):
        with refused("NotGovernor", account):
            protocol.vault.listModule(lane, {"from": account})
        with refused("NotGovernor", account):
            protocol.vault.retireModule(lane, {"from": account})


def test_a_module_is_listed_once_and_never_nobody_or_a_core_module(
    protocol: DeployedProtocol, lane: Any
) -> None:
    protocol.vault.listModule(lane, {"from": GOVERNOR})
    for module in (lane, protocol.oracle, protocol.disputes, "0x" + "00" * 20):
        with refused("ConfigInvalid", "module"):
            protocol.vault.listModule(module, {"from": GOVERNOR})


def test_a_listed_module_waits_longer_than_the_thaw(
    protocol: DeployedProtocol, platform: int, lane: Any
) -> None:
    assert protocol.parameters.module_delay > protocol.parameters.thaw_period
    tx = protocol.vault.listModule(lane, {"from": GOVERNOR})
    active_from = int(tx.timestamp) + DELAY
    assert (
        tx.events["ModuleListed"]["activeFrom"]
        == protocol.vault.moduleActiveFrom(lane)
        == active_from
    )
    protocol.vault.enableModule(platform, lane, True, ADMIN)
    next_at(active_from - 1)
    with refused("ModuleNotActive", lane.address, active_from):
        lane.reserve(platform, 1, ANYONE)
    next_at(active_from)
    lane.reserve(platform, 1, ANYONE)
    assert protocol.vault.reservedOf(lane, platform) == 1


def test_a_stranger_is_no_module(protocol: DeployedProtocol, platform: int, paid: int) -> None:
    v, caller = protocol.vault, {"from": STRANGER}
    acts = [
        lambda: v.reserve(platform, 1, caller),
        lambda: v.handOver(platform, protocol.oracle, 1, caller),
        lambda: v.release(platform, 1, caller),
        lambda: v.credit(platform, packed_credits((paid, 1)), caller),
        lambda: v.seize(platform, 1, caller),
        lambda: v.award(platform, STRANGER, 1, caller),
        lambda: v.oblige(platform, True, caller),
        lambda: v.delayThaw(platform, caller),
    ]
    for act in acts:
        with refused("NotModule", STRANGER):
            act()
    with refused("NotModule", STRANGER):
        v.enableModule(platform, STRANGER, True, ADMIN)
    with refused("NotModule", STRANGER):
        v.retireModule(STRANGER, {"from": GOVERNOR})
    with refused("NotModule", protocol.oracle.address):
        v.retireModule(protocol.oracle, {"from": GOVERNOR})


def test_the_grants_are_no_module(protocol: DeployedProtocol, platform: int, paid: int) -> None:
    v, grants = protocol.vault, protocol.grants
    assert not v.isModuleEnabled(platform, grants)
    assert v.moduleActiveFrom(grants) == 0
    before = escrow(protocol, platform)
    caller = acting_as(grants)
    acts = [
        lambda: v.reserve(platform, 1, caller),
        lambda: v.credit(platform, packed_credits((paid, 1)), caller),
        lambda: v.seize(platform, 1, caller),
        lambda: v.award(platform, STRANGER, 1, caller),
        lambda: v.enableModule(platform, grants, True, ADMIN),
    ]
    for act in acts:
        with refused("NotModule", grants.address):
            act()
    with refused("NotModule", grants.address):
        v.handOver(platform, grants, 0, acting_as(protocol.oracle))
    assert escrow(protocol, platform) == before


def test_no_module_pays_in(protocol: DeployedProtocol, platform: int, live: Any, paid: int) -> None:
    protocol.fund_account(ARTIST, 1)
    for module in (live, protocol.oracle, protocol.disputes):
        with refused("NotGrants", module.address):
            protocol.vault.payIn(ARTIST, paid, 1, acting_as(module))
    assert protocol.vault.receivedOf(paid) == 0


# ---- enabling -----------------------------------------------------------------------------------------------------


def test_a_module_takes_nothing_from_a_platform_that_did_not_enable_it(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    other = protocol.platform(50 * DOLLAR, admin=RIVAL_ADMIN)
    acts = [
        lambda: live.reserve(other, 1, ANYONE),
        lambda: live.seize(other, 1, ANYONE),
        lambda: live.oblige(other, True, ANYONE),
        lambda: live.delayThaw(other, ANYONE),
    ]
    for act in acts:
        with refused("ModuleNotEnabled", other, live.address):
            act()
    assert not protocol.vault.isModuleEnabled(other, live)
    assert protocol.vault.isModuleEnabled(platform, live)
    assert protocol.vault.isModuleEnabled(other, protocol.oracle)
    assert escrow(protocol, other).available == 50 * DOLLAR


def test_a_platform_may_stop_a_module_from_taking_more(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    live.reserve(platform, 10, ANYONE)
    protocol.vault.enableModule(platform, live, False, ADMIN)
    with refused("ModuleNotEnabled", platform, live.address):
        live.reserve(platform, 1, ANYONE)
    live.credit(platform, packed_credits((paid, 4)), ANYONE)
    live.release(platform, 6, ANYONE)
    assert protocol.vault.receivedOf(paid) == 4
    check_books(protocol, modules=[live.address])


def test_a_platform_cannot_stop_a_module_from_seeing_through_what_it_began(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    tx = live.reserve(platform, 10, ANYONE)
    until = int(tx.timestamp) + 201 * DAY
    assert protocol.vault.engagedUntil(live, platform) == until
    protocol.vault.thaw(platform, 900 * DOLLAR, ADMIN)
    protocol.vault.enableModule(platform, live, False, ADMIN)
    assert not protocol.vault.isModuleEnabled(platform, live)
    protocol.wait(27 * DAY)
    tx = live.delayThaw(platform, ANYONE)
    assert escrow(protocol, platform).thaw_ends_at == tx.timestamp + 21 * DAY
    live.oblige(platform, True, ANYONE)
    with refused("PlatformObliged", platform, 1):
        protocol.vault.withdraw(platform, PLATFORM_ADMIN, ADMIN)
    # 1 000 dollars less 10 units are there; a dollar comes out of the available.
    assert live.seize(platform, DOLLAR, ANYONE).return_value == DOLLAR
    assert escrow(protocol, platform).available == 99 * DOLLAR - 10
    live.oblige(platform, False, ANYONE)
    next_at(until - 1)
    live.seize(platform, 1, ANYONE)
    next_at(until)
    with refused("ModuleNotEnabled", platform, live.address):
        live.seize(platform, 1, ANYONE)
    for act in (
        lambda: live.oblige(platform, True, ANYONE),
        lambda: live.delayThaw(platform, ANYONE),
    ):
        with refused("ModuleNotEnabled", platform, live.address):
            act()
    check_books(protocol, modules=[live.address])


def test_a_module_stays_engaged_while_the_platform_owes_what_it_added(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    live.oblige(platform, True, ANYONE)
    assert protocol.vault.engagedUntil(live, platform) == 0
    protocol.vault.enableModule(platform, live, False, ADMIN)
    protocol.wait(300 * DAY)
    live.seize(platform, 3, ANYONE)
    assert protocol.vault.reservedOf(live, platform) == 3
    live.oblige(platform, False, ANYONE)
    with refused("ModuleNotEnabled", platform, live.address):
        live.seize(platform, 1, ANYONE)


def test_a_module_that_began_nothing_is_not_engaged(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    protocol.vault.enableModule(platform, live, False, ADMIN)
    for act in (
        lambda: live.seize(platform, 1, ANYONE),
        lambda: live.oblige(platform, True, ANYONE),
        lambda: live.delayThaw(platform, ANYONE),
    ):
        with refused("ModuleNotEnabled", platform, live.address):
            act()


def test_a_platform_cannot_stop_a_core_module(protocol: DeployedProtocol, platform: int) -> None:
    with refused("NotModule", protocol.oracle.address):
        protocol.vault.enableModule(platform, protocol.oracle, False, ADMIN)


def test_a_retired_module_pays_out_and_releases_what_it_holds_and_takes_no_more(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    live.reserve(platform, 10, ANYONE)
    live.oblige(platform, True, ANYONE)
    protocol.vault.retireModule(live, {"from": GOVERNOR})
    acts = [
        lambda: live.reserve(platform, 1, ANYONE),
        lambda: live.seize(platform, 1, ANYONE),
        lambda: live.oblige(platform, True, ANYONE),
        lambda: live.delayThaw(platform, ANYONE),
    ]
    for act in acts:
        with refused("ModuleRetired", live.address):
            act()
    live.credit(platform, packed_credits((paid, 4)), ANYONE)
    live.release(platform, 6, ANYONE)
    live.oblige(platform, False, ANYONE)
    assert escrow(protocol, platform) == (1_000 * DOLLAR - 4, 0, 1_000 * DOLLAR, 0, 0)
    with refused("ConfigInvalid", "module"):
        protocol.vault.listModule(live, {"from": GOVERNOR})


# ---- buckets ------------------------------------------------------------------------------------------------------


def test_a_module_spends_only_what_it_reserved_itself(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    license_id = protocol.license()
    protocol.wait(DAY)
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 1_000
    live.reserve(platform, 10, ANYONE)
    acts = [
        lambda: live.release(platform, 11, ANYONE),
        lambda: live.credit(platform, packed_credits((paid, 5), (paid, 6)), ANYONE),
        lambda: live.award(platform, STRANGER, 11, ANYONE),
        lambda: live.handOver(platform, protocol.disputes, 11, ANYONE),
    ]
    for act in acts:
        with refused("ReserveShort", live.address, platform, 10, 11):
            act()
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 1_000


def test_one_platforms_reserve_pays_nothing_of_anothers(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    other = protocol.platform(50 * DOLLAR, admin=RIVAL_ADMIN)
    protocol.vault.enableModule(other, live, True, {"from": RIVAL_ADMIN})
    live.reserve(platform, 10, ANYONE)
    with refused("ReserveShort", live.address, other, 0, 10):
        live.credit(other, packed_credits((paid, 10)), ANYONE)
    with refused("ReserveShort", live.address, other, 0, 1):
        live.release(other, 1, ANYONE)


def test_a_module_hands_over_only_to_modules(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    live.reserve(platform, 10, ANYONE)
    with refused("NotModule", STRANGER):
        live.handOver(platform, STRANGER, 1, ANYONE)
    live.handOver(platform, protocol.disputes, 4, ANYONE)
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 4
    assert protocol.vault.reservedOf(live, platform) == 6


def test_half_a_credit_is_refused(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    live.reserve(platform, 10, ANYONE)
    with refused("ConfigInvalid", "credits"):
        live.credit(platform, packed_credits((paid, 1))[:-1], ANYONE)


def test_a_sum_of_credits_beyond_a_uint64_cannot_be_paid(
    protocol: DeployedProtocol, platform: int, live: Any, paid: int
) -> None:
    other = protocol.vault.internSplit(raw_split(split((STRANGER, 1_000_000))), ANYONE).return_value
    live.reserve(platform, 10, ANYONE)
    # 2^63 twice sums to 2^64, which wraps to 0 in a uint64.
    with refused("ReserveShort", live.address, platform, 10, 0):
        live.credit(platform, packed_credits((paid, 2**63), (other, 2**63)), ANYONE)


def test_a_seizure_takes_available_thawing_and_bond_in_this_order_and_no_more(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    protocol.vault.thaw(platform, 400 * DOLLAR, ADMIN)
    assert live.seize(platform, 700 * DOLLAR, ANYONE).return_value == 700 * DOLLAR
    assert escrow(protocol, platform)[:3] == (0, 300 * DOLLAR, 1_000 * DOLLAR)
    assert live.seize(platform, 5_000 * DOLLAR, ANYONE).return_value == 1_300 * DOLLAR
    assert escrow(protocol, platform)[:3] == (0, 0, 0)
    assert live.seize(platform, 1, ANYONE).return_value == 0
    check_books(protocol, modules=[live.address])


def test_a_platform_without_its_whole_bond_reserves_nothing(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    live.seize(platform, 1_000 * DOLLAR + 1, ANYONE)
    protocol.fund_account(RELAY, 2 * DOLLAR)
    protocol.vault.deposit(platform, DOLLAR, ANYONE)
    with refused("BondTooSmall", 1_000 * DOLLAR - 1, 1_000 * DOLLAR):
        live.reserve(platform, 1, ANYONE)
    protocol.vault.addBond(platform, 1, ANYONE)
    assert live.reserve(platform, 1, ANYONE).return_value is True


def test_a_short_escrow_answers_no_and_moves_nothing(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    assert live.reserve(platform, 1_000 * DOLLAR + 1, ANYONE).return_value is False
    assert escrow(protocol, platform).available == 1_000 * DOLLAR
    assert protocol.vault.reservedOf(live, platform) == 0


def test_a_module_lifts_only_the_obligations_it_imposed(
    protocol: DeployedProtocol, live: Any
) -> None:
    platform = protocol.platform(0)
    protocol.vault.enableModule(platform, live, True, ADMIN)
    license_id = protocol.license()
    protocol.wait(DAY)
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))
    assert escrow(protocol, platform).obligations == 1
    with refused("NotObliged", live.address, platform):
        live.oblige(platform, False, ANYONE)
    live.oblige(platform, True, ANYONE)
    live.oblige(platform, False, ANYONE)
    assert escrow(protocol, platform).obligations == 1


def test_an_award_waits_for_its_account_to_claim_it(
    protocol: DeployedProtocol, platform: int, live: Any
) -> None:
    live.reserve(platform, 10, ANYONE)
    live.award(platform, STRANGER, 10, ANYONE)
    assert protocol.vault.refundOf(STRANGER) == 10
    tx = protocol.vault.claim(STRANGER, [], ANYONE)
    assert (tx.return_value, tx.events["Claimed"]["refunds"]) == (10, 10)
    assert protocol.token.balanceOf(STRANGER) == 10
    assert protocol.vault.claim(STRANGER, [], ANYONE).return_value == 0


# ---- challenge bonds ----------------------------------------------------------------------------------------------


def test_only_the_disputes_touch_challenge_bonds(
    protocol: DeployedProtocol, live: Any, paid: int, platform: int
) -> None:
    protocol.fund_account(ARTIST, 100)
    with refused("NotDisputes", live.address):
        live.postBond(ARTIST, 1, ANYONE)
    v = protocol.vault
    for caller in (STRANGER, GOVERNOR):
        acts = [
            lambda s: v.postBond(ARTIST, 1, s),
            lambda s: v.postBondFromCredit(ARTIST, [paid], 1, s),
            lambda s: v.awardBond(STRANGER, 1, s),
            lambda s: v.bondToPlatform(platform, 1, s),
            lambda s: v.bondToSplit(paid, 1, s),
        ]
        for act in acts:
            with refused("NotDisputes", caller):
                act({"from": caller})
    with refused("NotDisputes", protocol.oracle.address):
        v.awardBond(STRANGER, 1, acting_as(protocol.oracle))


def test_no_more_bonds_are_given_than_were_posted(
    protocol: DeployedProtocol, platform: int, paid: int
) -> None:
    protocol.fund_account(ARTIST, 7)
    disputes = acting_as(protocol.disputes)
    protocol.vault.postBond(ARTIST, 7, disputes)
    acts = [
        lambda: protocol.vault.awardBond(STRANGER, 8, disputes),
        lambda: protocol.vault.bondToPlatform(platform, 8, disputes),
        lambda: protocol.vault.bondToSplit(paid, 8, disputes),
    ]
    for act in acts:
        with refused("BondsShort", 7, 8):
            act()
    protocol.vault.awardBond(STRANGER, 2, disputes)
    protocol.vault.bondToPlatform(platform, 2, disputes)
    protocol.vault.bondToSplit(paid, 3, disputes)
    assert protocol.vault.challengeBonds() == 0
    check_books(protocol)
