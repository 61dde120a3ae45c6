"""The read models' rows while events are applied: looked up by key, changed, and written at once.

What a block that can still be undone changed is remembered in the journal, as it was before the block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Insert,
    LargeBinary,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from backend.db.base import LARGE, Base, insert_all, table_of, update_all
from backend.db.index_db import JournalEntry
from obbligato.errors import ChainError

MOST_ROWS: Final = 200_000
"""Rows remembered from one batch to the next; with more, all are forgotten."""

FETCHED_AT_ONCE: Final = 500

Row = dict[str, Any]
Sums = dict[Any, list[int]]
"""By the first part of a key: what to add to each number of the row, the first block that did, and the last."""
Key = tuple[Table, tuple[Any, ...]]


class State:
    """Rows by key, as of the last event that was applied. `connection` is set for each batch."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.memory: dict[Any, Any] = {}
        """What later events of the same transaction need to know of earlier ones."""
        self.shares: dict[int, list[tuple[str, int]]] = {}
        """Payees of splits, which never change. Those that are not here are in the database."""
        self._rows: dict[Key, Row | None] = {}
        self._stored: dict[Key, bool] = {}
        """What this batch changed, and whether the database has a row of that key."""
        self._before: dict[Key, Row | None] = {}
        """What this block changed, as it was before it; kept only where `_journaled`."""
        self._sums: defaultdict[tuple[Table, tuple[Any, ...]], Sums] = defaultdict(dict)
        """What is still to be added to rows, by the table and all of the key but its first part."""
        self._appended: defaultdict[Table, list[Row]] = defaultdict(list)
        self._large: set[Key] = set()
        """Rows too large to remember them for longer than a batch."""
        self._numbers: dict[Table, int] = {}
        self._block = 0
        self._journaled = False

    def forget(self) -> None:
        """Drop everything that was not written, and all that was remembered."""
        self.connection = None
        self.memory.clear()
        self.shares.clear()
        self._rows.clear()
        self._stored.clear()
        self._before.clear()
        self._sums.clear()
        self._appended.clear()
        self._large.clear()
        self._numbers.clear()

    # ---- blocks

    def begin_block(self, number: int, *, journaled: bool) -> None:
        """What follows is made by events of this block."""
        self._block, self._journaled = number, journaled

    def end_block(self) -> None:
        """Remember in the journal what the block changed."""
        if not self._journaled:
            return
        self._add_sums()
        journal = self._appended[table_of(JournalEntry)]
        for (table, key), image in self._before.items():
            if image is not None:
                journal.append(
                    {
                        "block_number": self._block,
                        "table_name": table.name,
                        "key": _key_text(key),
                        "image": _portable(image),
                    }
                )
        self._before.clear()

    # ---- rows

    def append(self, model: type[Base], **row: Any) -> None:
        """A row that never changes and is not looked up by key here."""
        self._appended[table_of(model)].append(row)

    def append_all(self, model: type[Base], rows: Iterable[Row]) -> None:
        """Many such rows, `block_number` included."""
        self._appended[table_of(model)].extend(rows)

    def find(self, model: type[Base], *key: Any) -> Mapping[str, Any] | None:
        """The row of a key, to read; None where there is none."""
        return self._row((table_of(model), key))

    def get(self, model: type[Base], *key: Any) -> Mapping[str, Any]:
        """The row of a key, to read. Raises ChainError where there is none."""
        found = self.find(model, *key)
        if found is None:
            raise self._left_out(table_of(model), key)
        return found

    def stored_rows(self, model: type[Base], firsts: Iterable[Any]) -> Iterator[Row]:
        """Rows whose key begins with one of these, as they were before this batch."""
        assert self.connection is not None, "rows are read within a batch"
        table = table_of(model)
        first = table.c[_key_names(table)[0]]
        keys = list(firsts)
        for start in range(0, len(keys), FETCHED_AT_ONCE):
            some = first.in_(keys[start : start + FETCHED_AT_ONCE])
            for row in self.connection.execute(select(table).where(some)):
                yield dict(row._mapping)

    def sums(self, model: type[Base], *rest: Any) -> Sums:
        """What to add to the rows whose key is a first part and this rest.

        It is added when the block ends, or the batch where nothing is journaled: until then such rows are not read.
        """
        return self._sums[table_of(model), rest]

    def change(self, model: type[Base], *key: Any) -> Row:
        """The row of a key, to change. Raises ChainError where there is none."""
        row_key = (table_of(model), key)
        row = self._row(row_key)
        if row is None:
            raise self._left_out(*row_key)
        self._touch(row_key, row)
        row["changed_in"] = self._block
        return row

    def add(self, model: type[Base], **row: Any) -> Row:
        """A new row, made by this block. One that is there already fails when it is written."""
        table = table_of(model)
        row_key = (table, tuple(row[name] for name in _key_names(table)))
        self._touch(row_key, None)
        made = {"block_number": self._block, **row}
        if "changed_in" in table.columns:
            made["changed_in"] = self._block
        self._remember(row_key, made)
        return made

    def add_numbered(self, model: type[Base], **row: Any) -> Row:
        """A new row whose key counts from 1 without a gap: a gap is an event that was left out."""
        table = table_of(model)
        (name,) = _key_names(table)
        number = row[name]
        if number != 1 and self._row((table, (number - 1,))) is None:
            raise self._left_out(table, (number - 1,))
        return self.add(model, **row)

    def next_number(self, model: type[Base], column: str) -> int:
        """One more than the largest number in a column, and than what this gave before."""
        table = table_of(model)
        if table not in self._numbers:
            assert self.connection is not None, "rows are read within a batch"
            largest = self.connection.execute(select(func.max(table.c[column]))).scalar()
            self._numbers[table] = largest or 0
        self._numbers[table] += 1
        return self._numbers[table]

    def remove(self, model: type[Base], *key: Any) -> None:
        """Take a row away."""
        row_key = (table_of(model), key)
        row = self._row(row_key)
        if row is None:
            raise self._left_out(*row_key)
        self._touch(row_key, row)
        self._rows[row_key] = None

    def _touch(self, row_key: Key, row: Row | None) -> None:
        if row_key not in self._stored:
            self._stored[row_key] = row is not None
        if self._journaled and row_key not in self._before:
            self._before[row_key] = None if row is None else dict(row)

    def _row(self, row_key: Key) -> Row | None:
        if row_key not in self._rows:
            self._remember(row_key, self._load(row_key))
        return self._rows[row_key]

    def _remember(self, row_key: Key, row: Row | None) -> None:
        self._rows[row_key] = row
        if row_key[0].info.get(LARGE):
            self._large.add(row_key)

    def _load(self, row_key: Key) -> Row | None:
        table, key = row_key
        assert self.connection is not None, "rows are read within a batch"
        row = self.connection.execute(_select(table), _bound(table, key)).first()
        return None if row is None else dict(row._mapping)

    def _left_out(self, table: Table, key: tuple[Any, ...]) -> ChainError:
        return ChainError(
            f"an event in block {self._block} is about {table.name} {_key_text(key)}, of which no event "
            "told: the node left events out, ask another one"
        )

    # ---- writing

    def write(self, connection: Connection) -> None:
        """Write what the batch changed."""
        self._add_sums()
        made, changed, gone = self._sorted()
        for table, keys in gone.items():
            connection.execute(_delete(table), [_bound(table, key) for key in keys])
        for table, rows in changed.items():
            update_all(connection, table, rows)
        try:
            for rows_by_table in (made, self._appended):
                for table, rows in rows_by_table.items():
                    if rows:
                        insert_all(connection, table, rows)
        except IntegrityError:
            raise ChainError(
                f"the node's events make a row of {table.name} twice: ask another one"
            ) from None
        self._stored.clear()
        self._appended.clear()
        for row_key in self._large:
            del self._rows[row_key]
        self._large.clear()
        if len(self._rows) + len(self.shares) > MOST_ROWS:
            self._rows.clear()
            self.shares.clear()

    def _add_sums(self) -> None:
        """Add what was put aside. Each row is looked up and changed once, however often it was added to."""
        for (table, rest), sums in self._sums.items():
            self._fetch(table, rest, sums)
            names = _number_names(table)
            for first, (*numbers, made_in, changed_in) in sums.items():
                row_key = (table, (first, *rest))
                row = self._rows[row_key]
                self._touch(row_key, row)
                if row is None:
                    row = dict(zip(_key_names(table), row_key[1], strict=True))
                    row |= {**dict.fromkeys(names, 0), "block_number": made_in}
                    self._rows[row_key] = row
                for name, number in zip(names, numbers, strict=True):
                    row[name] += number
                row["changed_in"] = changed_in
        self._sums.clear()

    def _fetch(self, table: Table, rest: tuple[Any, ...], firsts: Iterable[Any]) -> None:
        """Look up all rows whose keys differ in their first part alone."""
        assert self.connection is not None, "rows are read within a batch"
        column, *others = (table.c[name] for name in _key_names(table))
        same = and_(*(other == value for other, value in zip(others, rest, strict=True)))
        unknown = [first for first in firsts if (table, (first, *rest)) not in self._rows]
        self._rows |= {(table, (first, *rest)): None for first in unknown}
        for start in range(0, len(unknown), FETCHED_AT_ONCE):
            some = column.in_(unknown[start : start + FETCHED_AT_ONCE])
            for row in self.connection.execute(select(table).where(same, some)).mappings():
                self._rows[table, (row[column], *rest)] = dict(row)

    def _sorted(self) -> tuple[dict[Table, list[Row]], dict[Table, list[Row]], dict[Table, Any]]:
        """What to insert, what to update, and the keys to delete."""
        made: defaultdict[Table, list[Row]] = defaultdict(list)
        changed: defaultdict[Table, list[Row]] = defaultdict(list)
        gone: defaultdict[Table, list[Any]] = defaultdict(list)
        for (table, key), stored in self._stored.items():
            row = self._rows[table, key]
            if row is not None:
                (changed if stored else made)[table].append(row)
            elif stored:
                gone[table].append(key)
        return made, changed, gone


