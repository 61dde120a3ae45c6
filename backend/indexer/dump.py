"""The index as bytes: equal for equal chains, whatever way and database it was made in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.index_db import CONTENT, Base


def dump(session: Session) -> bytes:
    """Every row of every table but documents, which are content and not chain; one JSON line a row."""
    return b"".join(line + b"\n" for line in _lines(session))


def _lines(session: Session) -> Iterator[bytes]:
    apart = {table_of(model) for model in CONTENT}
    for name, table in sorted(Base.metadata.tables.items()):
        if table in apart:
            continue
        rows = (_line(name, dict(row._mapping)) for row in session.execute(select(table)))
        # Databases order text each in their own way.
        yield from sorted(rows)


def _line(name: str, row: dict[str, Any]) -> bytes:
    return json.dumps({"table": name, **row}, default=bytes.hex, sort_keys=True).encode()
