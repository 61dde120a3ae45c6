"""The single credits of a payee, newest first."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, Row, Select, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from backend.api.answers import Page
from backend.api.paging import decode_cursor, encode_cursor
from backend.database.tables import Earning, SplitPayee
from backend.index.state import table_of
from backend.reading.tip import Tip
from backend.statements.answers import Credit
from backend.statements.describing import OF_PAYEE, Describer

Place = tuple[int, int, int, int]
"""Block, log, line and split of a credit: unique, and in the order of the chain."""

_E: Final = table_of(Earning).c
_PAYEES: Final = table_of(SplitPayee).c
_PLACE: Final = (_E.block_number, _E.log_index, _E.line, _E.split_id)
_NAMES: Final = tuple(f"before_{each.name}" for each in _PLACE)
_WHOLE: Final = BigInteger()


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
    asked: dict[str, Any] = {"account": account, "most": count, "skipped": count - 1}
    if before is not None:
        asked |= zip(_NAMES, before, strict=True)
    goes_on = before is not None
    asked["floor"] = session.scalar(_floor(goes_on), asked) or 0
    return list(session.execute(_page(goes_on), asked))


@cache
def _page(goes_on: bool) -> Select[*tuple[Any, ...]]:
    """The newest credits from a block on; before a place, where the list goes on."""
    query = OF_PAYEE.where(_E.block_number >= bindparam("floor", type_=_WHOLE))
    if goes_on:
        query = _before(query)
    return query.order_by(*(each.desc() for each in _PLACE)).limit(bindparam("most", type_=_WHOLE))


@cache
def _floor(goes_on: bool) -> Select[*tuple[Any, ...]]:
    """A block from which on the payee has so many credits before a place, or None.

    One split with so many is enough to know: each is walked along its own key for a page at most, and of no split
    more than that is read afterwards.
    """
    nth = select(_E.block_number).where(_E.split_id == _PAYEES.split_id)
    if goes_on:
        nth = _before(nth)
    nth = nth.order_by(*(each.desc() for each in _PLACE[:3])).limit(1)
    nth = nth.offset(bindparam("skipped", type_=_WHOLE)).correlate(table_of(SplitPayee))
    return select(func.max(nth.scalar_subquery())).where(_PAYEES.account == bindparam("account"))


def _before(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    place = [bindparam(name, type_=_WHOLE) for name in _NAMES]
    return query.where(_E.block_number <= place[0], tuple_(*_PLACE) < tuple_(*place))


def _place(credit: Row[Any]) -> Place:
    return credit.block_number, credit.log_index, credit.line, credit.split_id