def restore(connection: Connection, table: Table, image: Mapping[str, Any]) -> None:
    """Put a row back as a journal's image has it."""
    row = {
        column.name: bytes.fromhex(image[column.name])
        if isinstance(column.type, LargeBinary) and image[column.name] is not None
        else image[column.name]
        for column in table.columns
    }
    key = tuple(row[name] for name in _key_names(table))
    connection.execute(_delete(table), _bound(table, key))
    connection.execute(_insert(table), row)


# ---- statements, each made once: making one takes longer than running it


@cache
def _key_names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _select(table: Table) -> Select[Any]:
    return select(table).where(_is(table))


@cache
def _delete(table: Table) -> Delete:
    return delete(table).where(_is(table))


@cache
def _number_names(table: Table) -> tuple[str, ...]:
    """The columns that are added to."""
    apart = {*_key_names(table), "block_number", "changed_in"}
    return tuple(column.name for column in table.columns if column.name not in apart)


def _is(table: Table) -> ColumnElement[bool]:
    return and_(*(table.c[name] == bindparam(f"key_{name}") for name in _key_names(table)))


def _bound(table: Table, key: tuple[Any, ...]) -> Row:
    return {f"key_{name}": value for name, value in zip(_key_names(table), key, strict=True)}


# ---- JSON


def _portable(row: Mapping[str, Any]) -> Row:
    """A row as JSON holds it: bytes as hexadecimal."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _key_text(key: tuple[Any, ...]) -> str:
    return ", ".join("0x" + part.hex() if isinstance(part, bytes) else str(part) for part in key)
