"""Consent: of one licence at a moment and through time, and for many uses at once."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.answers import problems
from backend.api.caching import IndexRoute
from backend.api.context import IndexDep, TipDep
from backend.api.questions import IdPath, MomentQuery
from backend.reading.consent_checks import ConsentAnswers, ConsentQuestions, check_uses
from backend.reading.consents import (
    ConsentAnswer,
    ConsentHistory,
    read_consent,
    read_consent_history,
)
from backend.reading.words import TierName
from obbligato.words import Tier

index = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)
checks = APIRouter(prefix="/v1", tags=["licenses"])


@index.get(
    "/licenses/{license_id}/consent",
    operation_id="get_consent",
    response_model=ConsentAnswer,
    responses=problems(404, 422),
)
def consent(
    session: IndexDep,
    tip: TipDep,
    license_id: IdPath,
    tier: TierName | None = None,
    at: MomentQuery = None,
) -> ConsentAnswer:
    """Say what a licence allows at a moment.

    Of one tier, or of all six. An answer about a moment that is over never changes.
    """
    tiers = list(Tier) if tier is None else [Tier[tier]]
    return read_consent(session, tip, license_id, tiers=tiers, at=at)


@index.get(
    "/licenses/{license_id}/consent/history",
    operation_id="get_consent_history",
    response_model=ConsentHistory,
    responses=problems(404, 422),
)
def consent_history(session: IndexDep, tip: TipDep, license_id: IdPath) -> ConsentHistory:
    """Say when there was consent to each tier."""
    return read_consent_history(session, tip, license_id)


@checks.post(
    "/consent-checks",
    operation_id="check_consent",
    response_model=ConsentAnswers,
    responses=problems(422),
)
def check(session: IndexDep, tip: TipDep, asked: ConsentQuestions) -> ConsentAnswers:
    """Check consent for up to 1 000 uses.

    Each names a recording by licence, ISRC or content hash. Where several licences claim one, the one in force that
    was minted first is used and the others are shown as rivals. Whatever is not a plain yes is a no, with its reason.
    """
    return check_uses(session, tip, asked)


router = APIRouter()
router.include_router(index)
router.include_router(checks)
