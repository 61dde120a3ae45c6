"""Grants, what platforms asked for, and who acts for an owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api.answers import Page, problems
from backend.api.caching import IndexRoute
from backend.api.context import IndexDep, TipDep
from backend.api.paging import CursorQuery, LimitQuery
from backend.api.questions import AddressQuery, IdQuery
from backend.reading.grants import (
    GrantAnswer,
    GrantRequestAnswer,
    OperatorAnswer,
    list_grant_requests,
    list_grants,
    list_operators,
)
from obbligato.words import MAX_TIME

router = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)


@router.get(
    "/grants",
    operation_id="list_grants",
    response_model=Page[GrantAnswer],
    responses=problems(422),
)
def grants(
    session: IndexDep,
    tip: TipDep,
    license_id: IdQuery = None,
    platform_id: IdQuery = None,
    active_at: Annotated[
        int | None, Query(ge=0, le=MAX_TIME, description="Only those in force then.")
    ] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[GrantAnswer]:
    """List grants, newest first."""
    return list_grants(
        session,
        tip,
        license_id=license_id,
        platform_id=platform_id,
        active_at=active_at,
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/grant-requests",
    operation_id="list_grant_requests",
    response_model=Page[GrantRequestAnswer],
    responses=problems(422),
)
def grant_requests(
    session: IndexDep,
    tip: TipDep,
    license_id: IdQuery = None,
    owner: AddressQuery = None,
    platform_id: IdQuery = None,
    open_: Annotated[
        bool, Query(alias="open", description="Only those that nobody approved yet.")
    ] = False,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[GrantRequestAnswer]:
    """List what platforms asked licensors for, newest first.

    `owner` gives those that somebody is to answer.
    """
    return list_grant_requests(
        session,
        tip,
        license_id=license_id,
        owner=owner,
        platform_id=platform_id,
        unanswered=open_,
        limit=limit,
        cursor=cursor,
    )


@router.get(
    "/operators",
    operation_id="list_operators",
    response_model=Page[OperatorAnswer],
    responses=problems(422),
)
def operators(
    session: IndexDep,
    tip: TipDep,
    owner: AddressQuery = None,
    operator: AddressQuery = None,
    approved: bool | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[OperatorAnswer]:
    """List who acts for which owner, those who no longer do included."""
    return list_operators(
        session,
        tip,
        owner=owner,
        operator=operator,
        approved=approved,
        limit=limit,
        cursor=cursor,
    )
