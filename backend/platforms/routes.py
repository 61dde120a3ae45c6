"""Platforms with their escrow and record, and their streams."""

from __future__ import annotations

from fastapi import APIRouter

from backend.http.caching import IndexRoute
from backend.http.deps import HeadDep, IdPath, IndexDep
from backend.http.paging import PageQuery
from backend.http.schemas import Page, problems
from backend.platforms.queries import (
    PlatformAnswer,
    PlatformSummary,
    StreamAnswer,
    list_platforms,
    list_streams,
    read_platform,
)

router = APIRouter(prefix="/v1/platforms", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "",
    operation_id="list_platforms",
    responses=problems(422),
)
def platforms(session: IndexDep, head: HeadDep, query: PageQuery) -> Page[PlatformSummary]:
    """List platforms in the order in which they registered."""
    return list_platforms(session, head, query)


@router.get(
    "/{platform_id}",
    operation_id="get_platform",
    responses=problems(404, 422),
)
def platform(session: IndexDep, head: HeadDep, platform_id: IdPath) -> PlatformAnswer:
    """Get a platform with its escrow and its record.

    What it paid, what was contested and how that ended, how far its reports reach, what it still owes.
    """
    return read_platform(session, head, platform_id)


@router.get(
    "/{platform_id}/streams",
    operation_id="list_platform_streams",
    responses=problems(404, 422),
)
def streams(
    session: IndexDep,
    head: HeadDep,
    platform_id: IdPath,
    query: PageQuery,
) -> Page[StreamAnswer]:
    """List how far a platform's reports reach, for each of its models."""
    return list_streams(session, head, platform_id, query)
