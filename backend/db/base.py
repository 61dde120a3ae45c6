"""Writing many rows at once: the statement and its conversions are worked out once a table, not once a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Dialect,
    Insert,
    LargeBinary,
    String,
    Table,
    Update,
    and_,
    bindparam,
    insert,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from obbligato.server.database import ADDRESS, COLUMN_TYPES, Units

__all__ = ["ADDRESS", "LARGE", "Base", "Changing", "Happened", "Made", "Total", "Units"]


class Total(Units):
    """A sum of many such numbers."""

    impl = String(40)
    cache_ok = True


LARGE = "large"
"""What a table's `info` says where its rows are thousands of bytes each."""


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = COLUMN_TYPES


class Made:
    """A row that an event made. Undoing a block begins with the rows that it made."""

    block_number: Mapped[int] = mapped_column(index=True)
    """The block of the event that made the row."""


class Changing(Made):
    """A row that later events change; what it was before is in the journal while that can be undone."""

    changed_in: Mapped[int]
    """The block of the last event that changed it: once that is final, so is all that the row says."""


class Happened:
    """A row that stands for one event, and never changes."""

    block_number: Mapped[int] = mapped_column(primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)


_Convert = Callable[[Any], Any]


class _Statement(NamedTuple):
    sql: str
    positional: bool
    columns: list[tuple[str, _Convert | None]]
    """Each with what makes a value fit for the database, where anything is needed."""


def insert_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that have a value for every column of the table. There must be one at least."""
    _execute(connection, _inserting(table, connection.dialect), rows)


def update_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write every column of rows that are there. There must be one at least."""
    _execute(connection, _updating(table, connection.dialect), rows)


def _execute(connection: Connection, statement: _Statement, rows: Sequence[dict[str, Any]]) -> None:
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
def _inserting(table: Table, dialect: Dialect) -> _Statement:
    return _statement(insert(table), table, dialect)


@cache
def _updating(table: Table, dialect: Dialect) -> _Statement:
    keys = and_(*(column == bindparam(column.name) for column in table.primary_key))
    values: dict[str, Any] = {
        column.name: bindparam(column.name) for column in table.columns if not column.primary_key
    }
    return _statement(Update(table).where(keys).values(values), table, dialect)


def _statement(statement: Insert | Update, table: Table, dialect: Dialect) -> _Statement:
    compiled: Any = statement.compile(dialect=dialect)
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
    convert: _Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def table_of(model: type[Base]) -> Table:
    """The table of a mapped class."""
    table: Any = model.__table__
    assert isinstance(table, Table)
    return table
