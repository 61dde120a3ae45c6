"""Grants, what platforms asked for, and who acts for an owner."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import Field
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Grant, GrantRequest, License, Operator
from backend.http.deps import AddressQuery, IdQuery
from backend.http.paging import ListQuery, equal, read_page
from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Hex32,
    Page,
    Seconds,
    Units,
    tier_name,
)
from obbligato.protocol.constants import MAX_TIME
from obbligato.protocol.types import ZERO_DIGEST
from obbligato.schemas.terms import TierName

_GRANTS: Final = table_of(Grant)
_REQUESTS: Final = table_of(GrantRequest)
_LICENSES: Final = table_of(License)
_OPERATORS: Final = table_of(Operator)


class GrantAnswer(AnswerModel):
    """A platform's right to a tier of a licence, from `start` until before `end`."""

    license_id: int = Field(examples=[3])
    platform_id: int
    tier: TierName
    model_id: Hex32 | None
    """Null: for any model of the platform."""
    start: Seconds
    end: Seconds
    fee_units: Units
    split_id: int
    """Who got the fee."""
    transaction: Hex32
    certainty: Certainty


class GrantRequestAnswer(AnswerModel):
    """What a platform asked a licensor for."""

    request_id: int = Field(examples=[1])
    license_id: int
    platform_id: int
    tier: TierName
    model_id: Hex32 | None
    """Null: for any model of the platform."""
    fee_units: Units
    """What the platform offers."""
    asked_at: Seconds
    approved_by: Account | None
    approved_at: Seconds | None
    certainty: Certainty


class OperatorAnswer(AnswerModel):
    """An account that an owner lets act for all its licences, or did."""

    owner: Account
    operator: Account
    approved: bool
    certainty: Certainty


class GrantQuery(ListQuery):
    """What a list of grants can be narrowed to."""

    license_id: IdQuery = None
    platform_id: IdQuery = None
    active_at: Annotated[
        int | None, Query(ge=0, le=MAX_TIME, description="Only those in force then.")
    ] = None


class GrantRequestQuery(ListQuery):
    """What a list of requests for grants can be narrowed to."""

    license_id: IdQuery = None
    owner: AddressQuery = None
    platform_id: IdQuery = None
    is_open: Annotated[
        bool, Query(alias="open", description="Only those that nobody approved yet.")
    ] = False


class OperatorQuery(ListQuery):
    """What a list of operators can be narrowed to."""

    owner: AddressQuery = None
    operator: AddressQuery = None
    approved: bool | None = None


def list_grants(session: Session, head: IndexHead, query: GrantQuery) -> Page[GrantAnswer]:
    """Grants, newest first; only those in force at a moment. Raises InputError for a cursor."""
    conditions = equal(
        {_GRANTS.c.license_id: query.license_id, _GRANTS.c.platform_id: query.platform_id}
    )
    if query.active_at is not None:
        conditions += [_GRANTS.c.start <= query.active_at, _GRANTS.c.end > query.active_at]
    selected, keys = (
        select(_GRANTS).where(*conditions),
        [_GRANTS.c.block_number, _GRANTS.c.log_index],
    )
    return read_page(session, selected, keys, query, lambda row: _grant(row, head))


def list_grant_requests(
    session: Session, head: IndexHead, query: GrantRequestQuery
) -> Page[GrantRequestAnswer]:
    """Requests for grants, newest first; `owner` is the licence's. Raises InputError for a cursor."""
    conditions = equal(
        {_REQUESTS.c.license_id: query.license_id, _REQUESTS.c.platform_id: query.platform_id}
    )
    if query.owner is not None:
        owned = select(_LICENSES.c.license_id).where(_LICENSES.c.owner == query.owner)
        conditions.append(_REQUESTS.c.license_id.in_(owned))
    if query.is_open:
        conditions.append(_REQUESTS.c.approved_by.is_(None))
    selected = select(_REQUESTS).where(*conditions)
    return read_page(
        session, selected, [_REQUESTS.c.request_id], query, lambda row: _request(row, head)
    )


def list_operators(session: Session, head: IndexHead, query: OperatorQuery) -> Page[OperatorAnswer]:
    """Who acts, or acted, for whom. Raises InputError for a cursor."""
    columns = _OPERATORS.c
    conditions = equal(
        {
            columns.owner: query.owner,
            columns.operator: query.operator,
            columns.approved: query.approved,
        }
    )
    return read_page(
        session,
        select(_OPERATORS).where(*conditions),
        [columns.owner, columns.operator],
        query,
        lambda row: OperatorAnswer(
            owner=row.owner,
            operator=row.operator,
            approved=row.approved,
            certainty=certainty(head, row.changed_in),
        ),
        newest_first=False,
    )


def _grant(row: Row[*tuple[Any, ...]], head: IndexHead) -> GrantAnswer:
    return GrantAnswer(
        license_id=row.license_id,
        platform_id=row.platform_id,
        tier=tier_name(row.tier),
        model_id=_model(row.model_id),
        start=row.start,
        end=row.end,
        fee_units=row.fee_units,
        split_id=row.split_id,
        transaction=row.transaction,
        certainty=certainty(head, row.block_number),
    )


def _request(row: Row[*tuple[Any, ...]], head: IndexHead) -> GrantRequestAnswer:
    return GrantRequestAnswer(
        request_id=row.request_id,
        license_id=row.license_id,
        platform_id=row.platform_id,
        tier=tier_name(row.tier),
        model_id=_model(row.model_id),
        fee_units=row.fee_units,
        asked_at=row.asked_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        certainty=certainty(head, row.changed_in),
    )


def _model(model_id: bytes) -> bytes | None:
    return None if model_id == ZERO_DIGEST else model_id
