"""Five offers in plain words. Prices are a beginning: everybody sets their own.

The client knows them itself: it asks for their numbers, never for their names, so that nobody else can say what a
name means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_INFLUENCE_CAP_BPS, NOT_OFFERED, Flag, Tier
from obbligato.protocol.terms import RateCard


@dataclass(frozen=True, slots=True)
class Preset:
    """An offer to begin with: tiers and prices, term, conditions."""

    name: str
    title: str
    words: str
    cards: dict[Tier, RateCard]
    term_days: int
    flags: Flag
    influence_cap_bps: int = MAX_INFLUENCE_CAP_BPS

    @property
    def scope(self) -> tuple[str, ...]:
        """What of the recording the offer covers, as documents spell it."""
        parts = ["recording"]
        if Tier.STEMS in self.cards:
            parts.append("stems")
        if Tier.VOICE in self.cards:
            parts.append("voice")
        return tuple(parts)


_ANALYSIS = RateCard(training_run=250_000, generation=NOT_OFFERED, playback=3, grant_fee=0)
_TRAINING = RateCard(training_run=2_000_000, generation=NOT_OFFERED, playback=1, grant_fee=0)
_GENERATIVE = RateCard(training_run=5_000_000, generation=2_400, playback=40, grant_fee=0)
_STYLE = RateCard(training_run=20_000_000, generation=20_000, playback=150, grant_fee=25_000_000)
_STEMS = RateCard(training_run=9_000_000, generation=6_500, playback=90, grant_fee=0)
_VOICE = RateCard(training_run=50_000_000, generation=60_000, playback=400, grant_fee=100_000_000)

_SHARED = Flag.ATTRIBUTION_REQUIRED | Flag.COMMERCIAL | Flag.EXPORT_ALLOWED | Flag.POOL

PRESETS: Final[tuple[Preset, ...]] = (
    Preset(
        name="no-ai",
        title="No AI",
        words="No use by AI at all. The statement is on the chain for everybody to see.",
        cards={},
        term_days=1_096,
        flags=Flag(0),
    ),
    Preset(
        name="analysis-only",
        title="Analysis only",
        words="Services may index, recommend and tag the recording. Nothing may be generated from it.",
        cards={Tier.ANALYSIS: _ANALYSIS},
        term_days=365,
        flags=Flag.COMMERCIAL,
    ),
    Preset(
        name="train-dont-imitate",
        title="Train, don't imitate",
        words="Models may learn from the recording among many others. Nobody may imitate you, use parts of the "
        "recording or your voice.",
        cards={Tier.ANALYSIS: _ANALYSIS, Tier.TRAINING: _TRAINING, Tier.GENERATIVE: _GENERATIVE},
        term_days=365,
        flags=_SHARED,
        influence_cap_bps=2_500,
    ),
    Preset(
        name="everything-but-my-voice",
        title="Everything but my voice",
        words="Models may learn from you, imitate your style and use parts of the recording. Your voice stays yours.",
        cards={
            Tier.ANALYSIS: _ANALYSIS,
            Tier.TRAINING: _TRAINING,
            Tier.GENERATIVE: _GENERATIVE,
            Tier.STYLE: _STYLE,
            Tier.STEMS: _STEMS,
        },
        term_days=365,
        flags=_SHARED,
    ),
    Preset(
        name="everything",
        title="Everything",
        words="Every use is allowed, your voice and likeness included, each at its price.",
        cards={
            Tier.ANALYSIS: _ANALYSIS,
            Tier.TRAINING: _TRAINING,
            Tier.GENERATIVE: _GENERATIVE,
            Tier.STYLE: _STYLE,
            Tier.STEMS: _STEMS,
            Tier.VOICE: _VOICE,
        },
        term_days=365,
        flags=_SHARED,
    ),
)


def preset_named(name: str) -> Preset:
    """A preset by its name. Raises InputError."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise InputError(
        f"{name!r} is no preset: use {', '.join(preset.name for preset in PRESETS)}", field="preset"
    )
