"""The single credits of a payee, newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.orm import Session

from backend.api.answers import Page
from backend.api.paging import decode_cursor, encode_cursor
from backend.database.tables import Earning, SplitPayee
from backend.reading.tip import Tip
from backend.statements.answers import Credit
from backend.statements.describing import Describer, select_credits

Place = tuple[int, int, int, int]
"""Block, log, line and split of a credit: unique, and in the order of the chain."""

_PLACE = (Earning.block_number, Earning.log_index, Earning.line, Earning.split_id)


def list_credits(
    session: Session, tip: Tip, account: str, *, limit: int, cursor: str | None
) -> Page[Credit]:
    """Credits of a payee with its part of each. Raises InputError for a cursor that is none of ours."""
    before: Place | None = None
    if cursor is not None:
        before = decode_cursor(cursor, int, int, int, int)
    found = _newest(session, account, before, limit + 1)
    shown = found[:limit]
    items = Describer(session, tip).describe(shown)
    last = encode_cursor(*_place(shown[-1])) if len(found) > limit else None
    return Page(items=items, next=last)


def _newest(session: Session, account: str, before: Place | None, count: int) -> list[Row[Any]]:
    """The newest credits before a place; the cost depends neither on how deep that is nor on others' credits."""
    query = select_credits(account).where(
        Earning.block_number >= _floor(session, account, before, count)
    )
    if before is not None:
        query = query.where(Earning.block_number <= before[0], tuple_(*_PLACE) < tuple_(*before))
    newest_first = (each.desc() for each in _PLACE)
    return list(session.execute(query.order_by(*newest_first).limit(count)))


def _floor(session: Session, account: str, before: Place | None, count: int) -> int:
    """A block from which on the payee has so many credits before a place, or 0.

    One split with so many is enough to know: each is walked along its own key for a page at most, and of no split
    more than that is read afterwards.
    """
    nth = select(Earning.block_number).where(Earning.split_id == SplitPayee.split_id)
    if before is not None:
        nth = nth.where(Earning.block_number <= before[0], tuple_(*_PLACE) < tuple_(*before))
    nth = nth.order_by(*(each.desc() for each in _PLACE[:3])).limit(1).offset(count - 1)
    found = session.scalar(
        select(func.max(nth.scalar_subquery())).where(SplitPayee.account == account)
    )
    return found or 0


def _place(credit: Row[Any]) -> Place:
    return credit.block_number, credit.log_index, credit.line, credit.split_id
