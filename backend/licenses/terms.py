"""Interned terms and splits, in numbers and in words."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from pydantic import Field
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Split, SplitPayee, Terms
from backend.db.prepared import Prepared
from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Cid,
    Hex32,
    Units,
    flag_names,
    role_name,
)
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.wording import (
    TIER_MEANINGS,
    card_sentence,
    condition_sentences,
    tier_title,
)
from obbligato.errors import NotFound
from obbligato.protocol import splits
from obbligato.protocol import terms as rules
from obbligato.protocol.constants import NOT_OFFERED, Role, Tier, tiers_of
from obbligato.schemas.terms import FlagName, RoleWord, TierName

_TERMS: Final = table_of(Terms)
_SPLITS: Final = table_of(Split)
_PAYEES: Final = table_of(SplitPayee)

_TERMS_BY_ID: Final = Prepared(
    select(_TERMS).where(_TERMS.c.terms_id.in_(bindparam("terms_ids", expanding=True)))
)
MOST_TERMS: Final = 2_048
"""Terms whose sentences are cached: most licences share a few."""

_SPLIT: Final = Prepared(select(_SPLITS).where(_SPLITS.c.split_id == bindparam("split_id")))
_PAYEES_OF: Final = Prepared(
    select(_PAYEES.c.account, _PAYEES.c.share_ppm, _PAYEES.c.role)
    .where(_PAYEES.c.split_id == bindparam("split_id"))
    .order_by(_PAYEES.c.account)
)


class TierPrices(AnswerModel):
    """What one tier costs: each price is for one whole unit at full influence, null where it is not offered."""

    tier: TierName
    meaning: str = Field(examples=[TIER_MEANINGS[Tier.GENERATIVE]])
    training_run_units: Units | None
    generation_units: Units | None
    playback_units: Units | None
    grant_fee_units: Units | None


class TermsAnswer(AnswerModel):
    """Terms in numbers and in words. Equal terms have one id."""

    terms_id: int = Field(examples=[1])
    digest: Hex32
    tiers: list[TierPrices]
    """Of the tiers that are opted in to; none: no use by AI is allowed."""
    term_days: int = Field(examples=[365])
    flags: list[FlagName]
    influence_cap_bps: int = Field(examples=[10_000])
    text_digest: Hex32
    text_cid: Cid
    """The legal text."""
    in_words: list[str]
    certainty: Certainty


class PayeeShare(AnswerModel):
    """One payee of a split."""

    account: Account
    share_ppm: int = Field(examples=[650_000], description="Parts per million.")
    role: RoleWord


class SplitAnswer(AnswerModel):
    """Who is paid, and in what share. Equal splits have one id."""

    split_id: int = Field(examples=[1])
    digest: Hex32
    payees: list[PayeeShare]
    received_units: Units
    """All that it ever received."""
    certainty: Certainty


def read_terms(session: Session, head: IndexHead, terms_id: int) -> TermsAnswer:
    """Raises NotFound."""
    row = _TERMS_BY_ID.first(session, terms_ids=[terms_id])
    if row is None:
        raise NotFound(f"no terms {terms_id}: ids count from 1")
    return terms_answer(row, head)


def read_split(session: Session, head: IndexHead, split_id: int) -> SplitAnswer:
    """Raises NotFound."""
    row = _SPLIT.first(session, split_id=split_id)
    if row is None:
        raise NotFound(f"no split {split_id}: ids count from 1")
    payees = _PAYEES_OF.all(session, split_id=split_id)
    return SplitAnswer(
        split_id=split_id,
        digest=row.digest,
        payees=[
            PayeeShare(account=payee.account, share_ppm=payee.share_ppm, role=role_name(payee.role))
            # In the contract's order: by the address as a number, whatever the case of its letters.
            for payee in sorted(payees, key=lambda payee: payee.account.lower())
        ],
        received_units=row.received_units,
        certainty=certainty(head, row.changed_in),
    )


def split_of(session: Session, split_id: int) -> splits.Split:
    """The split with this id, as the rules take it."""
    return splits.Split.of(
        [
            splits.Payee(account=row.account, share=row.share_ppm, role=Role(row.role))
            for row in _PAYEES_OF.all(session, split_id=split_id)
        ]
    )


def terms_rows(session: Session, terms_ids: Collection[int]) -> list[Any]:
    """The rows of these terms, in one query."""
    return _TERMS_BY_ID.all(session, terms_ids=sorted(set(terms_ids)))


def terms_of(row: Any) -> rules.Terms:
    """The terms of a row, as the rules take them."""
    return _terms(
        row.tiers,
        row.term_days,
        row.flags,
        row.influence_cap_bps,
        tuple(tuple(card.items()) for card in row.rates),
        row.text_digest,
    )


def terms_answer(row: Any, head: IndexHead) -> TermsAnswer:
    """What a row of terms says."""
    return _answer(row.terms_id, row.digest, terms_of(row), certainty(head, row.block_number))


@lru_cache(maxsize=MOST_TERMS)
def _terms(
    tiers: int,
    term_days: int,
    flags: int,
    influence_cap_bps: int,
    rates: tuple[tuple[tuple[str, int], ...], ...],
    text_digest: bytes,
) -> rules.Terms:
    return rules.Terms(
        tiers=tiers,
        term_days=term_days,
        flags=flags,
        influence_cap_bps=influence_cap_bps,
        rates=tuple(rules.RateCard(**dict(card)) for card in rates),
        text_digest=text_digest,
    )


@lru_cache(maxsize=MOST_TERMS)
def _answer(terms_id: int, digest: bytes, terms: rules.Terms, certain: Certainty) -> TermsAnswer:
    cards = list(zip(tiers_of(terms.tiers), terms.rates, strict=True))
    return TermsAnswer(
        terms_id=terms_id,
        digest=digest,
        tiers=[tier_prices(tier, card) for tier, card in cards],
        term_days=terms.term_days,
        flags=flag_names(terms.flags),
        influence_cap_bps=terms.influence_cap_bps,
        text_digest=terms.text_digest,
        text_cid=cid_from_digest(terms.text_digest),
        in_words=[
            *(
                f"{tier_title(tier)}: {TIER_MEANINGS[tier]}. {card_sentence(card)}."
                for tier, card in cards
            ),
            *([] if cards else ["No use by AI is allowed."]),
            *condition_sentences(terms),
        ],
        certainty=certain,
    )


def tier_prices(tier: Tier, card: rules.RateCard) -> TierPrices:
    """The prices of one tier."""
    return TierPrices(
        tier=tier.name,
        meaning=TIER_MEANINGS[tier],
        training_run_units=_price(card.training_run),
        generation_units=_price(card.generation),
        playback_units=_price(card.playback),
        grant_fee_units=_price(card.grant_fee),
    )


def _price(rate: int) -> int | None:
    return None if rate == NOT_OFFERED else rate
