"""Pages by cursor: the next page begins after the last key of this one, so its cost does not grow with depth."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, ColumnElement, Row, Select, String, tuple_
from sqlalchemy.orm import Session

from backend.http.schemas import Page
from obbligato.errors import InputError

MOST: Final = 200
MOST_WHOLE: Final = 2**63 - 1

LimitQuery = Annotated[int, Query(ge=1, le=MOST, description="How many items a page has, at most.")]
CursorQuery = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]

AnyRow = TypeVar("AnyRow")
Item = TypeVar("Item")


class ListQuery(BaseModel):
    """What every list takes; lists add what they can be narrowed by. None narrows nothing."""

    model_config = ConfigDict(frozen=True)

    limit: LimitQuery = 50
    cursor: CursorQuery = None


PageQuery = Annotated[ListQuery, Query()]


def encode_cursor(*values: int | str) -> str:
    """A key as an opaque word."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """The key of a cursor, its values of these types (int or str). Raises InputError."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or [type(value) for value in values] != list(kinds)
        or any(isinstance(value, int) and abs(value) > MOST_WHOLE for value in values)
        or any(isinstance(value, str) and "\x00" in value for value in values)
    ):
        raise InputError("is none of ours: give `next` of the page before", field="cursor")
    return tuple(values)


def page(
    rows: Sequence[AnyRow],
    limit: int,
    key: Callable[[AnyRow], tuple[int | str, ...]],
    make: Callable[[AnyRow], Item],
) -> Page[Item]:
    """A page of the first `limit` of these rows; the query selects one more, to know whether there is a next page."""
    items = rows[:limit]
    return Page(
        items=[make(row) for row in items],
        next=encode_cursor(*key(items[-1])) if len(rows) > limit else None,
    )


def read_page(
    session: Session,
    select: Select[*tuple[Any, ...]],
    keys: Sequence[Column[Any]],
    query: ListQuery,
    make: Callable[[Row[*tuple[Any, ...]]], Item],
    *,
    newest_first: bool = True,
) -> Page[Item]:
    """A page of a statement that selects `keys`, which are numbers or texts and order its rows uniquely.

    Raises InputError for a cursor that is none of ours.
    """
    if query.cursor is not None:
        kinds = [str if isinstance(key.type, String) else int for key in keys]
        last = decode_cursor(query.cursor, *kinds)
        select = select.where(
            tuple_(*keys) < tuple_(*last) if newest_first else tuple_(*keys) > tuple_(*last)
        )
    ordered = [key.desc() if newest_first else key for key in keys]
    rows = session.execute(select.order_by(*ordered).limit(query.limit + 1)).all()
    return page(rows, query.limit, lambda row: tuple(getattr(row, key.name) for key in keys), make)


def equal(values: Mapping[Column[Any], Any]) -> list[ColumnElement[bool]]:
    """The conditions that these columns have these values; None narrows nothing."""
    return [column == value for column, value in values.items() if value is not None]
