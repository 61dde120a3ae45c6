"""What somebody is about to sign, in plain words: what is granted, at what price, until when, who is paid.

Pure. Every number comes from the terms and the split that the message binds by their digests.
"""

from __future__ import annotations

from collections.abc import Sequence

from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import (
    TIER_MEANINGS,
    condition_sentences,
    dollars,
    price,
    role_word,
    tier_title,
)
from obbligato.protocol.constants import PPM, Tier, tiers_of
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.schemas.backend import AllowedUse, PaidTo, Preview
from obbligato.times import moment_text


def allowed_uses(terms: Terms) -> list[AllowedUse]:
    """Every tier that is opted in to, with its prices."""
    cards = zip(tiers_of(terms.tiers), terms.rates, strict=True)
    return [
        AllowedUse(
            tier=tier_title(tier),
            meaning=TIER_MEANINGS[tier],
            prices=[
                f"each training run: {price(card.training_run)}",
                f"each generation: {price(card.generation)}",
                f"each playback: {price(card.playback)}",
                *([f"once, for a grant: {dollars(card.grant_fee)}"] if card.grant_fee else []),
            ],
        )
        for tier, card in cards
    ]


def refused_uses(terms: Terms) -> list[str]:
    """Every tier that is not opted in to."""
    return [tier_title(tier) for tier in Tier if not terms.offers(tier)]


def paid_to(split: Split) -> list[PaidTo]:
    """The payees of a split, as a preview lists them."""
    return [
        PaidTo(
            account=payee.account,
            share_ppm=payee.share,
            percent=percent(payee.share),
            role=role_word(payee.role),
        )
        for payee in split.payees
    ]


def percent(share_ppm: int) -> str:
    """Parts per million as `33.3333 %`."""
    units, rest = divmod(share_ppm * 100, PPM)
    digits = f"{rest:06d}".rstrip("0")
    return f"{units}.{digits} %" if digits else f"{units} %"


def offer_sentences(terms: Terms) -> list[str]:
    """What is allowed, at what price, what is not, and under which conditions."""
    allowed = allowed_uses(terms)
    refused = refused_uses(terms)
    lines = [f"Allowed: {use.tier} ({use.meaning}); {', '.join(use.prices)}." for use in allowed]
    if not allowed:
        return ["No use by AI is allowed."]
    if refused:
        lines.append(f"Not allowed: {', '.join(refused)}.")
    return [*lines, *condition_sentences(terms)[:-1]]


def payee_sentence(split: Split) -> str:
    """Who is paid, as one sentence."""
    parts = [f"{each.percent} to {each.account} ({each.role})" for each in paid_to(split)]
    return f"What it earns is paid: {'; '.join(parts)}."


def renewal_sentence(terms: Terms) -> str:
    """How long the licence lasts, as one sentence."""
    return (
        f"It is in force as soon as it is on the chain, and renews every {terms.term_days} days until you "
        "revoke it. After a revocation use stays allowed until the running term ends, and not after."
    )


def mint_preview(title: str, artists: Sequence[str], terms: Terms, split: Split) -> Preview:
    """The preview of a mint."""
    what = f"“{title}” by {', '.join(artists)}"
    return Preview(
        title=f"License {what}",
        sentences=[
            f"You state on the public chain what AI may do with {what}.",
            *offer_sentences(terms),
            renewal_sentence(terms),
            payee_sentence(split),
            "Nobody's share can be made smaller later without that payee's signature.",
        ],
        allows=allowed_uses(terms),
        refuses=refused_uses(terms),
        conditions=list(condition_sentences(terms)),
        paid_to=paid_to(split),
        until=renewal_sentence(terms),
        legal_text=cid_from_digest(terms.text_digest),
    )


def amend_preview(name: str, before: Terms, after: Terms, starts: int | None) -> Preview:
    """The preview of an amendment; `starts` is None where it counts at once."""
    changed = [*_changes(before, after)]
    when = (
        "It counts at once."
        if starts is None
        else f"It counts from {moment_text(starts)}, when the running term ends. Until then everything stays as it is."
    )
    return Preview(
        title=f"Change {name}",
        sentences=[
            *(changed or ["Its terms stay as they are; its document changes."]),
            when,
            *offer_sentences(after),
        ],
        allows=allowed_uses(after),
        refuses=refused_uses(after),
        conditions=list(condition_sentences(after)),
        until=renewal_sentence(after),
        legal_text=cid_from_digest(after.text_digest),
    )


def split_preview(name: str, before: Split, after: Split, agreeing: Sequence[str]) -> Preview:
    """The preview of a split change; `agreeing` are the accounts that have to agree."""
    shares = {payee.account: payee.share for payee in before.payees}
    lines = []
    for payee in after.payees:
        had = shares.pop(payee.account, 0)
        if had != payee.share:
            lines.append(
                f"{payee.account}: {percent(had)} before, {percent(payee.share)} from then on."
            )
    lines += [
        f"{account}: {percent(had)} before, nothing from then on."
        for account, had in shares.items()
    ]
    agree = (
        f"These have to agree with their signatures, since their shares shrink: {', '.join(agreeing)}."
        if agreeing
        else "Nobody's share shrinks, so nobody else has to sign."
    )
    return Preview(
        title=f"Change who is paid for {name}",
        sentences=[
            *(lines or ["The shares stay as they are."]),
            "Use that was reported before is paid as it was.",
            agree,
        ],
        paid_to=paid_to(after),
    )


def _changes(before: Terms, after: Terms) -> list[str]:
    lines = []
    for tier in Tier:
        had, has = before.offers(tier), after.offers(tier)
        if has and not had:
            lines.append(f"{tier_title(tier)} becomes allowed ({TIER_MEANINGS[tier]}).")
        elif had and not has:
            lines.append(f"{tier_title(tier)} is no longer allowed.")
        elif had and before.card(tier) != after.card(tier):
            lines.append(f"The prices of {tier_title(tier)} change.")
    old, new = condition_sentences(before), condition_sentences(after)
    lines += [f"{now} (Before: {then})" for then, now in zip(old, new, strict=True) if then != now]
    return lines
