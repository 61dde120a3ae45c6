"""Grants, what platforms asked for, and who acts for an owner."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field
from sqlalchemy import Row, select, tuple_
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Grant, GrantRequest, License, Operator
from backend.http.names import TierName, tier_name
from backend.http.paging import decode_cursor, page
from backend.http.schemas import Account, AnswerModel, Certainty, Hex32, Page, Seconds, Units
from obbligato.protocol.types import ZERO_DIGEST

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


def list_grants(
    session: Session,
    head: IndexHead,
    *,
    license_id: int | None,
    platform_id: int | None,
    active_at: int | None,
    limit: int,
    cursor: str | None,
) -> Page[GrantAnswer]:
    """Grants, newest first; only those in force at a moment. Raises InputError for a cursor."""
    place = tuple_(_GRANTS.c.block_number, _GRANTS.c.log_index)
    query = select(_GRANTS)
    if license_id is not None:
        query = query.where(_GRANTS.c.license_id == license_id)
    if platform_id is not None:
        query = query.where(_GRANTS.c.platform_id == platform_id)
    if active_at is not None:
        query = query.where(_GRANTS.c.start <= active_at, _GRANTS.c.end > active_at)
    if cursor is not None:
        query = query.where(place < tuple_(*decode_cursor(cursor, int, int)))
    query = query.order_by(_GRANTS.c.block_number.desc(), _GRANTS.c.log_index.desc())
    rows = session.execute(query.limit(limit + 1)).all()
    return page(
        rows, limit, lambda row: (row.block_number, row.log_index), lambda row: _grant(row, head)
    )


def list_grant_requests(
    session: Session,
    head: IndexHead,
    *,
    license_id: int | None,
    owner: str | None,
    platform_id: int | None,
    unanswered: bool,
    limit: int,
    cursor: str | None,
) -> Page[GrantRequestAnswer]:
    """What was asked for, newest first; `owner` is the licence's. Raises InputError for a cursor."""
    query = select(_REQUESTS)
    if license_id is not None:
        query = query.where(_REQUESTS.c.license_id == license_id)
    if owner is not None:
        owned = select(_LICENSES.c.license_id).where(_LICENSES.c.owner == owner)
        query = query.where(_REQUESTS.c.license_id.in_(owned))
    if platform_id is not None:
        query = query.where(_REQUESTS.c.platform_id == platform_id)
    if unanswered:
        query = query.where(_REQUESTS.c.approved_by.is_(None))
    if cursor is not None:
        (last,) = decode_cursor(cursor, int)
        query = query.where(_REQUESTS.c.request_id < last)
    rows = session.execute(query.order_by(_REQUESTS.c.request_id.desc()).limit(limit + 1)).all()
    return page(rows, limit, lambda row: (row.request_id,), lambda row: _request(row, head))


def list_operators(
    session: Session,
    head: IndexHead,
    *,
    owner: str | None,
    operator: str | None,
    approved: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[OperatorAnswer]:
    """Who acts, or acted, for whom. Raises InputError for a cursor."""
    key = tuple_(_OPERATORS.c.owner, _OPERATORS.c.operator)
    query = select(_OPERATORS)
    if owner is not None:
        query = query.where(_OPERATORS.c.owner == owner)
    if operator is not None:
        query = query.where(_OPERATORS.c.operator == operator)
    if approved is not None:
        query = query.where(_OPERATORS.c.approved.is_(approved))
    if cursor is not None:
        query = query.where(key > tuple_(*decode_cursor(cursor, str, str)))
    query = query.order_by(_OPERATORS.c.owner, _OPERATORS.c.operator).limit(limit + 1)
    rows = session.execute(query).all()
    return page(
        rows,
        limit,
        lambda row: (row.owner, row.operator),
        lambda row: OperatorAnswer(
            owner=row.owner,
            operator=row.operator,
            approved=row.approved,
            certainty=certainty(head, row.changed_in),
        ),
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
