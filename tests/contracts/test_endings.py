"""How consent ends: revoked at the end of a term, reinstated before it, or voided by the disputes."""

from __future__ import annotations

from typing import Any

import pytest
from brownie import accounts
from eth_hash.auto import keccak

from obbligato.protocol.constants import Tier
from tests.contracts.licensing import document_of
from tests.contracts.moments import ask_all, mine_at, next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DEFAULT_CARD,
    DOCUMENT,
    GOVERNOR,
    LABEL,
    STRANGER,
    DeployedProtocol,
    refused,
    terms,
)

YEAR = 365 * DAY
START = 2_000_000_000
NEW = keccak(b"new document")
OWNER = {"from": ARTIST}
TWO = terms()
DEARER = terms(cap=1)


@pytest.fixture
def licence(protocol: DeployedProtocol) -> int:
    """A licence for TRAINING and GENERATIVE, minted at START."""
    next_at(START)
    return protocol.license(TWO, document=DOCUMENT)


@pytest.fixture(scope="module")
def disputes(protocol: DeployedProtocol) -> dict[str, Any]:
    """The disputes as a sender."""
    return {"from": accounts.at(protocol.disputes.address, force=True)}


def revoke(protocol: DeployedProtocol, license_id: int, at: int) -> Any:
    next_at(at)
    return protocol.registry.revoke(license_id, OWNER)


def void(protocol: DeployedProtocol, license_id: int, sender: dict[str, Any], at: int) -> Any:
    next_at(at)
    return protocol.registry.voidLicense(license_id, sender)


def consents(protocol: DeployedProtocol, license_id: int, *moments: int) -> list[bool]:
    asked = [
        (protocol.registry.consentAt, (license_id, Tier.TRAINING, moment)) for moment in moments
    ]
    return ask_all(asked)


def ends_at(protocol: DeployedProtocol, license_id: int) -> int:
    return int(protocol.registry.licenseOf(license_id)["endsAt"])


# ---- revoked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (START, START + YEAR),
        (START + YEAR - 1, START + YEAR),
        (START + YEAR, START + 2 * YEAR),
        (START + 2 * YEAR + 17, START + 3 * YEAR),
    ],
    ids=["at once", "last second of a term", "first second of the next", "in the third term"],
)
def test_a_revoked_licence_ends_with_the_term_that_runs(
    protocol: DeployedProtocol, licence: int, at: int, end: int
) -> None:
    tx = revoke(protocol, licence, at)
    assert dict(tx.events["LicenseRevoked"]) == {"licenseId": licence, "endsAt": end}
    assert ends_at(protocol, licence) == end
    assert consents(protocol, licence, START, end - 1, end, end + 1, 2**256 - 1) == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert protocol.registry.termsAt(licence, end - 1) != 0
    assert protocol.registry.termsAt(licence, end) == 0


def test_an_added_tier_does_not_move_the_end(protocol: DeployedProtocol, licence: int) -> None:
    more = terms(dict.fromkeys((Tier.TRAINING, Tier.GENERATIVE, Tier.VOICE), DEFAULT_CARD))
    protocol.intern_terms(more)
    next_at(START + 100 * DAY)
    protocol.registry.amend(licence, more.digest(), NEW, OWNER)
    revoke(protocol, licence, START + 200 * DAY)
    assert ends_at(protocol, licence) == START + YEAR


def test_a_term_that_began_with_an_amendment_is_the_one_that_ends(
    protocol: DeployedProtocol, licence: int
) -> None:
    longer = terms(term_days=1096)
    protocol.intern_terms(longer)
    next_at(START + DAY)
    protocol.registry.amend(licence, longer.digest(), NEW, OWNER)
    revoke(protocol, licence, START + YEAR)
    assert ends_at(protocol, licence) == START + YEAR + 1096 * DAY
    assert document_of(protocol, licence) == NEW


def test_nothing_is_revoked_or_amended_after_a_revocation(
    protocol: DeployedProtocol, licence: int
) -> None:
    revoke(protocol, licence, START + DAY)
    for at in (START + DAY, START + YEAR - 1, START + YEAR, START + 2 * YEAR):
        mine_at(at)
        with refused("LicenseEnding", licence, START + YEAR):
            protocol.registry.revoke(licence, OWNER)
        with refused("LicenseEnding", licence, START + YEAR):
            protocol.registry.amend(licence, TWO.digest(), NEW, OWNER)


