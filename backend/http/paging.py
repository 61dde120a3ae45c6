"""Pages by cursor: the next page begins after the last key of this one, so its cost does not grow with depth."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query

from backend.http.schemas import Page
from obbligato.errors import InputError

MOST: Final = 200
MOST_WHOLE: Final = 2**63 - 1

LimitQuery = Annotated[int, Query(ge=1, le=MOST, description="How many items a page has, at most.")]
CursorQuery = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]

Row = TypeVar("Row")
Item = TypeVar("Item")


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
    rows: Sequence[Row],
    limit: int,
    key: Callable[[Row], tuple[int | str, ...]],
    make: Callable[[Row], Item],
) -> Page[Item]:
    """A page of up to `limit` of these rows, of which one more was asked for."""
    more = len(rows) > limit
    shown = rows[:limit]
    return Page(
        items=[make(row) for row in shown], next=encode_cursor(*key(shown[-1])) if more else None
    )
