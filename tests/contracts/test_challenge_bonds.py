"""Bonds of challenges: how large, out of whose money, and on whose signature."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.rules.rulings import ContestedRow, MeteredPrice, bond
from obbligato.typed_data import Challenge
from obbligato.words import Metric, Tier
from tests.contracts.contest import (
    EVIDENCE,
    MINIMUM,
    challenge,
    challenge_of,
    check_books,
    row_claim,
)
from tests.contracts.house import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PLATFORM_ADMIN,
    RELAY,
    STRANGER,
    UNIT,
    House,
    Report,
    refused,
    row,
    split,
)

REPORTED = 100_000 * UNIT
"""A hundred dollars' worth."""


@pytest.fixture(scope="module")
def license_id(house: House) -> int:
    return house.license(pays=split((ARTIST, 1), (LABEL, 999_999)))


@pytest.fixture(scope="module")
def platform(house: House, license_id: int) -> int:
    made = house.platform(1_000 * DOLLAR)
    house.fund_account(STRANGER, 1_000 * DOLLAR)
    house.wait(30 * DAY)
    return made


@pytest.fixture
def report(house: House, platform: int, license_id: int) -> Report:
    made = house.report(platform, [row(license_id, REPORTED)])
    house.submit(made)
    return made


@pytest.fixture
def earned(house: House, platform: int, license_id: int) -> int:
    """A split that has earned a hundred dollars before, nearly all of it the label's. Its id."""
    house.settled(platform, [row(license_id, REPORTED)])
    house.wait(60)
    return int(house.registry.licenseOf(license_id)[6])


@pytest.fixture
def contested(house: House, license_id: int, earned: int, platform: int) -> Report:
    """A pending report of a licence whose label has earned before."""
    made = house.report(platform, [row(license_id, REPORTED)])
    house.submit(made)
    return made


# ---- how large ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "full"),
    [
        (REPORTED + 1, MINIMUM),  # a millionth of a generation is worth nothing: the minimum
        (0, 10 * DOLLAR),  # a hundred dollars less
        (400_000 * UNIT, 30 * DOLLAR),  # three hundred more
        (150_000 * UNIT + 9_000, MINIMUM),  # fifty dollars and nine units: a tenth is five dollars
        (150_000 * UNIT + 10_000, MINIMUM + 1),  # and one unit more of disputed money
        (49_999_990_000, MINIMUM + 1),  # as much on the other side
    ],
)
@pytest.mark.parametrize("by", [STRANGER, ARTIST])
def test_a_bond_is_a_tenth_of_what_is_disputed_or_the_minimum_and_half_of_it_for_a_payee(
    house: House, license_id: int, report: Report, claimed: int, full: int, by: str
) -> None:
    contested = ContestedRow(reported=REPORTED, credited=100 * DOLLAR, price=MeteredPrice(1_000))
    due = full // 2 if by == ARTIST else full
    assert due == bond(contested, claimed=claimed, minimum=MINIMUM, by_payee=by == ARTIST)
    house.fund_account(ARTIST, 1_000 * DOLLAR)
    before = house.token.balanceOf(by)
    made = challenge(house, report, license_id, claimed, by=by)
    assert challenge_of(house, made).bond == house.vault.challengeBonds() == due
    assert before - house.token.balanceOf(by) == due


# ---- from an allowance --------------------------------------------------------------------------------------------


def test_a_challenger_without_the_money_or_the_allowance_challenges_nothing(
    house: House, license_id: int, report: Report
) -> None:
    house.token.mint(RELAY, MINIMUM, {"from": RELAY})
    with refused("ERC20InsufficientAllowance", house.vault.address, 0, MINIMUM):
        challenge(house, report, license_id, REPORTED + 1, by=RELAY)
    house.token.approve(house.vault, MINIMUM, {"from": RELAY})
    house.token.transfer(STRANGER, 1, {"from": RELAY})
    with refused("ERC20InsufficientBalance", RELAY, MINIMUM - 1, MINIMUM):
        challenge(house, report, license_id, REPORTED + 1, by=RELAY)
    assert house.disputes.challengeCount() == 0


def test_a_direct_bond_comes_from_the_caller_only(
    house: House, license_id: int, report: Report
) -> None:
    tx = house.disputes.challenge(
        report.case, row_claim(license_id, REPORTED + 1), [], {"from": STRANGER}
    )
    event = tx.events["BondPosted"]
    assert (event["account"], event["amount"], event["fromCredit"]) == (STRANGER, MINIMUM, False)
    assert house.token.allowance(PLATFORM_ADMIN, house.vault) > 0
    check_books(house)


# ---- from credit --------------------------------------------------------------------------------------------------


