"""Challenges of rows, and rival claims to recordings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.disputes.queries import (
    ChallengeAnswer,
    ChallengeQuery,
    RivalClaimAnswer,
    RivalClaimQuery,
    list_challenges,
    list_rival_claims,
    read_challenge,
)
from backend.http.caching import IndexRoute
from backend.http.deps import HeadDep, IdPath, IndexDep
from backend.http.schemas import Page, problems

router = APIRouter(prefix="/v1", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "/challenges",
    operation_id="list_challenges",
    responses=problems(422),
)
def challenges(
    session: IndexDep, head: HeadDep, query: Annotated[ChallengeQuery, Query()]
) -> Page[ChallengeAnswer]:
    """List challenges of rows, newest first."""
    return list_challenges(session, head, query)


@router.get(
    "/challenges/{challenge_id}",
    operation_id="get_challenge",
    responses=problems(404, 422),
)
def challenge(session: IndexDep, head: HeadDep, challenge_id: IdPath) -> ChallengeAnswer:
    """Get a challenge and what became of it."""
    return read_challenge(session, head, challenge_id)


@router.get(
    "/rival-claims",
    operation_id="list_rival_claims",
    responses=problems(422),
)
def rival_claims(
    session: IndexDep, head: HeadDep, query: Annotated[RivalClaimQuery, Query()]
) -> Page[RivalClaimAnswer]:
    """List bonded claims that a licence is somebody else's recording, newest first."""
    return list_rival_claims(session, head, query)
