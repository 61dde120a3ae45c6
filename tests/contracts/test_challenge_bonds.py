"""Bonds of challenges: how large, out of whose money, and on whose signature."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rulings import ContestedRow, MeteredPrice, bond
from obbligato.protocol.typed_data import Challenge
from tests.contracts.contest import (
    EVIDENCE,
    LAPSED,
    MINIMUM,
    challenge,
    challenge_of,
    check_books,
    row_claim,
    rule_challenge,
)
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PLATFORM_ADMIN,
    RELAY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    Report,
    refused,
    row,
    split,
    terms,
)

REPORTED = 100_000 * UNIT
"""A hundred dollars' worth."""


@pytest.fixture(scope="module")
def license_id(protocol: DeployedProtocol) -> int:
    return protocol.license(pays=split((ARTIST, 1), (LABEL, 999_999)))


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, license_id: int) -> int:
    made = protocol.platform(1_000 * DOLLAR)
    protocol.fund_account(STRANGER, 1_000 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, license_id: int) -> Report:
    made = protocol.report(platform, [row(license_id, REPORTED)])
    protocol.submit(made)
    return made


@pytest.fixture
def earned(protocol: DeployedProtocol, platform: int, license_id: int) -> int:
    """A split that has earned a hundred dollars before, nearly all of it the label's. Its id."""
    protocol.settled(platform, [row(license_id, REPORTED)])
    protocol.wait(60)
    return int(protocol.registry.licenseOf(license_id)[6])


@pytest.fixture
def contested(protocol: DeployedProtocol, license_id: int, earned: int, platform: int) -> Report:
    """A pending report of a licence whose label has earned before."""
    made = protocol.report(platform, [row(license_id, REPORTED)])
    protocol.submit(made)
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
        (REPORTED - 1, 10 * DOLLAR),  # a millionth less holds the whole row of a hundred dollars
    ],
)
@pytest.mark.parametrize("by", [STRANGER, ARTIST])
def test_a_bond_is_a_tenth_of_what_is_disputed_or_the_minimum_and_half_of_it_for_a_payee(
    protocol: DeployedProtocol, license_id: int, report: Report, claimed: int, full: int, by: str
) -> None:
    contested = ContestedRow(reported=REPORTED, credited=100 * DOLLAR, price=MeteredPrice(1_000))
    due = full // 2 if by == ARTIST else full
    assert due == bond(contested, claimed=claimed, minimum=MINIMUM, by_payee=by == ARTIST)
    protocol.fund_account(ARTIST, 1_000 * DOLLAR)
    before = protocol.token.balanceOf(by)
    made = challenge(protocol, report, license_id, claimed, by=by)
    assert challenge_of(protocol, made).bond == protocol.vault.challengeBonds() == due
    assert before - protocol.token.balanceOf(by) == due


def test_each_ten_open_challenges_of_a_report_raise_the_least_bond_by_the_minimum(
    protocol: DeployedProtocol, platform: int
) -> None:
    many = [protocol.license(pays=split((LABEL, 1_000_000))) for _ in range(22)]
    protocol.wait(60)
    crowded = protocol.report(platform, [row(one, UNIT) for one in many])
    protocol.submit(crowded)
    beside = protocol.report(platform, [row(many[0], UNIT)], model=keccak(b"another model"))
    protocol.submit(beside)
    made = [challenge(protocol, crowded, one, 0, by=STRANGER) for one in many[:21]]
    assert [challenge_of(protocol, one).bond // MINIMUM for one in made] == [1] * 10 + [2] * 10 + [
        3
    ]
    assert protocol.disputes.leastBondOf(protocol.report_id(crowded)) == 3 * MINIMUM
    assert protocol.disputes.leastBondOf(protocol.report_id(beside)) == MINIMUM
    # A lower claim that takes another's place adds none; what ends takes one away.
    raised = challenge(protocol, crowded, many[21], 2 * UNIT, by=STRANGER)
    again = challenge(protocol, crowded, many[21], 4 * UNIT, by=STRANGER)
    assert challenge_of(protocol, raised).state == LAPSED
    for one in (again, *made[:2]):
        rule_challenge(protocol, one, challenge_of(protocol, one).claimed, {"from": ARBITER})
    assert protocol.disputes.leastBondOf(protocol.report_id(crowded)) == 2 * MINIMUM
    check_books(protocol)