def test_a_payee_pays_its_bond_out_of_what_it_has_earned(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    split_id, due = earned, 99_999_900
    assert house.vault.claimable(LABEL, [split_id]) == due
    made = challenge(house, contested, license_id, 400_000 * UNIT, by=LABEL, bond_splits=[split_id])
    assert challenge_of(house, made).bond == 15 * DOLLAR
    assert house.vault.challengeBonds() == 15 * DOLLAR
    # All the split owed is collected; what the bond leaves over waits as a refund.
    assert house.vault.refundOf(LABEL) == due - 15 * DOLLAR
    assert house.vault.claimable(LABEL, [split_id]) == due - 15 * DOLLAR
    assert house.token.balanceOf(LABEL) == 0
    house.vault.claim(LABEL, [split_id], {"from": RELAY})
    assert house.token.balanceOf(LABEL) == due - 15 * DOLLAR
    check_books(house)


def test_credit_that_is_too_small_posts_no_bond(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    # The artist's millionth of a hundred dollars is a hundred units.
    with refused("CreditShort", ARTIST, 100, MINIMUM // 2):
        challenge(house, contested, license_id, REPORTED + 1, by=ARTIST, bond_splits=[earned])
    with refused("CreditShort", LABEL, 99_999_900, 100 * DOLLAR):
        challenge(
            house, contested, license_id, 2_100_000 * UNIT, by=LABEL, bond_splits=[earned, earned]
        )
    with refused("NotPayee", earned, STRANGER):
        challenge(house, contested, license_id, REPORTED + 1, by=STRANGER, bond_splits=[earned])
    assert house.vault.claimable(LABEL, [earned]) == 99_999_900


def test_a_bond_that_came_back_pays_for_the_next_one(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    first = challenge(house, contested, license_id, REPORTED + 1, by=LABEL, bond_splits=[earned])
    house.disputes.rule(first, REPORTED + 1, {"from": ARBITER})
    before = house.vault.refundOf(LABEL)
    challenge(house, contested, license_id, REPORTED + 2, by=LABEL, bond_splits=[earned])
    assert before - house.vault.refundOf(LABEL) == MINIMUM // 2
    check_books(house)


# ---- by signature -------------------------------------------------------------------------------------------------


def message(house: House, report: Report, license_id: int, **changes: Any) -> Challenge:
    made = Challenge(
        account=LABEL,
        report_id=house.report_id(report),
        license_id=license_id,
        current_document=bytes(house.registry.documentOf(license_id)),
        tier=Tier.GENERATIVE,
        metric=Metric.GENERATION,
        claimed_quantity=REPORTED + UNIT,
        evidence=EVIDENCE,
        maximum_bond=MINIMUM // 2,
        nonce=next(house.nonces),
        deadline=house.deadline(),
    )
    return made.model_copy(update=changes)


def relay(
    house: House, report: Report, signed: Challenge, splits: list[int], **changes: Any
) -> int:
    """Relay a signed challenge, with whatever the relay would rather it said."""
    given = {"quantity": signed.claimed_quantity, "maximum": signed.maximum_bond, **changes}
    tx = house.disputes.challengeBySignature(
        report.case,
        (
            signed.license_id,
            int(signed.tier),
            int(signed.metric),
            given["quantity"],
            signed.evidence,
        ),
        signed.current_document,
        given["maximum"],
        splits,
        given.get("by") or house.signed(signed),
        {"from": RELAY},
    )
    return int(tx.return_value)


def test_contesting_by_signature_needs_neither_gas_nor_cash(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(house, contested, license_id)
    made = relay(house, contested, signed, [earned])
    found = challenge_of(house, made)
    assert (found.challenger, found.bond, found.claimed) == (LABEL, MINIMUM // 2, REPORTED + UNIT)
    assert house.disputes.isNonceUsed(LABEL, signed.nonce)
    assert house.vault.refundOf(LABEL) == 99_999_900 - MINIMUM // 2
    assert house.token.balanceOf(RELAY) == house.token.balanceOf(LABEL) == 0
    house.disputes.rule(made, REPORTED + UNIT, {"from": ARBITER})
    with refused("NonceUsed", LABEL, signed.nonce):
        relay(house, contested, signed, [earned])
    check_books(house)


def test_a_bond_above_what_was_signed_for_is_refused(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(house, contested, license_id, maximum_bond=MINIMUM // 2 - 1)
    with refused("BondAboveMaximum", MINIMUM // 2, MINIMUM // 2 - 1):
        relay(house, contested, signed, [earned])
    with refused("SignatureInvalid", LABEL):
        relay(house, contested, signed, [earned], maximum=MINIMUM)
    assert house.vault.refundOf(LABEL) == 0


def test_a_relay_changes_nothing_that_was_signed(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(house, contested, license_id)
    with refused("SignatureInvalid", LABEL):
        relay(house, contested, signed, [earned], quantity=REPORTED + 2 * UNIT)
    with refused("SignatureInvalid", LABEL):
        relay(house, contested, signed, [earned], by=house.signed(signed, by=STRANGER))
    with refused("CreditShort", LABEL, 0, MINIMUM // 2):
        relay(house, contested, signed, [])


def test_a_challenge_is_bound_to_the_document_that_the_signer_saw(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    current = bytes(house.registry.documentOf(license_id))
    other = keccak(b"another document")
    signed = message(house, contested, license_id, current_document=other)
    with refused("DocumentMismatch", license_id, current, other):
        relay(house, contested, signed, [earned])


def test_a_signed_challenge_is_in_time_until_its_deadline(
    house: House, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(house, contested, license_id, deadline=house.now() - 1)
    with refused("SignatureExpired", LABEL, signed.deadline):
        relay(house, contested, signed, [earned])
