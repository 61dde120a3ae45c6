"""Terms in plain words. Licence documents and the legal text say the same, from here.

The words belong to schema version 1 of the licence document and edition 1 of the legal text:
changing one changes digests, so a change of words is a new version.
"""

from __future__ import annotations

from typing import Final

from obbligato.rules.terms import RateCard, Terms
from obbligato.words import MAX_INFLUENCE_CAP_BPS, NOT_OFFERED, Flag, Role, Tier, tiers_of

TIER_MEANINGS: Final[dict[Tier, str]] = {
    Tier.ANALYSIS: "indexing, recommending and tagging; nothing is generated",
    Tier.TRAINING: "training models that generate nothing",
    Tier.GENERATIVE: "being part of the data of a generative model",
    Tier.STYLE: "fine-tuning or conditioning a model on this artist",
    Tier.STEMS: "segments of the recording may appear in outputs",
    Tier.VOICE: "a model of the voice or the likeness",
}

_UNITS_IN_DOLLAR = 1_000_000


def tier_title(tier: Tier) -> str:
    """`Generative`, as people read it."""
    return tier.name.capitalize()


def role_word(role: Role) -> str:
    """`session musician`, as split sheets and documents spell it."""
    return role.name.lower().replace("_", " ")


def dollars(units: int) -> str:
    """Money units (millionths of a dollar token) as `0.25 dollars`, every digit kept."""
    whole, millionths = divmod(units, _UNITS_IN_DOLLAR)
    cents = f"{millionths:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{cents} dollars"


def price(rate: int) -> str:
    """A rate as `free`, `not offered` or an amount."""
    if rate == NOT_OFFERED:
        return "not offered"
    return dollars(rate) if rate else "free"


def card_sentence(card: RateCard) -> str:
    """The prices of one tier; each is for one whole unit at full influence."""
    return (
        f"training run: {price(card.training_run)}; generation: {price(card.generation)}; "
        f"playback: {price(card.playback)}; grant: {price(card.grant_fee)}"
    )


def condition_sentences(terms: Terms) -> tuple[str, ...]:
    """Every condition of the terms, one sentence each, in a fixed order."""
    return (
        "Outputs must name the artists and the recording."
        if terms.has(Flag.ATTRIBUTION_REQUIRED)
        else "Outputs need not name the artists.",
        "Commercial use is allowed."
        if terms.has(Flag.COMMERCIAL)
        else "Only non-commercial use is allowed.",
        "Outputs may leave the platform that made them."
        if terms.has(Flag.EXPORT_ALLOWED)
        else "Outputs may not leave the platform that made them.",
        _grant_sentence(terms),
        "The licence takes part in pools; its prices are then the least it accepts."
        if terms.has(Flag.POOL)
        else "The licence takes no part in pools.",
        _influence_sentence(terms.influence_cap_bps),
        f"A term has {terms.term_days} days and renews by itself until it is revoked.",
    )


def description(title: str, artists: tuple[str, ...], terms: Terms) -> str:
    """What the licence says, in plain words, for the metadata of its token."""
    allowed = [
        f"Allowed: {tier_title(tier)} ({TIER_MEANINGS[tier]}). Prices: {card_sentence(card)}."
        for tier, card in zip(tiers_of(terms.tiers), terms.rates, strict=True)
    ]
    refused = [tier_title(tier) for tier in Tier if not terms.offers(tier)]
    lines = [f"What AI may do with “{title}” by {', '.join(artists)}."]
    lines += allowed or ["No use by AI is allowed."]
    if allowed and refused:
        lines.append(f"Not allowed: {', '.join(refused)}.")
    if allowed:
        lines += condition_sentences(terms)
    return "\n".join(lines)


def _grant_sentence(terms: Terms) -> str:
    if not terms.has(Flag.GRANT_REQUIRED):
        return "A platform needs no grant of its own."
    approved = " that the licensor signs" if terms.has(Flag.GRANT_APPROVAL) else ""
    bound = ", bound to one model" if terms.has(Flag.MODEL_BOUND) else ""
    return f"A platform needs a grant of its own{approved}{bound}."


def _influence_sentence(cap_bps: int) -> str:
    if cap_bps == MAX_INFLUENCE_CAP_BPS:
        return "The influence of the recording on outputs is not limited."
    percent, hundredths = divmod(cap_bps, 100)
    return (
        "The influence of the recording on the outputs of a period may reach at most "
        f"{percent}.{hundredths:02d} %."
    )
