"""Several acts in one transaction: all of them or none, each as if it were sent alone."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.protocol.constants import Metric, Tier
from tests.contracts.contest import MINIMUM, challenge_of, check_books, escrow, row_claim
from tests.contracts.granting import GENERATIVE, PAYS, covered, offer
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    MODEL,
    PLATFORM_ADMIN,
    PRODUCER,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
)


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform with money, and accounts with money of their own."""
    made = protocol.platform(1_000 * DOLLAR)
    protocol.fund_account(STRANGER, 100 * DOLLAR)
    protocol.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int) -> Report:
    """A report of two rows, both of them challengeable."""
    licenses = [
        protocol.license(pays=split((ARTIST, 1_000_000))),
        protocol.license(pays=split((PRODUCER, 1_000_000)), owner=PRODUCER),
    ]
    protocol.wait(30 * DAY)
    made = protocol.report(platform, [row(each, 1_000 * UNIT) for each in licenses])
    protocol.submit(made)
    return made


def challenges(protocol: DeployedProtocol, report: Report, *rows: tuple[Any, ...]) -> list[str]:
    return [protocol.disputes.challenge.encode_input(report.case, each, []) for each in rows]


def test_every_row_of_a_report_is_contested_at_once(
    protocol: DeployedProtocol, report: Report
) -> None:
    claims = [row_claim(license_id, 500 * UNIT) for license_id in (1, 2)]
    protocol.disputes.multicall(challenges(protocol, report, *claims), {"from": STRANGER})
    for challenge_id in (1, 2):
        found = challenge_of(protocol, challenge_id)
        assert (found.challenger, found.claimed, found.bond) == (STRANGER, 500 * UNIT, MINIMUM)
    assert protocol.vault.challengeBonds() == 2 * MINIMUM
    assert protocol.token.balanceOf(STRANGER) == 100 * DOLLAR - 2 * MINIMUM
    check_books(protocol)


def test_all_of_it_happens_or_nothing(protocol: DeployedProtocol, report: Report) -> None:
    # The second claims what was reported: its own error comes out, and the first is undone.
    claims = [row_claim(1, 500 * UNIT), row_claim(2, 1_000 * UNIT)]
    with refused("NothingClaimed", 2, int(Tier.GENERATIVE), int(Metric.GENERATION)):
        protocol.disputes.multicall(challenges(protocol, report, *claims), {"from": STRANGER})
    assert protocol.disputes.challengeCount() == 0
    assert protocol.vault.challengeBonds() == 0
    assert protocol.token.balanceOf(STRANGER) == 100 * DOLLAR


def test_a_platform_sets_itself_up_at_once(protocol: DeployedProtocol, platform: int) -> None:
    vault = protocol.vault
    before = escrow(protocol, platform)
    calls = [
        vault.deposit.encode_input(platform, 30 * DOLLAR),
        vault.addBond.encode_input(platform, 20 * DOLLAR),
        vault.setReporter.encode_input(platform, STRANGER, True),
    ]
    vault.multicall(calls, {"from": PLATFORM_ADMIN})
    after = escrow(protocol, platform)
    assert after.available - before.available == 30 * DOLLAR
    assert after.bond - before.bond == 20 * DOLLAR
    assert vault.isReporter(platform, STRANGER) is True
    check_books(protocol)


def test_each_call_is_the_sender_s_own(protocol: DeployedProtocol, platform: int) -> None:
    vault = protocol.vault
    thaw = vault.thaw.encode_input(platform, 1)
    with refused("NotPlatformAdmin", platform, STRANGER):
        vault.multicall([thaw], {"from": STRANGER})
    # Nor does the vault take itself for one of the contracts that it obeys.
    bond = vault.postBond.encode_input(PLATFORM_ADMIN, MINIMUM)
    with refused("NotDisputes", STRANGER):
        vault.multicall([bond], {"from": STRANGER})
    nested = vault.multicall.encode_input([bond])
    with refused("NotDisputes", STRANGER):
        vault.multicall([nested], {"from": STRANGER})
    with refused("NotArbiter", STRANGER):
        protocol.disputes.multicall(
            [protocol.disputes.ruleRecording.encode_input(1, True)], {"from": STRANGER}
        )


def test_grants_are_bought_together(protocol: DeployedProtocol, platform: int) -> None:
    licenses = [protocol.license(offer(fee=3 * DOLLAR), PAYS) for _ in range(2)]
    protocol.wait(30 * DAY)
    buys = [
        protocol.grants.buy.encode_input(platform, each, GENERATIVE, MODEL, 3 * DOLLAR)
        for each in licenses
    ]
    tx = protocol.grants.multicall(buys, {"from": PLATFORM_ADMIN})
    assert [event["licenseId"] for event in tx.events["Granted"]] == licenses
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 94 * DOLLAR
    now = protocol.now()
    for each in licenses:
        assert covered(protocol, platform, each, (now, now + 1)) == [True]
    check_books(protocol)
