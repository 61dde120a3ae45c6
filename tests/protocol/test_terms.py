"""Terms are canonical, comparable and cheap to identify."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import (
    ALL_TIERS,
    NOT_OFFERED,
    Flag,
    Metric,
    Tier,
    tiers_mask,
    tiers_of,
)
from obbligato.protocol.terms import RateCard, Terms, terms_of_cards
from tests.protocol.examples import CARD, TEXT, terms_with
from tests.protocol.vectors import data, vectors


@pytest.mark.parametrize("vector", vectors("terms"))
def test_digests_agree_with_viem(vector: dict[str, Any]) -> None:
    terms = Terms.read(vector["input"])
    assert terms.digest() == data(vector["expected"]["digest"])


@pytest.mark.parametrize("vector", vectors("terms"))
def test_terms_survive_json(vector: dict[str, Any]) -> None:
    terms = Terms.read(vector["input"])
    assert Terms.read(terms.model_dump(mode="json", by_alias=True)) == terms
    assert Terms.model_validate_json(terms.model_dump_json(by_alias=True)) == terms


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("termDays", 364, "term"),
        ("termDays", 1_097, "term"),
        ("termDays", 365.0, "term"),
        ("termDays", True, "term"),
        ("termDays", "365", "term"),
        ("termDays", None, "term"),
        ("influenceCapBps", 10_001, "influence"),
        ("influenceCapBps", -1, "influence"),
        ("tiers", 64, "tiers"),
        ("tiers", 256, "tiers"),
        ("tiers", 1.0, "tiers"),
        ("tiers", 2**64, "tiers"),
        ("flags", 128, "flags"),
        ("flags", 2**16, "flags"),
        ("flags", False, "flags"),
        ("rates", [], "rates"),
        ("rates", [CARD, CARD], "rates"),
        ("rates", [{**CARD, "generation": 2**64}], "rates.0.generation"),
        ("rates", [{**CARD, "generation": 0.5}], "rates.0.generation"),
        ("rates", [{**CARD, "generation": "5"}], "rates.0.generation"),
        ("rates", [{**CARD, "extra": 1}], "rates.0.extra"),
        ("rates", [{"trainingRun": 1}], "rates.0"),
        ("rates", "none", "rates"),
        ("textDigest", bytes(32), "text"),
        ("textDigest", TEXT[1:], "text"),
        ("textDigest", "0x" + "0g" * 32, "text"),
        ("price", 1, "price"),
    ],
)
def test_malformed_terms_are_refused_by_field(field: str, value: Any, names: str) -> None:
    with pytest.raises(InputError) as refused:
        terms_with(Tier.ANALYSIS, **{field: value})
    assert (refused.value.field or "").startswith(names)
    assert refused.value.reason


@pytest.mark.parametrize("flag", [Flag.GRANT_APPROVAL, Flag.MODEL_BOUND])
def test_flags_about_grants_need_grant_required(flag: Flag) -> None:
    with pytest.raises(InputError, match="GRANT_REQUIRED"):
        terms_with(Tier.VOICE, flags=int(flag))
    assert terms_with(Tier.VOICE, flags=int(flag | Flag.GRANT_REQUIRED)).has(flag)


@pytest.mark.parametrize("days", [365, 1_096])
@pytest.mark.parametrize("cap", [0, 10_000])
def test_the_limits_themselves_are_valid(days: int, cap: int) -> None:
    terms = terms_with(Tier.STYLE, termDays=days, influenceCapBps=cap)
    assert terms.term_seconds == days * 86_400


def test_no_tiers_are_a_valid_statement() -> None:
    terms = terms_with()
    assert terms.rates == ()
    assert not any(terms.offers(tier) for tier in Tier)


def test_each_tier_has_its_own_card() -> None:
    cards = {
        Tier.STEMS: RateCard(training_run=5, generation=6, playback=7, grant_fee=8),
        Tier.TRAINING: RateCard(training_run=1, generation=2, playback=NOT_OFFERED, grant_fee=4),
    }
    terms = terms_of_cards(cards, term_days=365, flags=Flag.COMMERCIAL, text_digest=TEXT)
    assert terms.tiers == 0b010010
    assert terms.card(Tier.STEMS) == cards[Tier.STEMS]
    assert [terms.rate(Tier.TRAINING, metric) for metric in Metric] == [1, 2, NOT_OFFERED]
    assert [terms.rate(5, metric) for metric in (1, 2, 3)] == [5, 6, 7]
    with pytest.raises(RefusedError, match="VOICE"):
        terms.rate(Tier.VOICE, Metric.GENERATION)
    with pytest.raises(InputError, match="no metric"):
        terms.rate(Tier.STEMS, 4)


BASE = terms_with(Tier.ANALYSIS, Tier.TRAINING)


@pytest.mark.parametrize(
    ("later", "adds"),
    [
        (BASE, False),
        (terms_with(Tier.ANALYSIS, Tier.TRAINING, Tier.VOICE), True),
        (terms_with(*Tier), True),
        (terms_with(Tier.ANALYSIS), False),
        (terms_with(Tier.STYLE, Tier.STEMS, Tier.VOICE), False),
        (terms_with(Tier.ANALYSIS, Tier.TRAINING, Tier.VOICE, generation=1), False),
        (terms_with(*Tier, termDays=366), False),
        (terms_with(*Tier, flags=1), False),
        (terms_with(*Tier, influenceCapBps=9_999), False),
        (terms_with(*Tier, textDigest=TEXT[::-1]), False),
    ],
)
def test_only_an_addition_of_tiers_that_changes_nothing_else_counts(
    later: Terms, adds: bool
) -> None:
    assert later.only_adds_tiers_to(BASE) is adds


@pytest.mark.parametrize(
    ("later", "milder"),
    [
        (BASE, True),
        (terms_with(*Tier), True),
        (terms_with(Tier.ANALYSIS), False),
        (terms_with(Tier.STYLE, Tier.STEMS, Tier.VOICE), False),
        (terms_with(Tier.ANALYSIS, Tier.TRAINING, generation=1), True),
        (terms_with(Tier.ANALYSIS, Tier.TRAINING, generation=20_001), False),
        (terms_with(*Tier, termDays=366), False),
        (terms_with(*Tier, flags=1), False),
        (terms_with(*Tier, influenceCapBps=9_999), False),
        (terms_with(*Tier, textDigest=TEXT[::-1]), False),
    ],
)
def test_milder_terms_take_nothing_away_and_cost_no_more(later: Terms, milder: bool) -> None:
    assert later.is_milder_than(BASE) is milder


def test_no_price_of_milder_terms_is_higher_and_of_dearer_ones_any_may_be() -> None:
    names = ("training_run", "generation", "playback", "grant_fee")
    base = RateCard(training_run=5, generation=5, playback=5, grant_fee=5)
    assert base.at_most(base)
    for name in names:
        assert base.model_copy(update={name: 4}).at_most(base)
        assert not base.model_copy(
            update={name: 6, names[0]: 6 if name == names[0] else 0}
        ).at_most(base)
        assert not base.model_copy(update={name: NOT_OFFERED}).at_most(base)


def test_a_tier_put_before_others_keeps_their_cards() -> None:
    one = RateCard(training_run=1, generation=1, playback=1, grant_fee=1)
    two = RateCard(training_run=2, generation=2, playback=2, grant_fee=2)

    def terms(cards: dict[Tier, RateCard]) -> Terms:
        return terms_of_cards(cards, term_days=365, flags=Flag(0), text_digest=TEXT)

    before = terms({Tier.STYLE: one})
    assert terms({Tier.ANALYSIS: two, Tier.STYLE: one}).only_adds_tiers_to(before)
    assert not terms({Tier.ANALYSIS: one, Tier.STYLE: two}).only_adds_tiers_to(before)


def test_masks_and_tiers_are_two_ways_to_say_one_thing() -> None:
    for mask in range(ALL_TIERS + 1):
        assert tiers_mask(tiers_of(mask)) == mask
    for wrong in (-1, 64, True, 1.0):
        with pytest.raises(InputError):
            tiers_of(wrong)  # type: ignore[arg-type]


def test_terms_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        BASE.flags = 1  # type: ignore[misc]
    assert isinstance(BASE.rates, tuple)