def test_what_waits_for_the_next_term_never_comes_after_a_revocation(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.intern_terms(DEARER)
    next_at(START + DAY)
    protocol.registry.amend(licence, DEARER.digest(), NEW, OWNER)
    revoke(protocol, licence, START + 2 * DAY)
    mine_at(START + 2 * YEAR)
    assert protocol.registry.termsAt(licence, START + YEAR) == 0
    assert document_of(protocol, licence) == DOCUMENT


# ---- reinstated -----------------------------------------------------------------------------------------------------


def test_a_revocation_is_undone_up_to_its_last_second(
    protocol: DeployedProtocol, licence: int
) -> None:
    revoke(protocol, licence, START + DAY)
    next_at(START + YEAR - 1)
    tx = protocol.registry.reinstate(licence, OWNER)
    assert dict(tx.events["LicenseReinstated"]) == {"licenseId": licence}
    assert ends_at(protocol, licence) == 0
    assert consents(protocol, licence, START + YEAR, START + 9 * YEAR) == [True, True]


@pytest.mark.parametrize("late", [0, 1, YEAR])
def test_from_its_end_on_nothing_is_reinstated(
    protocol: DeployedProtocol, licence: int, late: int
) -> None:
    revoke(protocol, licence, START + DAY)
    next_at(START + YEAR + late)
    with refused("LicenseEnded", licence, START + YEAR):
        protocol.registry.reinstate(licence, OWNER)


def test_only_a_revoked_licence_is_reinstated(protocol: DeployedProtocol, licence: int) -> None:
    with refused("NotRevoked", licence):
        protocol.registry.reinstate(licence, OWNER)
    revoke(protocol, licence, START + DAY)
    protocol.registry.reinstate(licence, OWNER)
    with refused("NotRevoked", licence):
        protocol.registry.reinstate(licence, OWNER)


def test_what_waited_comes_after_all_once_reinstated(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.intern_terms(DEARER)
    dearer = protocol.registry.termsIdOf(DEARER.digest())
    next_at(START + DAY)
    protocol.registry.amend(licence, DEARER.digest(), NEW, OWNER)
    revoke(protocol, licence, START + 2 * DAY)
    protocol.registry.reinstate(licence, OWNER)
    mine_at(START + YEAR)
    assert protocol.registry.termsAt(licence, START + YEAR) == dearer
    assert document_of(protocol, licence) == NEW


def test_a_licence_is_revoked_again_in_a_later_term(
    protocol: DeployedProtocol, licence: int
) -> None:
    revoke(protocol, licence, START + DAY)
    protocol.registry.reinstate(licence, OWNER)
    revoke(protocol, licence, START + 3 * YEAR)
    assert ends_at(protocol, licence) == START + 4 * YEAR


# ---- voided ---------------------------------------------------------------------------------------------------------


def test_the_disputes_end_a_licence_now_and_leave_its_past(
    protocol: DeployedProtocol, licence: int, disputes: dict[str, Any]
) -> None:
    now = START + 40 * DAY
    tx = void(protocol, licence, disputes, now)
    assert dict(tx.events["LicenseVoided"]) == {"licenseId": licence, "endsAt": now}
    assert consents(protocol, licence, START - 1, START, now - 1, now, now + 1) == [
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("account", [ARTIST, STRANGER, ARBITER, GOVERNOR])
def test_nobody_else_voids(protocol: DeployedProtocol, licence: int, account: str) -> None:
    with refused("NotDisputes", account):
        protocol.registry.voidLicense(licence, {"from": account})


def test_only_what_exists_and_lives_is_voided(
    protocol: DeployedProtocol, licence: int, disputes: dict[str, Any]
) -> None:
    with refused("UnknownLicense", licence + 1):
        protocol.registry.voidLicense(licence + 1, disputes)
    void(protocol, licence, disputes, START + DAY)
    for at in (START + DAY, START + 2 * DAY):
        next_at(at)
        with refused("LicenseEnded", licence, START + DAY):
            protocol.registry.voidLicense(licence, disputes)


def test_voiding_brings_a_known_end_forward_never_back(
    protocol: DeployedProtocol, licence: int, disputes: dict[str, Any]
) -> None:
    revoke(protocol, licence, START + DAY)
    void(protocol, licence, disputes, START + YEAR - 1)
    assert ends_at(protocol, licence) == START + YEAR - 1
    other = protocol.license()
    tx = protocol.registry.revoke(other, OWNER)
    end = tx.events["LicenseRevoked"]["endsAt"]
    next_at(end)
    with refused("LicenseEnded", other, end):
        protocol.registry.voidLicense(other, disputes)
    assert ends_at(protocol, other) == end


def test_a_voided_licence_stays_void(
    protocol: DeployedProtocol, licence: int, disputes: dict[str, Any]
) -> None:
    now = START + DAY
    void(protocol, licence, disputes, now)
    for at in (now, now + 1, START + YEAR):
        mine_at(at)
        with refused("LicenseEnded", licence, now):
            protocol.registry.reinstate(licence, OWNER)
        with refused("LicenseEnding", licence, now):
            protocol.registry.revoke(licence, OWNER)
        with refused("LicenseEnding", licence, now):
            protocol.registry.amend(licence, TWO.digest(), NEW, OWNER)


@pytest.mark.parametrize(
    ("late", "expected"), [(-1, DOCUMENT), (0, DOCUMENT), (1, NEW)], ids=["before", "at", "after"]
)
def test_a_licence_voided_about_when_an_amendment_begins_keeps_what_was_in_force(
    protocol: DeployedProtocol, licence: int, disputes: dict[str, Any], late: int, expected: bytes
) -> None:
    protocol.intern_terms(DEARER)
    next_at(START + DAY)
    protocol.registry.amend(licence, DEARER.digest(), NEW, OWNER)
    void(protocol, licence, disputes, START + YEAR + late)
    mine_at(START + 2 * YEAR)
    assert document_of(protocol, licence) == expected
    assert protocol.registry.termsAt(licence, START + YEAR + late) == 0
    assert protocol.registry.termsAt(licence, START + YEAR + late - 1) != 0


def test_a_recording_that_is_anothers_is_voided_by_the_arbiter(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.fund_account(LABEL, protocol.parameters.minimum_challenge_bond)
    tx = protocol.disputes.claimRecording(licence, keccak(b"evidence"), {"from": LABEL})
    next_at(START + 10 * DAY)
    protocol.disputes.ruleRecording(tx.return_value, True, {"from": ARBITER})
    assert consents(protocol, licence, START + 10 * DAY - 1, START + 10 * DAY) == [True, False]
    # It is still the artist's token.
    assert protocol.registry.ownerOf(licence) == ARTIST
