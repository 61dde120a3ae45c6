"""Terms are interned once, and only if they make sense."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.protocol.constants import ALL_FLAGS, Flag, Tier
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.protocol import (
    ARTIST,
    DEFAULT_CARD,
    STRANGER,
    TEXT,
    DeployedProtocol,
    raw_terms,
    refused,
    terms,
)

CARD = (1, 2, 3, 4)
FREE = (0, 0, 0, 0)


def offer(
    *,
    tiers: int = 0b000001,
    term_days: int = 365,
    flags: int = 0,
    cap: int = 10_000,
    rates: list[tuple[int, ...]] | None = None,
    text: bytes = TEXT,
) -> tuple[Any, ...]:
    """Terms as the ABI takes them, which the library might refuse to build."""
    cards = [CARD] * tiers.bit_count() if rates is None else rates
    return (tiers, term_days, flags, cap, cards, text)


def intern(protocol: DeployedProtocol, given: tuple[Any, ...], sender: str = STRANGER) -> Any:
    return protocol.registry.internTerms(given, {"from": sender})


def test_anyone_interns_terms_and_reads_them_back(protocol: DeployedProtocol) -> None:
    voice = RateCard(training_run=5, generation=6, playback=7, grant_fee=8)
    given = terms(
        {Tier.ANALYSIS: DEFAULT_CARD, Tier.VOICE: voice},
        term_days=730,
        flags=int(Flag.COMMERCIAL),
        cap=250,
    )
    assert intern(protocol, raw_terms(given)).return_value == 1
    registry = protocol.registry
    assert registry.termsCount() == 1
    assert registry.termsIdOf(given.digest()) == 1
    assert registry.termsHeadOf(1) == (0b100001, 730, 2, 250)
    assert bytes(registry.textDigestOf(1)) == TEXT
    assert registry.rateCardOf(1, Tier.ANALYSIS) == (2_000_000, 1_000, 500, 3_000_000)
    assert registry.rateCardOf(1, Tier.VOICE) == (5, 6, 7, 8)
    for tier in (0, Tier.TRAINING, Tier.STEMS, 7, 255):
        assert registry.rateCardOf(1, tier) == FREE


def test_interning_says_what_was_interned(protocol: DeployedProtocol) -> None:
    given = terms()
    tx = intern(protocol, raw_terms(given))
    event = tx.events["TermsInterned"]
    assert (event["termsId"], bytes(event["digest"])) == (1, given.digest())
    assert tuple(event["terms"])[:4] == raw_terms(given)[:4]


def test_equal_terms_share_one_id_and_are_announced_once(protocol: DeployedProtocol) -> None:
    assert intern(protocol, raw_terms(terms())).return_value == 1
    again = intern(protocol, raw_terms(terms()), ARTIST)
    assert again.return_value == 1
    assert "TermsInterned" not in again.events
    assert protocol.registry.termsCount() == 1


def test_terms_that_differ_in_one_member_have_their_own_ids(protocol: DeployedProtocol) -> None:
    card = DEFAULT_CARD.model_copy(update={"grant_fee": 1})
    others: list[Terms] = [
        terms(),
        terms(term_days=366),
        terms(flags=0),
        terms(cap=9_999),
        terms(text=b"\1" * 32),
        terms({Tier.TRAINING: DEFAULT_CARD}),
        terms({Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: card}),
        # The same two cards for other tiers.
        terms({Tier.TRAINING: DEFAULT_CARD, Tier.STYLE: DEFAULT_CARD}),
    ]
    assert [intern(protocol, raw_terms(one)).return_value for one in others] == list(range(1, 9))


def test_no_tier_at_all_is_a_valid_statement(protocol: DeployedProtocol) -> None:
    given = terms({})
    assert intern(protocol, raw_terms(given)).return_value == 1
    assert protocol.registry.termsHeadOf(1)["tiers"] == 0
    license_id = protocol.license(given)
    for tier in range(8):
        assert not protocol.registry.consentAt(license_id, tier, protocol.now())


def test_digests_nobody_interned_have_no_id(protocol: DeployedProtocol) -> None:
    assert protocol.registry.termsIdOf(terms().digest()) == 0
    assert protocol.registry.termsIdOf(bytes(32)) == 0
    assert protocol.registry.termsHeadOf(0) == (0, 0, 0, 0)
    assert protocol.registry.termsHeadOf(9) == (0, 0, 0, 0)


@pytest.mark.parametrize("tiers", [0b1000000, 0b10000000, 0b11111111])
def test_a_tier_that_does_not_exist_is_refused(protocol: DeployedProtocol, tiers: int) -> None:
    with refused("TiersInvalid", tiers):
        intern(protocol, offer(tiers=tiers))


@pytest.mark.parametrize("days", [0, 364, 1097, 65_535])
def test_a_term_is_one_to_three_years(protocol: DeployedProtocol, days: int) -> None:
    with refused("TermDaysInvalid", days):
        intern(protocol, offer(term_days=days))


@pytest.mark.parametrize("days", [365, 1096])
def test_the_shortest_and_longest_terms_are_taken(protocol: DeployedProtocol, days: int) -> None:
    assert intern(protocol, offer(term_days=days)).return_value == 1


@pytest.mark.parametrize(
    "flags",
    [
        128,
        32_768,
        ALL_FLAGS + 1,
        Flag.GRANT_APPROVAL,
        Flag.MODEL_BOUND,
        Flag.GRANT_APPROVAL | Flag.MODEL_BOUND,
        Flag.MODEL_BOUND | Flag.POOL,
    ],
)
def test_flags_without_meaning_are_refused(protocol: DeployedProtocol, flags: int) -> None:
    with refused("FlagsInvalid", int(flags)):
        intern(protocol, offer(flags=int(flags)))


@pytest.mark.parametrize(
    "flags",
    [
        0,
        ALL_FLAGS,
        Flag.GRANT_REQUIRED,
        Flag.GRANT_REQUIRED | Flag.GRANT_APPROVAL,
        Flag.GRANT_REQUIRED | Flag.MODEL_BOUND,
    ],
)
def test_flags_with_a_meaning_are_taken(protocol: DeployedProtocol, flags: int) -> None:
    assert intern(protocol, offer(flags=int(flags))).return_value == 1
    assert protocol.registry.termsHeadOf(1)["flags"] == int(flags)


@pytest.mark.parametrize("cap", [10_001, 65_535])
def test_an_influence_cap_above_the_whole_is_refused(protocol: DeployedProtocol, cap: int) -> None:
    with refused("InfluenceCapInvalid", cap):
        intern(protocol, offer(cap=cap))


@pytest.mark.parametrize("cap", [0, 1, 10_000])
def test_any_cap_up_to_the_whole_is_taken(protocol: DeployedProtocol, cap: int) -> None:
    assert intern(protocol, offer(cap=cap)).return_value == 1


@pytest.mark.parametrize(
    ("tiers", "cards"), [(0, 1), (0b1, 0), (0b1, 2), (0b111111, 5), (0b111111, 7), (0b100100, 3)]
)
def test_there_is_one_rate_card_for_each_tier_no_more_no_fewer(
    protocol: DeployedProtocol, tiers: int, cards: int
) -> None:
    with refused("RateCountInvalid", cards, tiers.bit_count()):
        intern(protocol, offer(tiers=tiers, rates=[CARD] * cards))
    assert protocol.registry.termsCount() == 0


def test_terms_without_a_legal_text_are_refused(protocol: DeployedProtocol) -> None:
    with refused("TextDigestMissing"):
        intern(protocol, offer(text=bytes(32)))


def test_refused_terms_leave_nothing_behind(protocol: DeployedProtocol) -> None:
    with refused("RateCountInvalid"):
        intern(protocol, offer(tiers=0b11, rates=[CARD]))
    assert intern(protocol, offer(tiers=0b11)).return_value == 1
    assert protocol.registry.termsCount() == 1
