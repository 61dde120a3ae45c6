"""Terms as people write them: the client and the service read the same numbers out of the same words."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.documents.presets import PRESETS, Preset
from obbligato.documents.terms_input import scope_for, terms_from, terms_json
from obbligato.errors import InputError
from obbligato.protocol.constants import NOT_OFFERED, Tier
from obbligato.protocol.terms import Terms
from obbligato.schemas.terms import TermsInput

GIVEN: list[dict[str, Any]] = [
    *({"preset": preset.name} for preset in PRESETS),
    {},
    {"tiers": {"GENERATIVE": {"generation_units": "2400", "playback_units": 40}}},
    {"preset": "everything", "tiers": {"VOICE": None, "STYLE": {"generation_units": 1}}},
    {"preset": "no-ai", "term_days": 400, "flags": ["COMMERCIAL"], "influence_cap_bps": 100},
    {
        "tiers": {"STYLE": {"grant_fee_units": "25000000", "training_run_units": None}},
        "flags": ["GRANT_REQUIRED", "GRANT_APPROVAL", "MODEL_BOUND"],
        "term_days": 1_096,
    },
]


@pytest.mark.parametrize("given", GIVEN)
def test_client_and_service_agree_on_every_way_of_writing_terms(given: dict[str, Any]) -> None:
    due = TermsInput.model_validate(given).terms()
    terms = terms_from(given)
    assert terms == due
    # And so they do when the client asks by numbers alone.
    assert TermsInput.model_validate(terms_json(terms)).terms() == due


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_client_asks_for_the_scope_that_a_preset_needs(preset: Preset) -> None:
    assert scope_for(terms_from({"preset": preset.name})) == preset.scope


def test_a_price_that_is_left_out_is_not_offered() -> None:
    terms = terms_from({"tiers": {"STYLE": {"generation_units": "20000"}}})
    card = terms.card(Tier.STYLE)
    assert (card.training_run, card.generation, card.playback, card.grant_fee) == (
        NOT_OFFERED,
        20_000,
        NOT_OFFERED,
        0,
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"preset": "all"}, "preset"),
        ({"tier": {}}, None),
        ({"tiers": {"VOICES": {}}}, "tiers"),
        ({"tiers": {"VOICE": {"price": 1}}}, "tiers.VOICE"),
        ({"tiers": {"VOICE": {"playback_units": 0.5}}}, "tiers.VOICE.playback_units"),
        ({"tiers": {"VOICE": {"playback_units": "-1"}}}, "tiers.VOICE.playback_units"),
        ({"tiers": {"VOICE": {"playback_units": True}}}, "tiers.VOICE.playback_units"),
        ({"tiers": {"VOICE": {"playback_units": str(2**64 - 1)}}}, "tiers.VOICE.playback_units"),
        ({"flags": ["FREE"]}, "flags"),
        ({"flags": "POOL"}, "flags"),
        ({"term_days": "a year"}, "term_days"),
        ([], None),
    ],
)
def test_terms_that_cannot_be_read_name_what_is_wrong(given: Any, field: str | None) -> None:
    with pytest.raises(InputError) as raised:
        terms_from(given)
    assert raised.value.field == field


def test_terms_with_a_legal_text_of_their_own_are_not_asked_for() -> None:
    terms = terms_from({"preset": "no-ai"})
    other = Terms.read({**terms.model_dump(), "text_digest": b"\x01" * 32})
    with pytest.raises(InputError, match="a legal text of their own"):
        terms_json(other)
