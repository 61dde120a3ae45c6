"""The template agreement of a licence, in plain language, filled from its terms.

Terms carry the digest of this text, so the text is made from other fields of the terms: the term,
the flags and the influence cap. Tiers and prices stay outside it and are referred to, because an
amendment that only adds tiers takes effect at once as long as the digest stays the same. It names
neither recording nor parties: many licences share one text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obbligato.documents.canonical import sha256
from obbligato.errors import DigestMismatch
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    NOT_OFFERED,
    Flag,
    Role,
    Tier,
    tiers_of,
)
from obbligato.protocol.terms import RateCard, Terms, terms_of_cards

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
    whole_dollars, millionths = divmod(units, _UNITS_IN_DOLLAR)
    cents = f"{millionths:06d}".rstrip("0").ljust(2, "0")
    return f"{whole_dollars}.{cents} dollars"


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


_UNKNOWN_DIGEST = b"\x01" * 32  # stands in until the text, which does not read it, is made

_TEMPLATE = """\
LICENCE OF A RECORDING FOR USE BY ARTIFICIAL INTELLIGENCE
Template agreement of Obbligato, edition 1

This is a template. It is not legal advice. Have it checked for your country before you rely on it.

1. Who agrees
The licensor is whoever holds the licence token. The licensee is a platform registered with the
protocol. The recording is the one that the document of the licence token names by its content hash.

2. What is allowed
There are six purposes:
{purposes}
The licensor opts in to each by itself. Those opted in to are recorded with their prices in the
terms of the licence on the chain, and the document of the licence repeats them. Every purpose that
is not recorded there is refused. Nothing else is granted: no ownership, no copyright, no right to
pass the licence on.

3. Prices
Prices are in the dollar token of the deployment, for one whole unit of use at full influence. Use
at less than full influence is counted in millionths of a unit and priced in proportion, rounded
down to a millionth of a dollar for each row of a report. What is not offered is not sold by the
meter.

4. Conditions
{conditions}

5. Time
Terms run from the moment they are recorded on the chain. The licensor may revoke: use is then
allowed until the running term ends, and not after. The licensor may amend: a change counts from the
next term, except that further purposes may be allowed at once. Use that was allowed when it
happened stays allowed and paid for.

6. Reports and payment
The licensee reports all use for every period, and says so when there was none. It pays from money
deposited beforehand. The prices are those in force at the first moment of the period at which the
purpose was allowed. What is paid is divided among the payees recorded for the licence.

7. Disagreement
A reported quantity may be challenged as the protocol provides. The arbiter named by the deployment
rules on quantities only. This agreement does not keep anybody from going to court.

8. Promises
The licensor promises to hold the rights that are licensed here. The licensee promises to report
completely and truthfully and to keep the evidence of its reports.

9. What the law of your country decides
Liability, taxes, the governing law and the rights of authors and performers that cannot be given
away are not settled by this template.
"""


def legal_text(terms: Terms) -> bytes:
    """The UTF-8 bytes of the agreement for these terms; tiers, rates and digest are not read."""
    return _TEMPLATE.format(
        purposes="\n".join(
            f"- {tier.value} {tier_title(tier)}: {TIER_MEANINGS[tier]}." for tier in Tier
        ),
        conditions="\n".join(f"- {sentence}" for sentence in condition_sentences(terms)),
    ).encode("utf-8")


def terms_with_legal_text(
    cards: Mapping[Tier, RateCard],
    *,
    term_days: int,
    flags: Flag,
    influence_cap_bps: int = MAX_INFLUENCE_CAP_BPS,
) -> Terms:
    """Terms from one rate card per opted-in tier, with the digest of their template agreement.

    Raises InputError as `Terms` does.
    """
    without_text = terms_of_cards(
        dict(cards),
        term_days=term_days,
        flags=flags,
        influence_cap_bps=influence_cap_bps,
        text_digest=_UNKNOWN_DIGEST,
    )
    return without_text.model_copy(update={"text_digest": sha256(legal_text(without_text))})


def check_legal_text(terms: Terms, text: bytes) -> bytes:
    """`text`, once it is certain that it is the one the terms promise. Raises DigestMismatch."""
    digest = sha256(text)
    if digest != terms.text_digest:
        raise DigestMismatch("legal text", expected=terms.text_digest, found=digest)
    return text
