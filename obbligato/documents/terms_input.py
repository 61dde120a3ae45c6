"""Terms as people write them down: a preset and what differs from it, or every price by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from obbligato.documents.presets import preset_named
from obbligato.documents.wording import terms_with_legal_text
from obbligato.errors import InputError
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    Flag,
    Tier,
    tiers_of,
)
from obbligato.protocol.terms import RateCard, Terms

MEMBERS: Final = ("preset", "tiers", "term_days", "flags", "influence_cap_bps")
PRICES: Final = {
    "training_run_units": "training_run",
    "generation_units": "generation",
    "playback_units": "playback",
    "grant_fee_units": "grant_fee",
}
"""By the name in JSON, the field of the rate card."""


def terms_from(data: object) -> Terms:
    """Terms of plain JSON: `preset`, `tiers`, `term_days`, `flags`, `influence_cap_bps`; all of them optional.

    `tiers` holds prices by name of the tier, in millionths of a dollar, numbers or digits; a price that is left
    out or null is not offered. With a preset it replaces the tiers that it names, null takes one out. The digest
    of the legal text comes with them. Raises InputError naming the member.
    """
    members = _members(data, MEMBERS, None)
    preset = None if members.get("preset") is None else preset_named(str(members["preset"]))
    cards = dict(preset.cards) if preset else {}
    for name, prices in _members(members.get("tiers") or {}, Tier.__members__, "tiers").items():
        if prices is None:
            cards.pop(Tier[name], None)
        else:
            cards[Tier[name]] = _card(prices, f"tiers.{name}")
    flags = preset.flags if preset else Flag(0)
    if members.get("flags") is not None:
        flags = flags_named(members["flags"])
    days = _number(members, "term_days", preset.term_days if preset else MIN_TERM_DAYS)
    cap = _number(
        members, "influence_cap_bps", preset.influence_cap_bps if preset else MAX_INFLUENCE_CAP_BPS
    )
    return terms_with_legal_text(cards, term_days=days, flags=flags, influence_cap_bps=cap)


def terms_json(terms: Terms) -> dict[str, Any]:
    """Terms as the backend takes them, number for number.

    Raises InputError where their legal text is not the template: the backend makes no other.
    """
    cards = dict(zip(tiers_of(terms.tiers), terms.rates, strict=True))
    flags = [flag for flag in Flag if terms.has(flag)]
    again = terms_with_legal_text(
        cards,
        term_days=terms.term_days,
        flags=Flag(terms.flags),
        influence_cap_bps=terms.influence_cap_bps,
    )
    if again != terms:
        raise InputError(
            "have a legal text of their own: give the terms that you want from now on",
            field="terms",
        )
    return {
        "tiers": {
            tier.name: {
                name: None if rate == NOT_OFFERED and field != "grant_fee" else str(rate)
                for name, field in PRICES.items()
                for rate in [getattr(card, field)]
            }
            for tier, card in cards.items()
        },
        "term_days": terms.term_days,
        "flags": [str(flag.name) for flag in flags],
        "influence_cap_bps": terms.influence_cap_bps,
    }


def scope_for(terms: Terms) -> tuple[str, ...]:
    """What of a recording these terms cover, as documents spell it."""
    parts = ["recording"]
    if terms.offers(Tier.STEMS):
        parts.append("stems")
    if terms.offers(Tier.VOICE):
        parts.append("voice")
    return tuple(parts)


def flags_named(names: object) -> Flag:
    """Flags by their names. Raises InputError."""
    if not isinstance(names, list | tuple):
        raise InputError("is no list: give the names of flags", field="flags")
    flags = Flag(0)
    for name in names:
        if name not in Flag.__members__:
            raise InputError(
                f"{name!r} is no flag: use {', '.join(Flag.__members__)}", field="flags"
            )
        flags |= Flag[name]
    return flags


def _card(prices: object, field: str) -> RateCard:
    members = _members(prices, PRICES, field)
    rates = {
        PRICES[name]: _number(members, name, 0 if name == "grant_fee_units" else NOT_OFFERED, field)
        for name in PRICES
    }
    return RateCard(**rates)


def _members(data: object, known: Iterable[str], field: str | None) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InputError(f"give an object with {', '.join(known)}", field=field)
    unknown = sorted(str(name) for name in data if name not in set(known))
    if unknown:
        raise InputError(f"{unknown[0]!r} is not known here: use {', '.join(known)}", field=field)
    return data


def _number(members: Mapping[str, Any], name: str, default: int, where: str | None = None) -> int:
    value = members.get(name)
    if value is None:
        return default
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20
    number = int(value) if digits else value
    if type(number) is not int or not 0 <= number < NOT_OFFERED:
        raise InputError(
            f"{value!r} is not a whole number: give millionths of a dollar as digits"
            if name in PRICES
            else f"{value!r} is not a whole number",
            field=f"{where}.{name}" if where else name,
        )
    return number
