"""Grants, what platforms asked for, and who acts for an owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.http.caching import IndexRoute
from backend.http.deps import HeadDep, IdPath, IndexDep, MomentQuery
from backend.http.names import TierName
from backend.http.schemas import Page, problems
from backend.licenses.consent import (
    ConsentAnswer,
    ConsentHistory,
    read_consent,
    read_consent_history,
)
from backend.licenses.consent_checks import ConsentAnswers, ConsentQuestions, check_uses
from backend.licenses.grants import (
    GrantAnswer,
    GrantQuery,
    GrantRequestAnswer,
    GrantRequestQuery,
    OperatorAnswer,
    OperatorQuery,
    list_grant_requests,
    list_grants,
    list_operators,
)
from obbligato.protocol.constants import Tier

consent_index = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)
checks = APIRouter(prefix="/v1", tags=["licenses"])


@consent_index.get(
    "/licenses/{license_id}/consent",
    operation_id="get_consent",
    responses=problems(404, 422),
)
def consent(
    session: IndexDep,
    head: HeadDep,
    license_id: IdPath,
    tier: TierName | None = None,
    at: MomentQuery = None,
) -> ConsentAnswer:
    """Say what a licence allows at a moment.

    Of one tier, or of all six. An answer about a moment that is over never changes.
    """
    tiers = list(Tier) if tier is None else [Tier[tier]]
    return read_consent(session, head, license_id, tiers=tiers, at=at)


@consent_index.get(
    "/licenses/{license_id}/consent/history",
    operation_id="get_consent_history",
    responses=problems(404, 422),
)
def consent_history(session: IndexDep, head: HeadDep, license_id: IdPath) -> ConsentHistory:
    """Say when there was consent to each tier."""
    return read_consent_history(session, head, license_id)


@checks.post(
    "/consent-checks",
    operation_id="check_consent",
    responses=problems(422),
)
def check(session: IndexDep, head: HeadDep, asked: ConsentQuestions) -> ConsentAnswers:
    """Check consent for up to 1 000 uses.

    Each names a recording by licence, ISRC or content hash. Where several licences claim one, the one in force that
    was minted first is used and the others are shown as rivals. Whatever is not a plain yes is a no, with its reason.
    """
    return check_uses(session, head, asked)


grants_router = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)


@grants_router.get(
    "/grants",
    operation_id="list_grants",
    responses=problems(422),
)
def grants(
    session: IndexDep, head: HeadDep, query: Annotated[GrantQuery, Query()]
) -> Page[GrantAnswer]:
    """List grants, newest first."""
    return list_grants(session, head, query)


@grants_router.get(
    "/grant-requests",
    operation_id="list_grant_requests",
    responses=problems(422),
)
def grant_requests(
    session: IndexDep, head: HeadDep, query: Annotated[GrantRequestQuery, Query()]
) -> Page[GrantRequestAnswer]:
    """List what platforms asked licensors for, newest first.

    `owner` gives those that somebody is to answer.
    """
    return list_grant_requests(session, head, query)


@grants_router.get(
    "/operators",
    operation_id="list_operators",
    responses=problems(422),
)
def operators(
    session: IndexDep, head: HeadDep, query: Annotated[OperatorQuery, Query()]
) -> Page[OperatorAnswer]:
    """List who acts for which owner, those who no longer do included."""
    return list_operators(session, head, query)
