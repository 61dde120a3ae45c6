"""Consent of one licence: at a moment, and through time. Source: docs/rules.md, "Licences in time"."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy.orm import Session

from backend.db.head import IndexHead
from backend.http.names import LicenseState, TierName, license_state
from backend.http.schemas import AnswerModel, Certainty, Seconds
from backend.licenses.history import KnownLicense, read_history
from backend.licenses.terms import TierPrices, tier_prices
from obbligato.consent.checks import why_not
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.history import LicenseHistory


class TierConsent(AnswerModel):
    """Whether one tier may be used at a moment, and why."""

    tier: TierName
    allowed: bool
    """The licence consents to it. Where `needs_grant`, a platform needs a grant as well."""
    needs_grant: bool
    reason: str = Field(examples=["by terms 1"])
    prices: TierPrices | None
    """By the terms in force; null without consent."""


class ConsentAnswer(AnswerModel):
    """What a licence allows at a moment."""

    license_id: int
    at: Seconds
    moment_is_over: bool
    """Nothing that happens later changes the answer; only a reorg could, until it is final."""
    state: LicenseState
    terms_id: int | None
    tiers: list[TierConsent]
    certainty: Certainty


class ConsentInterval(AnswerModel):
    """Consent by the same terms from `start` until before `end`."""

    start: Seconds
    end: Seconds | None
    """Null: until something changes."""
    terms_id: int


class TierHistory(AnswerModel):
    """When there was, is and will be consent to one tier, as far as it is decided."""

    tier: TierName
    intervals: list[ConsentInterval]


class ConsentHistory(AnswerModel):
    """Consent of a licence through time, for every tier."""

    license_id: int
    tiers: list[TierHistory]
    certainty: Certainty


def read_consent(
    session: Session, head: IndexHead, license_id: int, *, tiers: Sequence[Tier], at: int | None
) -> ConsentAnswer:
    """What a licence allows of some tiers at a moment (default: the head's). Raises NotFound."""
    moment = head.head_time if at is None else at
    known = read_history(session, head, license_id)
    history = known.history
    version = history.version_at(moment)
    return ConsentAnswer(
        license_id=license_id,
        at=moment,
        moment_is_over=moment < head.head_time,
        state=license_state(history.minted_at, history.ends_at, moment),
        terms_id=None if version is None else version.terms_id,
        tiers=[tier_consent(history, tier, moment) for tier in tiers],
        certainty=known.certainty,
    )


def read_consent_history(session: Session, head: IndexHead, license_id: int) -> ConsentHistory:
    """Raises NotFound."""
    known = read_history(session, head, license_id)
    return ConsentHistory(
        license_id=license_id,
        tiers=[TierHistory(tier=tier.name, intervals=_intervals(known, tier)) for tier in Tier],
        certainty=known.certainty,
    )


def tier_consent(history: LicenseHistory, tier: Tier, at: int) -> TierConsent:
    """Whether and by what a tier may be used at a moment."""
    version = history.version_at(at)
    if version is None or not version.terms.offers(tier):
        reason = why_not(history, tier, at)
        return TierConsent(
            tier=tier.name, allowed=False, needs_grant=False, reason=reason, prices=None
        )
    needs_grant = version.terms.has(Flag.GRANT_REQUIRED)
    return TierConsent(
        tier=tier.name,
        allowed=True,
        needs_grant=needs_grant,
        reason=f"by terms {version.terms_id}" + (", with a grant" if needs_grant else ""),
        prices=tier_prices(tier, version.terms.card(tier)),
    )


def _intervals(known: KnownLicense, tier: Tier) -> list[ConsentInterval]:
    """Not empty, in order; what touches and has the same terms is one."""
    history = known.history
    ends = [version.start for version in history.versions[1:]] + [history.ends_at]
    found: list[ConsentInterval] = []
    for version, end in zip(history.versions, ends, strict=True):
        if history.ends_at is not None:
            end = history.ends_at if end is None else min(end, history.ends_at)
        if not version.terms.offers(tier) or (end is not None and end <= version.start):
            continue
        start = version.start
        if found and found[-1].end == start and found[-1].terms_id == version.terms_id:
            start = found.pop().start
        found.append(ConsentInterval(start=start, end=end, terms_id=version.terms_id))
    return found
