"""Challenges of rows, and rival claims to recordings."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.answers import Page, problems
from backend.api.caching import IndexRoute
from backend.api.context import IndexDep, TipDep
from backend.api.paging import CursorQuery, LimitQuery
from backend.api.questions import AddressQuery, Bytes32Query, IdPath, IdQuery
from backend.reading.disputes import (
    ChallengeAnswer,
    ChallengeFilter,
    DisputeWord,
    RivalClaimAnswer,
    list_challenges,
    list_rival_claims,
    read_challenge,
)

router = APIRouter(prefix="/v1", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "/challenges",
    operation_id="list_challenges",
    response_model=Page[ChallengeAnswer],
    responses=problems(422),
)
def challenges(
    session: IndexDep,
    tip: TipDep,
    report_id: Bytes32Query = None,
    license_id: IdQuery = None,
    platform_id: IdQuery = None,
    challenger: AddressQuery = None,
    state: DisputeWord | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ChallengeAnswer]:
    """List challenges of rows, newest first."""
    wanted = ChallengeFilter(
        report_id=report_id,
        license_id=license_id,
        platform_id=platform_id,
        challenger=challenger,
        state=state,
    )
    return list_challenges(session, tip, wanted, limit=limit, cursor=cursor)


@router.get(
    "/challenges/{challenge_id}",
    operation_id="get_challenge",
    response_model=ChallengeAnswer,
    responses=problems(404, 422),
)
def challenge(session: IndexDep, tip: TipDep, challenge_id: IdPath) -> ChallengeAnswer:
    """Get a challenge and what became of it."""
    return read_challenge(session, tip, challenge_id)


@router.get(
    "/rival-claims",
    operation_id="list_rival_claims",
    response_model=Page[RivalClaimAnswer],
    responses=problems(422),
)
def rival_claims(
    session: IndexDep,
    tip: TipDep,
    license_id: IdQuery = None,
    state: DisputeWord | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[RivalClaimAnswer]:
    """List bonded claims that a licence is somebody else's recording, newest first."""
    return list_rival_claims(
        session, tip, license_id=license_id, state=state, limit=limit, cursor=cursor
    )