# ---- from an allowance --------------------------------------------------------------------------------------------


def test_a_challenger_without_the_money_or_the_allowance_challenges_nothing(
    protocol: DeployedProtocol, license_id: int, report: Report
) -> None:
    protocol.token.mint(RELAY, MINIMUM, {"from": RELAY})
    with refused("ERC20InsufficientAllowance", protocol.vault.address, 0, MINIMUM):
        challenge(protocol, report, license_id, REPORTED + 1, by=RELAY)
    protocol.token.approve(protocol.vault, MINIMUM, {"from": RELAY})
    protocol.token.transfer(STRANGER, 1, {"from": RELAY})
    with refused("ERC20InsufficientBalance", RELAY, MINIMUM - 1, MINIMUM):
        challenge(protocol, report, license_id, REPORTED + 1, by=RELAY)
    assert protocol.disputes.challengeCount() == 0


def test_a_direct_bond_comes_from_the_caller_only(
    protocol: DeployedProtocol, license_id: int, report: Report
) -> None:
    tx = protocol.disputes.challenge(
        report.case, row_claim(license_id, REPORTED + 1), [], {"from": STRANGER}
    )
    event = tx.events["BondPosted"]
    assert (event["account"], event["amount"], event["fromCredit"]) == (STRANGER, MINIMUM, False)
    assert protocol.token.allowance(PLATFORM_ADMIN, protocol.vault) > 0
    check_books(protocol)


# ---- from credit --------------------------------------------------------------------------------------------------


