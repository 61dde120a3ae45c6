"""Attesters: how many are enough, who changes them, and which version judges a report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from obbligato.rules.quorum import quorum
from tests.contracts.contest import PENDING, SETTLED, state
from tests.contracts.house import (
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
    House,
    Report,
    refused,
    row,
)

ZERO = "0x" + "00" * 20
IN_ORDER = sorted(ATTESTERS, key=lambda account: int(account, 16))


def made_up(count: int) -> list[str]:
    """Accounts that nobody holds, ascending."""
    return [f"0x{0xABC000 + number:040x}" for number in range(count)]


def set_attesters(house: House, attesters: Sequence[str], sender: str = GOVERNOR) -> int:
    """Rotate; the new version."""
    tx = house.oracle.setAttesters(attesters, {"from": sender})
    return int(tx.events["AttestersChanged"]["configVersion"])


@pytest.fixture(scope="module")
def pair(house: House) -> tuple[int, int]:
    """(platform, licence)"""
    license_id = house.license()
    platform = house.platform(100 * DOLLAR)
    house.wait(30 * DAY)
    return platform, license_id


def next_report(house: House, pair: tuple[int, int]) -> Report:
    house.wait(60)
    return house.report(pair[0], [row(pair[1], UNIT)])


@pytest.mark.parametrize(
    ("count", "needed"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7), (13, 9), (16, 11), (64, 43)],
)
def test_a_quorum_is_more_than_two_thirds_of_what_is_tolerated(
    house: House, count: int, needed: int
) -> None:
    assert quorum(count) == needed
    tx = house.oracle.setAttesters(made_up(count), {"from": GOVERNOR})
    assert house.oracle.quorum() == tx.events["AttestersChanged"]["quorum"] == needed


def test_a_set_has_one_to_sixty_four_attesters(house: House) -> None:
    for count in (0, 65):
        with refused("AttesterCountInvalid", count):
            set_attesters(house, made_up(count))


def test_attesters_are_listed_once_in_order_and_never_nobody(house: House) -> None:
    one, two, three = made_up(3)
    with refused("AttestersNotAscending", two):
        set_attesters(house, [one, three, two])
    with refused("AttestersNotAscending", one):
        set_attesters(house, [one, one])
    with refused("AttestersNotAscending", ZERO):
        set_attesters(house, [ZERO, one])
    assert house.oracle.configVersion() == 1


def test_only_the_governor_sets_attesters_and_the_guardian(house: House) -> None:
    for account in (STRANGER, GUARDIAN, ARBITER, ATTESTERS[0]):
        with refused("NotGovernor", account):
            set_attesters(house, made_up(3), sender=account)
        with refused("NotGovernor", account):
            house.oracle.setGuardian(account, {"from": account})


def test_the_guardian_is_somebody_and_not_the_governor(house: House) -> None:
    for account in (ZERO, GOVERNOR):
        with refused("RoleInvalid", account):
            house.oracle.setGuardian(account, {"from": GOVERNOR})
    tx = house.oracle.setGuardian(SOCIETY, {"from": GOVERNOR})
    assert tx.events["GuardianChanged"]["guardian"] == house.oracle.guardian() == SOCIETY
    with refused("NotGuardian", GUARDIAN):
        house.oracle.removeAttester(IN_ORDER[0], {"from": GUARDIAN})
    house.oracle.removeAttester(IN_ORDER[0], {"from": SOCIETY})


def test_each_change_is_a_version_and_older_ones_stay_as_they_were(house: House) -> None:
    assert house.oracle.attestersOf(1) == IN_ORDER
    version = set_attesters(house, made_up(3))
    assert version == house.oracle.configVersion() == 2
    assert [account.lower() for account in house.oracle.attestersOf(2)] == made_up(3)
    assert house.oracle.attestersOf(1) == IN_ORDER
    assert house.oracle.isAttester(1, IN_ORDER[0])
    assert not house.oracle.isAttester(2, IN_ORDER[0])


def test_the_guardian_removes_attesters_while_a_quorum_remains(
    house: House, pair: tuple[int, int]
) -> None:
    removed = IN_ORDER[1]
    tx = house.oracle.removeAttester(removed, {"from": GUARDIAN})
    rest = [account for account in IN_ORDER if account != removed]
    assert tx.events["AttestersChanged"]["configVersion"] == 2
    assert house.oracle.attestersOf(2) == rest
    # Three are left of four, and it still takes the three of them, not the two that three would need.
    assert house.oracle.quorum() == 3
    with refused("QuorumWouldBreak", 2, 3):
        house.oracle.removeAttester(rest[0], {"from": GUARDIAN})
    report = next_report(house, pair)
    with refused("QuorumMissing", 2, 3):
        house.submit(report, signers=rest[:2])
    with refused("SignerUnknown", removed, 2):
        house.submit(report, signers=[removed, *rest[:2]])
    house.submit(report, signers=rest)
    assert state(house, report) == PENDING


def test_only_the_guardian_removes_and_only_who_is_there(house: House) -> None:
    for account in (STRANGER, GOVERNOR, IN_ORDER[0]):
        with refused("NotGuardian", account):
            house.oracle.removeAttester(IN_ORDER[0], {"from": account})
    with refused("AttesterUnknown", STRANGER):
        house.oracle.removeAttester(STRANGER, {"from": GUARDIAN})


def test_signatures_for_an_old_version_are_refused(house: House, pair: tuple[int, int]) -> None:
    report = next_report(house, pair)
    old = house.attest(report, IN_ORDER[:3], version=1)
    set_attesters(house, IN_ORDER)
    with refused("ConfigVersionStale", 2, 1):
        house.submit(report, version=1)
    with refused("ConfigVersionStale", 2, 3):
        house.submit(report, version=3)
    # The same attesters signed for version 1; read as signatures for version 2 they are nobody's.
    with refused("SignerUnknown"):
        house.submit(report, attestations=old)
    house.submit(report)
    assert house.oracle.reportOf(house.report_id(report))[6] == 2


def test_a_report_in_flight_is_judged_by_the_version_it_came_in_under(
    house: House, pair: tuple[int, int]
) -> None:
    report = next_report(house, pair)
    house.submit(report)
    set_attesters(house, made_up(4))
    house.pass_window()
    house.settle(report)
    assert state(house, report) == SETTLED
    assert house.oracle.reportOf(house.report_id(report))[6] == 1
    assert house.vault.receivedOf(house.registry.licenseOf(pair[1])[6]) == 1_000


def test_an_unfunded_report_is_funded_whatever_the_attesters_have_become(
    house: House, pair: tuple[int, int]
) -> None:
    platform = house.platform(0)
    report = house.report(platform, [row(pair[1], UNIT)])
    house.submit(report)
    set_attesters(house, made_up(4))
    house.fund_account(STRANGER, 1_000)
    house.vault.deposit(platform, 1_000, {"from": STRANGER})
    house.oracle.fund(house.report_id(report), {"from": RELAY})
    assert state(house, report) == PENDING


def test_a_new_set_signs_with_its_own_quorum(house: House, pair: tuple[int, int]) -> None:
    set_attesters(house, IN_ORDER[:1])
    report = next_report(house, pair)
    with refused("SignerUnknown", IN_ORDER[1], 2):
        house.submit(report, signers=[IN_ORDER[1]])
    house.submit(report, signers=[IN_ORDER[0]])
    assert state(house, report) == PENDING
