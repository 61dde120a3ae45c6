"""Rival claims: whose recording is it?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contest import DEAD, EVIDENCE, LAPSED, MINIMUM, OPEN, RULED, check_books
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    GOVERNOR,
    LABEL,
    RELAY,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    new_protocol,
    refused,
    row,
    split,
)

ARBITRATION = 14 * DAY
JUDGE, ANYONE = {"from": ARBITER}, {"from": RELAY}
GENERATIVE = 3


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    """A licence, and a label that says the recording is its own."""
    made = protocol.license(pays=split((ARTIST, 1_000_000)))
    protocol.fund_account(LABEL, 100 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


def claim(protocol: DeployedProtocol, license_id: int, by: str = LABEL) -> tuple[int, int]:
    """Claim a licence's recording; (claim, when the arbiter's time ends)."""
    tx = protocol.disputes.claimRecording(license_id, EVIDENCE, {"from": by})
    return int(tx.return_value), int(tx.timestamp) + ARBITRATION


def test_a_claim_takes_the_minimum_bond_and_changes_nothing_yet(
    protocol: DeployedProtocol, license_id: int
) -> None:
    tx = protocol.disputes.claimRecording(license_id, EVIDENCE, {"from": LABEL})
    made = tx.return_value
    event = tx.events["RecordingClaimed"]
    assert (event["claimId"], event["licenseId"], event["claimant"], event["bond"]) == (
        made,
        license_id,
        LABEL,
        MINIMUM,
    )
    assert protocol.disputes.claimOf(made) == (LABEL, tx.timestamp, license_id, OPEN, MINIMUM)
    assert protocol.vault.challengeBonds() == MINIMUM
    assert protocol.token.balanceOf(LABEL) == 100 * DOLLAR - MINIMUM
    assert protocol.registry.consentAt(license_id, GENERATIVE, protocol.now())
    check_books(protocol)


def test_a_claim_without_the_bond_is_none(protocol: DeployedProtocol, license_id: int) -> None:
    with refused("ERC20InsufficientAllowance", protocol.vault.address, 0, MINIMUM):
        claim(protocol, license_id, SOCIETY)


def test_an_account_has_one_open_claim_on_a_licence(
    protocol: DeployedProtocol, license_id: int
) -> None:
    first, _ = claim(protocol, license_id)
    with refused("AlreadyClaimed", first):
        claim(protocol, license_id)
    other = protocol.license()
    assert claim(protocol, other)[0] == first + 1
    protocol.disputes.ruleRecording(first, False, JUDGE)
    assert claim(protocol, license_id)[0] == first + 2
    with refused("AlreadyClaimed", first + 2):
        claim(protocol, license_id)


def test_a_licensor_s_own_claim_keeps_nobody_out(
    protocol: DeployedProtocol, license_id: int
) -> None:
    protocol.fund_account(ARTIST, MINIMUM)
    protocol.fund_account(STRANGER, MINIMUM)
    own, end = claim(protocol, license_id, ARTIST)
    real, _ = claim(protocol, license_id, LABEL)
    third, _ = claim(protocol, license_id, STRANGER)
    assert protocol.vault.challengeBonds() == 3 * MINIMUM
    tx = protocol.disputes.ruleRecording(real, True, JUDGE)
    assert tx.events["LicenseVoided"]["licenseId"] == license_id
    assert protocol.vault.refundOf(LABEL) == MINIMUM
    # The others' claims are still ruled on or lapse, and the licence stays void.
    tx = protocol.disputes.ruleRecording(third, False, JUDGE)
    assert "LicenseVoided" not in tx.events
    assert protocol.vault.refundOf(STRANGER) == 0
    mine_at(end + 1)
    protocol.disputes.lapseRecording(own, ANYONE)
    # Nobody ruled on it: a tenth burns.
    assert protocol.vault.refundOf(ARTIST) == MINIMUM * 9 // 10
    assert protocol.vault.challengeBonds() == 0
    check_books(protocol)


def test_only_a_licence_that_lives_can_be_claimed(
    protocol: DeployedProtocol, license_id: int
) -> None:
    with refused("LicenseNotLive", 999):
        claim(protocol, 999)
    protocol.registry.revoke(license_id, {"from": ARTIST})
    ends_at = protocol.registry.licenseOf(license_id)[5]
    next_at(ends_at)
    with refused("LicenseNotLive", license_id):
        claim(protocol, license_id)


def test_a_claim_upheld_voids_the_licence_from_now_on_and_past_answers_stay(
    protocol: DeployedProtocol, license_id: int
) -> None:
    platform = protocol.platform(100 * DOLLAR)
    made, _ = claim(protocol, license_id)
    before = protocol.now()
    tx = protocol.disputes.ruleRecording(made, True, JUDGE)
    now = int(tx.timestamp)
    assert tx.events["RecordingClaimRuled"]["voided"] is True
    assert tx.events["LicenseVoided"]["endsAt"] == now
    assert protocol.disputes.claimOf(made)[3] == RULED
    assert protocol.vault.refundOf(LABEL) == MINIMUM
    terms_id = protocol.registry.licenseOf(license_id)[0]
    assert [
        protocol.registry.termsAt(license_id, time) for time in (before, now - 1, now, now + DAY)
    ] == [
        terms_id if before < now else 0,
        terms_id,
        0,
        0,
    ]
    # Use before the ruling is still reported and paid; use after it is refused.
    mine_at(now + DAY)
    protocol.settled(platform, [row(license_id, UNIT)], start=now - DAY, end=now)
    assert protocol.vault.receivedOf(protocol.registry.licenseOf(license_id)[6]) == 1_000
    with refused("NoConsent", license_id, GENERATIVE, 2):
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))
    check_books(protocol)


def test_a_claim_rejected_pays_half_its_bond_to_the_split_and_burns_the_rest(
    protocol: DeployedProtocol, license_id: int
) -> None:
    made, _ = claim(protocol, license_id)
    tx = protocol.disputes.ruleRecording(made, False, JUDGE)
    assert tx.events["RecordingClaimRuled"]["voided"] is False
    split_id = protocol.registry.licenseOf(license_id)[6]
    assert tx.events["BondToSplit"]["splitId"] == split_id
    assert protocol.vault.receivedOf(split_id) == MINIMUM // 2
    assert protocol.vault.refundOf(DEAD) == MINIMUM // 2
    assert protocol.vault.refundOf(LABEL) == protocol.vault.challengeBonds() == 0
    assert protocol.registry.consentAt(license_id, GENERATIVE, protocol.now())
    protocol.vault.claim(ARTIST, [split_id], ANYONE)
    assert protocol.token.balanceOf(ARTIST) == MINIMUM // 2
    check_books(protocol)


def test_an_odd_bond_burns_the_odd_unit(protocol: DeployedProtocol) -> None:
    odd = new_protocol(minimum_challenge_bond=MINIMUM + 1)
    license_id = odd.license()
    odd.fund_account(LABEL, MINIMUM + 1)
    made, _ = claim(odd, license_id)
    odd.disputes.ruleRecording(made, False, JUDGE)
    assert odd.vault.refundOf(DEAD) == MINIMUM // 2 + 1
    assert odd.vault.receivedOf(odd.registry.licenseOf(license_id)[6]) == MINIMUM // 2


def test_a_licence_that_ended_by_itself_meanwhile_needs_no_voiding(
    protocol: DeployedProtocol, license_id: int
) -> None:
    protocol.registry.revoke(license_id, {"from": ARTIST})
    ends_at = protocol.registry.licenseOf(license_id)[5]
    next_at(ends_at - DAY)
    made, _ = claim(protocol, license_id)
    next_at(ends_at)
    tx = protocol.disputes.ruleRecording(made, True, JUDGE)
    assert "LicenseVoided" not in tx.events
    assert protocol.registry.licenseOf(license_id)[5] == ends_at
    assert protocol.vault.refundOf(LABEL) == MINIMUM


def test_a_revoked_licence_that_still_runs_is_voided_at_once(
    protocol: DeployedProtocol, license_id: int
) -> None:
    protocol.registry.revoke(license_id, {"from": ARTIST})
    made, _ = claim(protocol, license_id)
    tx = protocol.disputes.ruleRecording(made, True, JUDGE)
    assert protocol.registry.licenseOf(license_id)[5] == tx.timestamp


def test_only_the_arbiter_rules_on_a_claim_and_only_once(
    protocol: DeployedProtocol, license_id: int
) -> None:
    made, _ = claim(protocol, license_id)
    for account in (LABEL, GOVERNOR, ARTIST):
        with refused("NotArbiter", account):
            protocol.disputes.ruleRecording(made, True, {"from": account})
    protocol.disputes.ruleRecording(made, False, JUDGE)
    acts: list[Any] = [
        lambda which: protocol.disputes.ruleRecording(which, True, JUDGE),
        lambda which: protocol.disputes.lapseRecording(which, ANYONE),
    ]
    for act in acts:
        with refused("ClaimClosed", made):
            act(made)
        with refused("UnknownClaim", 99):
            act(99)


def test_a_claim_is_ruled_in_time_or_lapses_and_a_tenth_of_its_bond_burns(
    protocol: DeployedProtocol, license_id: int
) -> None:
    made, end = claim(protocol, license_id)
    next_at(end)
    with refused("ArbitrationRunning", made, end):
        protocol.disputes.lapseRecording(made, ANYONE)
    next_at(end + 1)
    with refused("ArbitrationOver", made, end):
        protocol.disputes.ruleRecording(made, True, JUDGE)
    protocol.disputes.lapseRecording(made, ANYONE)
    assert protocol.disputes.claimOf(made)[3] == LAPSED
    assert (protocol.vault.refundOf(LABEL), protocol.vault.refundOf(DEAD)) == (4_500_000, 500_000)
    assert protocol.registry.consentAt(license_id, GENERATIVE, protocol.now())
    assert claim(protocol, license_id)[0] == made + 1
    check_books(protocol)


def test_a_claim_is_still_ruled_in_its_last_second(
    protocol: DeployedProtocol, license_id: int
) -> None:
    made, end = claim(protocol, license_id)
    next_at(end)
    protocol.disputes.ruleRecording(made, True, JUDGE)
    assert protocol.registry.licenseOf(license_id)[5] == end
