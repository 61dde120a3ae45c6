"""Inserting many rows at once: the statement and its conversions are worked out once a table, not once a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, LargeBinary, Table, insert

_Convert = Callable[[Any], Any]


class _Statement(NamedTuple):
    sql: str
    positional: bool
    columns: list[tuple[str, _Convert | None]]
    """Each with what makes a value fit for the database, where anything is needed."""


def insert_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that have a value for every column of the table. There must be one at least."""
    statement = _statement(table, connection.dialect)
    columns = statement.columns
    converted = (
        {name: row[name] if convert is None else convert(row[name]) for name, convert in columns}
        for row in rows
    )
    if statement.positional:
        connection.exec_driver_sql(statement.sql, [tuple(row.values()) for row in converted])
    else:
        connection.exec_driver_sql(statement.sql, list(converted))


@cache
def _statement(table: Table, dialect: Dialect) -> _Statement:
    compiled: Any = insert(table).compile(dialect=dialect)
    names = compiled.positiontup or [column.name for column in table.columns]
    return _Statement(
        sql=str(compiled),
        positional=bool(compiled.positiontup),
        columns=[(name, _conversion(table, name, dialect)) for name in names],
    )


def _conversion(table: Table, name: str, dialect: Dialect) -> _Convert | None:
    kind = table.c[name].type
    if isinstance(kind, LargeBinary):
        return (
            None  # both drivers take bytes; the wrapper that others need costs more than the rest
        )
    found: _Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found
