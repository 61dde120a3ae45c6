"""Part of a text, whatever its case, in both databases.

SQLite knows the cases of ASCII alone, so Python's own folding is lent to it. PostgreSQL folds as the locale of
its database does.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import Session

_LENT = "obbligato_folded"
_LENT_TO = "obbligato folds case"


class Search:
    """Conditions for one session."""

    def __init__(self, session: Session) -> None:
        connection = session.connection()
        self._sqlite = connection.dialect.name == "sqlite"
        if self._sqlite and not connection.info.get(_LENT_TO):
            own: Any = connection.connection.driver_connection
            assert isinstance(own, sqlite3.Connection)
            own.create_function(_LENT, 1, _folded, deterministic=True)
            connection.info[_LENT_TO] = True

    def contains(self, text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Whether a column holds a part of text. No character of it has a special meaning."""
        if self._sqlite:
            return func.instr(getattr(func, _LENT)(text), part.casefold()) > 0
        return func.strpos(func.lower(text), func.lower(part)) > 0

    def any_contains(self, texts: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Whether any text of a JSON list does."""
        if self._sqlite:
            listed = func.json_each(texts)
        else:
            # A document that was not read has the JSON null, which PostgreSQL refuses to list.
            alone = case((func.json_typeof(texts) == "array", texts), else_=None)
            listed = func.json_array_elements_text(alone)
        each = listed.table_valued("value")
        return exists(select(1).select_from(each).where(self.contains(each.c.value, part)))


def _folded(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None
