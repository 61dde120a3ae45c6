"""Challenges of rows, and rival claims to recordings."""

from __future__ import annotations

from fastapi import APIRouter

from backend.disputes.queries import (
    ChallengeAnswer,
    ChallengeFilter,
    DisputeWord,
    RivalClaimAnswer,
    list_challenges,
    list_rival_claims,
    read_challenge,
)
from backend.http.caching import IndexRoute
from backend.http.deps import AddressQuery, Bytes32Query, HeadDep, IdPath, IdQuery, IndexDep
from backend.http.paging import CursorQuery, LimitQuery
from backend.http.schemas import Page, problems

router = APIRouter(prefix="/v1", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "/challenges",
    operation_id="list_challenges",
    response_model=Page[ChallengeAnswer],
    responses=problems(422),
)
def challenges(
    session: IndexDep,
    head: HeadDep,
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
    return list_challenges(session, head, wanted, limit=limit, cursor=cursor)


@router.get(
    "/challenges/{challenge_id}",
    operation_id="get_challenge",
    response_model=ChallengeAnswer,
    responses=problems(404, 422),
)
def challenge(session: IndexDep, head: HeadDep, challenge_id: IdPath) -> ChallengeAnswer:
    """Get a challenge and what became of it."""
    return read_challenge(session, head, challenge_id)


@router.get(
    "/rival-claims",
    operation_id="list_rival_claims",
    response_model=Page[RivalClaimAnswer],
    responses=problems(422),
)
def rival_claims(
    session: IndexDep,
    head: HeadDep,
    license_id: IdQuery = None,
    state: DisputeWord | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[RivalClaimAnswer]:
    """List bonded claims that a licence is somebody else's recording, newest first."""
    return list_rival_claims(
        session, head, license_id=license_id, state=state, limit=limit, cursor=cursor
    )
