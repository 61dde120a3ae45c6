"""Rival claims: whose recording is it?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contest import (
    DEAD,
    EVIDENCE,
    LAPSED,
    MINIMUM,
    OPEN,
    RULED,
    check_books,
)
from tests.contracts.house import (
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
    House,
    new_house,
    refused,
    row,
    split,
)
from tests.contracts.moments import mine_at, next_at

ARBITRATION = 14 * DAY
JUDGE, ANYONE = {"from": ARBITER}, {"from": RELAY}
GENERATIVE = 3


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    """A licence, and a label that says the recording is its own."""
    made = house.license(pays=split((ARTIST, 1_000_000)))
    house.fund_account(LABEL, 100 * DOLLAR)
    house.wait(30 * DAY)
    return made


def claim(house: House, license_id: int, by: str = LABEL) -> tuple[int, int]:
    """Claim a licence's recording; (claim, when the arbiter's time ends)."""
    tx = house.disputes.claimRecording(license_id, EVIDENCE, {"from": by})
    return int(tx.return_value), int(tx.timestamp) + ARBITRATION


def test_a_claim_takes_the_minimum_bond_and_changes_nothing_yet(
    house: House, license_id: int
) -> None:
    tx = house.disputes.claimRecording(license_id, EVIDENCE, {"from": LABEL})
    made = tx.return_value
    event = tx.events["RecordingClaimed"]
    assert (event["claimId"], event["licenseId"], event["claimant"], event["bond"]) == (
        made,
        license_id,
        LABEL,
        MINIMUM,
    )
    assert house.disputes.claimOf(made) == (LABEL, tx.timestamp, license_id, OPEN, MINIMUM)
    assert house.vault.challengeBonds() == MINIMUM
    assert house.token.balanceOf(LABEL) == 100 * DOLLAR - MINIMUM
    assert house.registry.consentAt(license_id, GENERATIVE, house.now())
    check_books(house)


def test_a_claim_without_the_bond_is_none(house: House, license_id: int) -> None:
    with refused("ERC20InsufficientAllowance", house.vault.address, 0, MINIMUM):
        claim(house, license_id, SOCIETY)


def test_one_claim_of_a_licence_is_open_at_a_time(house: House, license_id: int) -> None:
    first, _ = claim(house, license_id)
    house.fund_account(STRANGER, 3 * MINIMUM)
    with refused("AlreadyClaimed", first):
        claim(house, license_id, STRANGER)
    other = house.license()
    assert claim(house, other, STRANGER)[0] == first + 1
    house.disputes.ruleRecording(first, False, JUDGE)
    assert claim(house, license_id, STRANGER)[0] == first + 2


def test_only_a_licence_that_lives_can_be_claimed(house: House, license_id: int) -> None:
    with refused("LicenseNotLive", 999):
        claim(house, 999)
    house.registry.revoke(license_id, {"from": ARTIST})
    ends_at = house.registry.licenseOf(license_id)[5]
    next_at(ends_at)
    with refused("LicenseNotLive", license_id):
        claim(house, license_id)


def test_a_claim_upheld_voids_the_licence_from_now_on_and_past_answers_stay(
    house: House, license_id: int
) -> None:
    platform = house.platform(100 * DOLLAR)
    made, _ = claim(house, license_id)
    before = house.now()
    tx = house.disputes.ruleRecording(made, True, JUDGE)
    now = int(tx.timestamp)
    assert tx.events["RecordingClaimRuled"]["voided"] is True
    assert tx.events["LicenseVoided"]["endsAt"] == now
    assert house.disputes.claimOf(made)[3] == RULED
    assert house.vault.refundOf(LABEL) == MINIMUM
    terms_id = house.registry.licenseOf(license_id)[0]
    assert [
        house.registry.termsAt(license_id, time) for time in (before, now - 1, now, now + DAY)
    ] == [
        terms_id if before < now else 0,
        terms_id,
        0,
        0,
    ]
    # Use before the ruling is still reported and paid; use after it is refused.
    mine_at(now + DAY)
    house.settled(platform, [row(license_id, UNIT)], start=now - DAY, end=now)
    assert house.vault.receivedOf(house.registry.licenseOf(license_id)[6]) == 1_000
    with refused("NoConsent", license_id, GENERATIVE, 2):
        house.submit(house.report(platform, [row(license_id, UNIT)]))
    check_books(house)


def test_a_claim_rejected_pays_half_its_bond_to_the_split_and_burns_the_rest(
    house: House, license_id: int
) -> None:
    made, _ = claim(house, license_id)
    tx = house.disputes.ruleRecording(made, False, JUDGE)
    assert tx.events["RecordingClaimRuled"]["voided"] is False
    split_id = house.registry.licenseOf(license_id)[6]
    assert tx.events["BondToSplit"]["splitId"] == split_id
    assert house.vault.receivedOf(split_id) == MINIMUM // 2
    assert house.vault.refundOf(DEAD) == MINIMUM // 2
    assert house.vault.refundOf(LABEL) == house.vault.challengeBonds() == 0
    assert house.registry.consentAt(license_id, GENERATIVE, house.now())
    house.vault.claim(ARTIST, [split_id], ANYONE)
    assert house.token.balanceOf(ARTIST) == MINIMUM // 2
    check_books(house)


def test_an_odd_bond_burns_the_odd_unit(house: House) -> None:
    odd = new_house(minimum_challenge_bond=MINIMUM + 1)
    license_id = odd.license()
    odd.fund_account(LABEL, MINIMUM + 1)
    made, _ = claim(odd, license_id)
    odd.disputes.ruleRecording(made, False, JUDGE)
    assert odd.vault.refundOf(DEAD) == MINIMUM // 2 + 1
    assert odd.vault.receivedOf(odd.registry.licenseOf(license_id)[6]) == MINIMUM // 2


def test_a_licence_that_ended_by_itself_meanwhile_needs_no_voiding(
    house: House, license_id: int
) -> None:
    house.registry.revoke(license_id, {"from": ARTIST})
    ends_at = house.registry.licenseOf(license_id)[5]
    next_at(ends_at - DAY)
    made, _ = claim(house, license_id)
    next_at(ends_at)
    tx = house.disputes.ruleRecording(made, True, JUDGE)
    assert "LicenseVoided" not in tx.events
    assert house.registry.licenseOf(license_id)[5] == ends_at
    assert house.vault.refundOf(LABEL) == MINIMUM


def test_a_revoked_licence_that_still_runs_is_voided_at_once(house: House, license_id: int) -> None:
    house.registry.revoke(license_id, {"from": ARTIST})
    made, _ = claim(house, license_id)
    tx = house.disputes.ruleRecording(made, True, JUDGE)
    assert house.registry.licenseOf(license_id)[5] == tx.timestamp


def test_only_the_arbiter_rules_on_a_claim_and_only_once(house: House, license_id: int) -> None:
    made, _ = claim(house, license_id)
    for account in (LABEL, GOVERNOR, ARTIST):
        with refused("NotArbiter", account):
            house.disputes.ruleRecording(made, True, {"from": account})
    house.disputes.ruleRecording(made, False, JUDGE)
    acts: list[Any] = [
        lambda which: house.disputes.ruleRecording(which, True, JUDGE),
        lambda which: house.disputes.lapseRecording(which, ANYONE),
    ]
    for act in acts:
        with refused("ClaimClosed", made):
            act(made)
        with refused("UnknownClaim", 99):
            act(99)


def test_a_claim_is_ruled_in_time_or_lapses_and_its_bond_returns(
    house: House, license_id: int
) -> None:
    made, end = claim(house, license_id)
    next_at(end)
    with refused("ArbitrationRunning", made, end):
        house.disputes.lapseRecording(made, ANYONE)
    next_at(end + 1)
    with refused("ArbitrationOver", made, end):
        house.disputes.ruleRecording(made, True, JUDGE)
    house.disputes.lapseRecording(made, ANYONE)
    assert house.disputes.claimOf(made)[3] == LAPSED
    assert house.vault.refundOf(LABEL) == MINIMUM
    assert house.registry.consentAt(license_id, GENERATIVE, house.now())
    assert claim(house, license_id)[0] == made + 1
    check_books(house)


def test_a_claim_is_still_ruled_in_its_last_second(house: House, license_id: int) -> None:
    made, end = claim(house, license_id)
    next_at(end)
    house.disputes.ruleRecording(made, True, JUDGE)
    assert house.registry.licenseOf(license_id)[5] == end