def test_a_payee_pays_its_bond_out_of_what_it_has_earned(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    split_id, due = earned, 99_999_900
    assert protocol.vault.claimable(LABEL, [split_id]) == due
    made = challenge(
        protocol, contested, license_id, 400_000 * UNIT, by=LABEL, bond_splits=[split_id]
    )
    assert challenge_of(protocol, made).bond == 15 * DOLLAR
    assert protocol.vault.challengeBonds() == 15 * DOLLAR
    # All the split owed is collected; what the bond leaves over waits as a refund.
    assert protocol.vault.refundOf(LABEL) == due - 15 * DOLLAR
    assert protocol.vault.claimable(LABEL, [split_id]) == due - 15 * DOLLAR
    assert protocol.token.balanceOf(LABEL) == 0
    protocol.vault.claim(LABEL, [split_id], {"from": RELAY})
    assert protocol.token.balanceOf(LABEL) == due - 15 * DOLLAR
    check_books(protocol)


def test_credit_that_is_too_small_posts_no_bond(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    # The artist's millionth of a hundred dollars is a hundred units.
    with refused("CreditShort", ARTIST, 100, MINIMUM // 2):
        challenge(protocol, contested, license_id, REPORTED + 1, by=ARTIST, bond_splits=[earned])
    with refused("CreditShort", LABEL, 99_999_900, 100 * DOLLAR):
        challenge(
            protocol,
            contested,
            license_id,
            2_100_000 * UNIT,
            by=LABEL,
            bond_splits=[earned, earned],
        )
    with refused("NotPayee", earned, STRANGER):
        challenge(protocol, contested, license_id, REPORTED + 1, by=STRANGER, bond_splits=[earned])
    assert protocol.vault.claimable(LABEL, [earned]) == 99_999_900


def test_a_bond_that_came_back_pays_for_the_next_one(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    first = challenge(protocol, contested, license_id, REPORTED + 1, by=LABEL, bond_splits=[earned])
    rule_challenge(protocol, first, REPORTED + 1, {"from": ARBITER})
    before = protocol.vault.refundOf(LABEL)
    challenge(protocol, contested, license_id, REPORTED + 2, by=LABEL, bond_splits=[earned])
    assert before - protocol.vault.refundOf(LABEL) == MINIMUM // 2
    check_books(protocol)


# ---- by signature -------------------------------------------------------------------------------------------------


def message(
    protocol: DeployedProtocol, report: Report, license_id: int, **changes: Any
) -> Challenge:
    made = Challenge(
        account=LABEL,
        report_id=protocol.report_id(report),
        license_id=license_id,
        current_document=bytes(protocol.registry.documentOf(license_id)),
        tier=Tier.GENERATIVE,
        metric=Metric.GENERATION,
        claimed_quantity=REPORTED + UNIT,
        evidence=EVIDENCE,
        maximum_bond=MINIMUM // 2,
        nonce=next(protocol.nonces),
        deadline=protocol.deadline(),
    )
    return made.model_copy(update=changes)


def relay(
    protocol: DeployedProtocol, report: Report, signed: Challenge, splits: list[int], **changes: Any
) -> int:
    """Relay a signed challenge, with whatever the relay would rather it said."""
    given = {"quantity": signed.claimed_quantity, "maximum": signed.maximum_bond, **changes}
    tx = protocol.disputes.challengeBySignature(
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
        given.get("by") or protocol.signed(signed),
        {"from": RELAY},
    )
    return int(tx.return_value)


def test_contesting_by_signature_needs_neither_gas_nor_cash(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(protocol, contested, license_id)
    made = relay(protocol, contested, signed, [earned])
    found = challenge_of(protocol, made)
    assert (found.challenger, found.bond, found.claimed) == (LABEL, MINIMUM // 2, REPORTED + UNIT)
    assert protocol.disputes.isNonceUsed(LABEL, signed.nonce)
    assert protocol.vault.refundOf(LABEL) == 99_999_900 - MINIMUM // 2
    assert protocol.token.balanceOf(RELAY) == protocol.token.balanceOf(LABEL) == 0
    rule_challenge(protocol, made, REPORTED + UNIT, {"from": ARBITER})
    with refused("NonceUsed", LABEL, signed.nonce):
        relay(protocol, contested, signed, [earned])
    check_books(protocol)


def test_a_bond_above_what_was_signed_for_is_refused(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(protocol, contested, license_id, maximum_bond=MINIMUM // 2 - 1)
    with refused("BondAboveMaximum", MINIMUM // 2, MINIMUM // 2 - 1):
        relay(protocol, contested, signed, [earned])
    with refused("SignatureInvalid", LABEL):
        relay(protocol, contested, signed, [earned], maximum=MINIMUM)
    assert protocol.vault.refundOf(LABEL) == 0


def test_a_relay_changes_nothing_that_was_signed(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(protocol, contested, license_id)
    with refused("SignatureInvalid", LABEL):
        relay(protocol, contested, signed, [earned], quantity=REPORTED + 2 * UNIT)
    with refused("SignatureInvalid", LABEL):
        relay(protocol, contested, signed, [earned], by=protocol.signed(signed, by=STRANGER))
    with refused("CreditShort", LABEL, 0, MINIMUM // 2):
        relay(protocol, contested, signed, [])


def test_a_challenge_is_bound_to_the_document_that_the_signer_saw_while_a_licence_is_new(
    protocol: DeployedProtocol, platform: int, license_id: int, earned: int
) -> None:
    new = protocol.license(pays=split((LABEL, 1_000_000)))
    minted = protocol.now()
    protocol.wait(3_600)
    report = protocol.report(platform, [row(license_id, REPORTED)])
    protocol.submit(report)
    current = bytes(protocol.registry.documentOf(new))
    other = keccak(b"another document")
    # A thousand generations: a dollar, so that the bond is the least.
    signed = message(protocol, report, new, current_document=other, claimed_quantity=1_000 * UNIT)
    next_at(minted + DAY - 1)
    with refused("DocumentMismatch", new, current, other):
        relay(protocol, report, signed, [earned])
    # What is a day old no reorganisation gives away.
    next_at(minted + DAY)
    made = relay(protocol, report, signed, [earned])
    assert challenge_of(protocol, made).challenger == LABEL


def test_a_licensor_voids_no_signed_reduction_with_another_document(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(
        protocol, contested, license_id, claimed_quantity=UNIT, maximum_bond=5 * DOLLAR
    )
    # The row's hundred dollars are held: ten, half of it for a payee.
    same_terms = terms().digest()
    protocol.registry.amend(license_id, same_terms, keccak(b"another comma"), {"from": ARTIST})
    made = relay(protocol, contested, signed, [earned])
    assert (challenge_of(protocol, made).claimed, challenge_of(protocol, made).bond) == (
        UNIT,
        5 * DOLLAR,
    )


def test_a_signed_challenge_is_in_time_until_its_deadline(
    protocol: DeployedProtocol, license_id: int, earned: int, contested: Report
) -> None:
    signed = message(protocol, contested, license_id, deadline=protocol.now() - 1)
    with refused("SignatureExpired", LABEL, signed.deadline):
        relay(protocol, contested, signed, [earned])
