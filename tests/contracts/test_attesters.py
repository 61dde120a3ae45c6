"""Attesters: how many are enough, who changes them, and which version judges a report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from obbligato.protocol.quorum import quorum
from tests.contracts.contest import PENDING, SETTLED, state
from tests.contracts.protocol import (
    ARBITER,
    ATTESTERS,
    DAY,
    DOLLAR,
    GOVERNOR,
    GUARDIAN,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
)

ZERO = "0x" + "00" * 20
IN_ORDER = sorted(ATTESTERS, key=lambda account: int(account, 16))


def made_up(count: int) -> list[str]:
    """Accounts that nobody holds, ascending."""
    return [f"0x{0xABC000 + number:040x}" for number in range(count)]


def set_attesters(
    protocol: DeployedProtocol, attesters: Sequence[str], sender: str = GOVERNOR
) -> int:
    """Rotate; the new version."""
    tx = protocol.oracle.setAttesters(attesters, {"from": sender})
    return int(tx.events["AttestersChanged"]["configVersion"])


@pytest.fixture(scope="module")
def pair(protocol: DeployedProtocol) -> tuple[int, int]:
    """(platform, licence)"""
    license_id = protocol.license()
    platform = protocol.platform(100 * DOLLAR)
    protocol.wait(30 * DAY)
    return platform, license_id


def next_report(protocol: DeployedProtocol, pair: tuple[int, int]) -> Report:
    protocol.wait(60)
    return protocol.report(pair[0], [row(pair[1], UNIT)])


@pytest.mark.parametrize(
    ("count", "needed"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7), (13, 9), (16, 11), (64, 43)],
)
def test_a_quorum_is_more_than_two_thirds_of_what_is_tolerated(
    protocol: DeployedProtocol, count: int, needed: int
) -> None:
    assert quorum(count) == needed
    tx = protocol.oracle.setAttesters(made_up(count), {"from": GOVERNOR})
    assert protocol.oracle.quorum() == tx.events["AttestersChanged"]["quorum"] == needed


def test_a_set_has_one_to_sixty_four_attesters(protocol: DeployedProtocol) -> None:
    for count in (0, 65):
        with refused("AttesterCountInvalid", count):
            set_attesters(protocol, made_up(count))


def test_attesters_are_listed_once_in_order_and_never_nobody(protocol: DeployedProtocol) -> None:
    one, two, three = made_up(3)
    with refused("AttestersNotAscending", two):
        set_attesters(protocol, [one, three, two])
    with refused("AttestersNotAscending", one):
        set_attesters(protocol, [one, one])
    with refused("AttestersNotAscending", ZERO):
        set_attesters(protocol, [ZERO, one])
    assert protocol.oracle.configVersion() == 1


def test_only_the_governor_sets_attesters_and_the_guardian(protocol: DeployedProtocol) -> None:
    for account in (STRANGER, GUARDIAN, ARBITER, ATTESTERS[0]):
        with refused("NotGovernor", account):
            set_attesters(protocol, made_up(3), sender=account)
        with refused("NotGovernor", account):
            protocol.oracle.setGuardian(account, {"from": account})


def test_the_guardian_is_somebody_who_holds_no_other_role(protocol: DeployedProtocol) -> None:
    for account in (ZERO, GOVERNOR, ARBITER, *ATTESTERS):
        with refused("RoleInvalid", account):
            protocol.oracle.setGuardian(account, {"from": GOVERNOR})
    tx = protocol.oracle.setGuardian(SOCIETY, {"from": GOVERNOR})
    assert tx.events["GuardianChanged"]["guardian"] == protocol.oracle.guardian() == SOCIETY
    with refused("NotGuardian", GUARDIAN):
        protocol.oracle.removeAttester(IN_ORDER[0], {"from": GUARDIAN})
    protocol.oracle.removeAttester(IN_ORDER[0], {"from": SOCIETY})


@pytest.mark.parametrize("account", [GOVERNOR, GUARDIAN, ARBITER])
def test_no_attester_holds_another_role(protocol: DeployedProtocol, account: str) -> None:
    mixed = sorted([*ATTESTERS[:2], account], key=lambda one: int(one, 16))
    with refused("RoleInvalid", account):
        set_attesters(protocol, mixed)
    with refused("RoleInvalid", account):
        set_attesters(protocol, [account])
    assert protocol.oracle.configVersion() == 1


def test_a_role_that_was_given_up_is_free_for_another(protocol: DeployedProtocol) -> None:
    left, *rest = IN_ORDER
    protocol.oracle.removeAttester(left, {"from": GUARDIAN})
    protocol.oracle.setGuardian(left, {"from": GOVERNOR})
    with refused("ArbiterInvalid", left):
        protocol.disputes.setArbiter(left, {"from": GOVERNOR})
    protocol.disputes.setArbiter(GUARDIAN, {"from": GOVERNOR})
    # Who was the arbiter may attest, who is may not.
    with refused("RoleInvalid", GUARDIAN):
        set_attesters(protocol, [GUARDIAN])
    set_attesters(protocol, sorted([ARBITER, *rest], key=lambda one: int(one, 16)))


def test_each_change_is_a_version_and_older_ones_stay_as_they_were(
    protocol: DeployedProtocol,
) -> None:
    assert protocol.oracle.attestersOf(1) == IN_ORDER
    version = set_attesters(protocol, made_up(3))
    assert version == protocol.oracle.configVersion() == 2
    assert [account.lower() for account in protocol.oracle.attestersOf(2)] == made_up(3)
    assert protocol.oracle.attestersOf(1) == IN_ORDER
    assert protocol.oracle.isAttester(1, IN_ORDER[0])
    assert not protocol.oracle.isAttester(2, IN_ORDER[0])


def test_the_guardian_removes_attesters_while_a_quorum_remains(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    removed = IN_ORDER[1]
    tx = protocol.oracle.removeAttester(removed, {"from": GUARDIAN})
    rest = [account for account in IN_ORDER if account != removed]
    assert tx.events["AttestersChanged"]["configVersion"] == 2
    assert protocol.oracle.attestersOf(2) == rest
    # Three are left of four, and it still takes the three of them, not the two that three would need.
    assert protocol.oracle.quorum() == 3
    with refused("QuorumWouldBreak", 2, 3):
        protocol.oracle.removeAttester(rest[0], {"from": GUARDIAN})
    report = next_report(protocol, pair)
    with refused("QuorumMissing", 2, 3):
        protocol.submit(report, signers=rest[:2])
    with refused("SignerUnknown", removed, 2):
        protocol.submit(report, signers=[removed, *rest[:2]])
    protocol.submit(report, signers=rest)
    assert state(protocol, report) == PENDING


def test_only_the_guardian_removes_and_only_who_is_there(protocol: DeployedProtocol) -> None:
    for account in (STRANGER, GOVERNOR, IN_ORDER[0]):
        with refused("NotGuardian", account):
            protocol.oracle.removeAttester(IN_ORDER[0], {"from": account})
    with refused("AttesterUnknown", STRANGER):
        protocol.oracle.removeAttester(STRANGER, {"from": GUARDIAN})


def test_signatures_for_an_old_version_are_refused(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    report = next_report(protocol, pair)
    old = protocol.attest(report, IN_ORDER[:3], version=1)
    set_attesters(protocol, IN_ORDER)
    with refused("ConfigVersionStale", 2, 1):
        protocol.submit(report, version=1)
    with refused("ConfigVersionStale", 2, 3):
        protocol.submit(report, version=3)
    # The same attesters signed for version 1; read as signatures for version 2 they are nobody's.
    with refused("SignerUnknown"):
        protocol.submit(report, attestations=old)
    protocol.submit(report)
    assert protocol.oracle.reportOf(protocol.report_id(report))[6] == 2


def test_a_report_in_flight_is_judged_by_the_version_it_came_in_under(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    report = next_report(protocol, pair)
    protocol.submit(report)
    set_attesters(protocol, made_up(4))
    protocol.pass_window()
    protocol.settle(report)
    assert state(protocol, report) == SETTLED
    assert protocol.oracle.reportOf(protocol.report_id(report))[6] == 1
    assert protocol.vault.receivedOf(protocol.registry.licenseOf(pair[1])[6]) == 1_000


def test_an_unfunded_report_is_funded_whatever_the_attesters_have_become(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    platform = protocol.platform(0)
    report = protocol.report(platform, [row(pair[1], UNIT)])
    protocol.submit(report)
    set_attesters(protocol, made_up(4))
    protocol.fund_account(STRANGER, 1_000)
    protocol.vault.deposit(platform, 1_000, {"from": STRANGER})
    protocol.oracle.fund(protocol.report_id(report), {"from": RELAY})
    assert state(protocol, report) == PENDING


def test_a_new_set_signs_with_its_own_quorum(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    set_attesters(protocol, IN_ORDER[:1])
    report = next_report(protocol, pair)
    with refused("SignerUnknown", IN_ORDER[1], 2):
        protocol.submit(report, signers=[IN_ORDER[1]])
    protocol.submit(report, signers=[IN_ORDER[0]])
    assert state(protocol, report) == PENDING
