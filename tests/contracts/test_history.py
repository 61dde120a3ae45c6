"""Amending a licence: what changes at once, what waits for the next term, and what never changes again."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.licensing import document_of
from tests.contracts.moments import ask_all, mine_at, next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DEFAULT_CARD,
    DOCUMENT,
    DeployedProtocol,
    refused,
    terms,
)
from tests.protocol.vectors import vectors

YEAR = 365 * DAY
START = 2_000_000_000
NEW, NEWER = keccak(b"new document"), keccak(b"newer document")

DEARER_CARD = RateCard(training_run=9, generation=9, playback=9, grant_fee=9)
ONE = terms({Tier.TRAINING: DEFAULT_CARD})
TWO = terms({Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: DEFAULT_CARD})
THREE = terms(dict.fromkeys((Tier.ANALYSIS, Tier.TRAINING, Tier.GENERATIVE), DEFAULT_CARD))
DEARER = terms({Tier.TRAINING: DEARER_CARD, Tier.GENERATIVE: DEFAULT_CARD})
NONE = terms({})
MORE = dict.fromkeys((Tier.TRAINING, Tier.GENERATIVE, Tier.VOICE), DEFAULT_CARD)


@pytest.fixture(scope="module")
def ids(protocol: DeployedProtocol) -> dict[bytes, int]:
    """The ids of the terms above, by digest."""
    for offer in (ONE, TWO, THREE, DEARER, NONE):
        protocol.intern_terms(offer)
    return {
        offer.digest(): int(protocol.registry.termsIdOf(offer.digest()))
        for offer in (ONE, TWO, THREE, DEARER, NONE)
    }


@pytest.fixture
def licence(protocol: DeployedProtocol, ids: dict[bytes, int]) -> int:
    """A licence for TRAINING and GENERATIVE, minted at START."""
    next_at(START)
    return protocol.license(TWO, document=DOCUMENT)


def amend(
    protocol: DeployedProtocol, license_id: int, offer: Terms, document: bytes, at: int
) -> Any:
    next_at(at)
    return protocol.registry.amend(license_id, offer.digest(), document, {"from": ARTIST})


def terms_at(protocol: DeployedProtocol, license_id: int, *moments: int) -> list[int]:
    return ask_all([(protocol.registry.termsAt, (license_id, moment)) for moment in moments])


def consents(protocol: DeployedProtocol, license_id: int, tier: Tier, *moments: int) -> list[bool]:
    return ask_all(
        [(protocol.registry.consentAt, (license_id, tier, moment)) for moment in moments]
    )


def test_consent_begins_in_the_second_of_the_mint(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    two = ids[TWO.digest()]
    assert terms_at(protocol, licence, 0, START - 1, START, START + 1) == [0, 0, two, two]
    assert consents(protocol, licence, Tier.GENERATIVE, START - 1, START) == [False, True]
    assert consents(protocol, licence, Tier.VOICE, START) == [False]
    # Left alone it renews by itself, for any time that can be asked for.
    assert terms_at(protocol, licence, START + 50 * YEAR, 2**256 - 1) == [two, two]


def test_a_change_of_price_waits_for_the_next_term(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    tx = amend(protocol, licence, DEARER, NEW, START + 100 * DAY)
    dearer = ids[DEARER.digest()]
    assert dict(tx.events["LicenseAmended"]) == {
        "licenseId": licence,
        "termsId": dearer,
        "from": START + YEAR,
        "document": "0x" + NEW.hex(),
    }
    assert tx.events["MetadataUpdate"]["tokenId"] == licence
    two = ids[TWO.digest()]
    moments = (START, START + 100 * DAY, START + YEAR - 1, START + YEAR, START + YEAR + 1)
    assert terms_at(protocol, licence, *moments) == [two, two, two, dearer, dearer]


@pytest.mark.parametrize(
    "offer",
    [
        ONE,
        NONE,
        terms({**dict.fromkeys((Tier.TRAINING, Tier.STYLE), DEFAULT_CARD)}),
        terms(term_days=366),
        terms(flags=int(Flag.POOL | Flag.COMMERCIAL)),
        terms(cap=9_999),
        terms(text=b"\1" * 32),
        # More tiers, and something else besides.
        terms({**dict.fromkeys((Tier.ANALYSIS, Tier.TRAINING, Tier.GENERATIVE), DEARER_CARD)}),
        terms(MORE, cap=0),
        terms(MORE, flags=0),
        terms(MORE, term_days=366),
        terms(MORE, text=b"\1" * 32),
        terms(
            {Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: DEARER_CARD, Tier.STEMS: DEFAULT_CARD}
        ),
    ],
    ids=[
        "a tier less",
        "no tier",
        "another tier",
        "longer terms",
        "other flags",
        "another cap",
        "another text",
        "more tiers but dearer",
        "more tiers but another cap",
        "more tiers but other flags",
        "more tiers but longer terms",
        "more tiers but another text",
        "more tiers but one dearer",
    ],
)
def test_whatever_does_more_than_add_tiers_waits(
    protocol: DeployedProtocol, licence: int, offer: Terms
) -> None:
    protocol.intern_terms(offer)
    tx = amend(protocol, licence, offer, NEW, START + DAY)
    assert tx.events["LicenseAmended"]["from"] == START + YEAR
    assert document_of(protocol, licence) == DOCUMENT


@pytest.mark.parametrize("field", ["training_run", "generation", "playback", "grant_fee"])
def test_an_added_tier_waits_if_any_price_of_another_changes(
    protocol: DeployedProtocol, licence: int, field: str
) -> None:
    card = DEFAULT_CARD.model_copy(update={field: getattr(DEFAULT_CARD, field) + 1})
    offer = terms({Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: card, Tier.VOICE: DEFAULT_CARD})
    protocol.intern_terms(offer)
    tx = amend(protocol, licence, offer, NEW, START + DAY)
    assert tx.events["LicenseAmended"]["from"] == START + YEAR


def test_an_added_tier_is_in_force_at_once_and_the_term_runs_on(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    tx = amend(protocol, licence, THREE, NEW, START + 100 * DAY)
    now = START + 100 * DAY
    assert tx.events["LicenseAmended"]["from"] == now
    assert consents(protocol, licence, Tier.ANALYSIS, now - 1, now, now + 1) == [False, True, True]
    assert consents(protocol, licence, Tier.TRAINING, now - 1, now, now + 1) == [True, True, True]
    assert document_of(protocol, licence) == NEW
    # terms, from, anchor, next terms, next from, end, split
    assert protocol.registry.licenseOf(licence) == (ids[THREE.digest()], now, START, 0, 0, 0, 1)
    assert protocol.registry.termEndOf(licence) == START + YEAR


def test_the_same_terms_change_the_document_and_nothing_else(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    before = protocol.registry.licenseOf(licence)
    tx = amend(protocol, licence, TWO, NEW, START + DAY)
    assert dict(tx.events["LicenseAmended"]) == {
        "licenseId": licence,
        "termsId": ids[TWO.digest()],
        "from": START + DAY,
        "document": "0x" + NEW.hex(),
    }
    assert document_of(protocol, licence) == NEW
    assert protocol.registry.licenseOf(licence) == before


def test_amending_to_the_terms_in_force_withdraws_what_waits(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    amend(protocol, licence, DEARER, NEW, START + DAY)
    amend(protocol, licence, TWO, NEWER, START + 2 * DAY)
    mine_at(START + 2 * YEAR)
    assert terms_at(protocol, licence, START + YEAR, START + 2 * YEAR) == [ids[TWO.digest()]] * 2
    assert document_of(protocol, licence) == NEWER


def test_a_later_amendment_replaces_the_one_that_waits(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    amend(protocol, licence, DEARER, NEW, START + DAY)
    amend(protocol, licence, ONE, NEWER, START + 2 * DAY)
    mine_at(START + YEAR)
    assert terms_at(protocol, licence, START + YEAR) == [ids[ONE.digest()]]
    assert document_of(protocol, licence) == NEWER


def test_tiers_are_not_added_while_an_amendment_waits(
    protocol: DeployedProtocol, licence: int
) -> None:
    amend(protocol, licence, DEARER, NEW, START + DAY)
    with refused("AmendmentPending", licence, START + YEAR):
        amend(protocol, licence, THREE, NEWER, START + 2 * DAY)
    amend(protocol, licence, TWO, DOCUMENT, START + 3 * DAY)
    amend(protocol, licence, THREE, NEWER, START + 4 * DAY)
    assert consents(protocol, licence, Tier.ANALYSIS, START + 4 * DAY) == [True]


def test_tiers_are_added_to_the_amendment_once_it_took_effect(
    protocol: DeployedProtocol, licence: int, ids: dict[bytes, int]
) -> None:
    amend(protocol, licence, ONE, NEW, START + DAY)
    # At the first second of the new term the amendment no longer waits.
    amend(protocol, licence, TWO, NEWER, START + YEAR)
    assert (
        consents(protocol, licence, Tier.GENERATIVE, START + YEAR - 1, START + YEAR) == [True] * 2
    )
    assert document_of(protocol, licence) == NEWER
    assert protocol.registry.termEndOf(licence) == START + 2 * YEAR


def test_the_document_changes_in_the_second_its_terms_take_effect(
    protocol: DeployedProtocol, licence: int
) -> None:
    amend(protocol, licence, DEARER, NEW, START + DAY)
    mine_at(START + YEAR - 1)
    assert document_of(protocol, licence) == DOCUMENT
    before = protocol.registry.tokenURI(licence)
    mine_at(START + YEAR)
    assert document_of(protocol, licence) == NEW
    assert protocol.registry.tokenURI(licence) != before


def test_a_term_of_another_length_counts_from_its_own_start(
    protocol: DeployedProtocol, licence: int
) -> None:
    longer = terms(term_days=1096)
    protocol.intern_terms(longer)
    amend(protocol, licence, longer, NEW, START + DAY)
    assert protocol.registry.termEndOf(licence) == START + YEAR
    mine_at(START + YEAR)
    assert protocol.registry.termEndOf(licence) == START + YEAR + 1096 * DAY
    # And so once it has been written into its place.
    amend(protocol, licence, longer, NEWER, START + YEAR + DAY)
    assert protocol.registry.termEndOf(licence) == START + YEAR + 1096 * DAY


@pytest.mark.parametrize(
    "vector", [one for one in vectors("hand_worked") if one.values[0]["kind"] == "termEnd"]
)
def test_terms_end_where_the_hand_worked_vectors_say(
    protocol: DeployedProtocol, vector: dict[str, Any]
) -> None:
    asked = vector["input"]
    shift = START - asked["anchor"]
    next_at(START)
    license_id = protocol.license(terms(term_days=asked["termDays"]))
    mine_at(asked["moment"] + shift)
    assert protocol.registry.termEndOf(license_id) == vector["expected"]["end"] + shift


def test_amendments_of_one_second_leave_no_trace_before_it(
    protocol: DeployedProtocol, ids: dict[bytes, int]
) -> None:
    next_at(START)
    license_id = protocol.license(ONE)
    amend(protocol, license_id, TWO, NEW, START)
    amend(protocol, license_id, THREE, NEWER, START)
    amend(protocol, license_id, DEARER, DOCUMENT, START)
    three = ids[THREE.digest()]
    assert terms_at(protocol, license_id, START - 1, START, START + 1) == [0, three, three]
    assert terms_at(protocol, license_id, START + YEAR) == [ids[DEARER.digest()]]
    assert document_of(protocol, license_id) == NEWER


def test_terms_must_be_known_and_a_document_given(protocol: DeployedProtocol, licence: int) -> None:
    unknown = keccak(b"unknown")
    sender = {"from": ARTIST}
    with refused("UnknownTerms", unknown):
        protocol.registry.amend(licence, unknown, NEW, sender)
    for offer in (ONE, TWO, THREE):
        with refused("DigestMissing", "document"):
            protocol.registry.amend(licence, offer.digest(), bytes(32), sender)


def test_a_licence_that_does_not_exist_answers_nothing(
    protocol: DeployedProtocol, licence: int
) -> None:
    registry = protocol.registry
    for unknown in (0, licence + 1, 2**32 - 1):
        assert terms_at(protocol, unknown, 0, START, 2**256 - 1) == [0, 0, 0]
        assert consents(protocol, unknown, Tier.TRAINING, START) == [False]
        assert registry.licenseOf(unknown) == (0, 0, 0, 0, 0, 0, 0)
        assert document_of(protocol, unknown) == bytes(32)
        assert not registry.isLicensor(unknown, ARTIST)
        with refused("UnknownLicense", unknown):
            registry.termEndOf(unknown)
        for act in (registry.revoke, registry.reinstate):
            with refused("UnknownLicense", unknown):
                act(unknown, {"from": ARTIST})
        with refused("UnknownLicense", unknown):
            registry.amend(unknown, TWO.digest(), NEW, {"from": ARTIST})


def test_numbers_that_are_no_tier_are_never_consented_to(protocol: DeployedProtocol) -> None:
    next_at(START)
    license_id = protocol.license(terms(dict.fromkeys(Tier, DEFAULT_CARD)))
    asked = [(protocol.registry.consentAt, (license_id, tier, START)) for tier in range(256)]
    assert ask_all(asked) == [1 <= tier <= 6 for tier in range(256)]
