"""Statements that are compiled once a process and run on the driver itself.

SQLAlchemy looks a statement up, binds it and wraps its rows anew at each execution: for a look-up by key that costs
several times what the database does. A prepared statement keeps the text, the conversions and the row's type.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Dialect, LargeBinary, Select
from sqlalchemy.orm import Session

MOST_SHAPES: Final = 256
"""Texts of one statement that are kept: each length of a list has its own."""

_Convert = Callable[[Any], Any]


class _Compiled(NamedTuple):
    sql: str
    names: tuple[str, ...]
    """Of the parameters in their order."""
    positional: bool
    constants: dict[str, Any]
    binds: dict[str, _Convert]
    results: tuple[tuple[int, _Convert], ...]
    """The columns that need a conversion."""
    make: Callable[[Any], Any]


class Prepared:
    """A statement with named parameters. A parameter that is a list has to be made by `expanding=True`."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement: Final = statement
        self._columns: Final = tuple(statement.selected_columns)
        names = [column.key or "" for column in self._columns]
        self._row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # names are not known before
        self._compiled: Final = lru_cache(MOST_SHAPES)(self._compile)

    def all(self, session: Session, **parameters: Any) -> list[Any]:
        """Every row, as a named tuple."""
        lists = {name: value for name, value in parameters.items() if isinstance(value, list)}
        connection = session.connection()
        compiled = self._compiled(
            connection.dialect, tuple((name, len(value)) for name, value in lists.items())
        )
        values = {**compiled.constants, **parameters}
        for name, members in lists.items():
            values |= {f"{name}_{number}": each for number, each in enumerate(members, start=1)}
        for name, convert in compiled.binds.items():
            values[name] = convert(values[name])
        bound = [values[name] for name in compiled.names]
        arguments: Any = (
            bound if compiled.positional else dict(zip(compiled.names, bound, strict=True))
        )
        driver: Any = connection.connection.driver_connection
        rows = driver.execute(compiled.sql, arguments).fetchall()
        if not compiled.results:
            return [compiled.make(row) for row in rows]
        return [compiled.make(_converted(row, compiled.results)) for row in rows]

    def first(self, session: Session, **parameters: Any) -> Any:
        """The first row, None where there is none."""
        rows = self.all(session, **parameters)
        return rows[0] if rows else None

    def scalar(self, session: Session, **parameters: Any) -> Any:
        """The first column of the first row, None where there is none."""
        row = self.first(session, **parameters)
        return None if row is None else row[0]

    def _compile(self, dialect: Dialect, lengths: tuple[tuple[str, int], ...]) -> _Compiled:
        compiled: Any = self._statement.compile(dialect=dialect)
        # Lists stand in the text as so many parameters; values do not matter here.
        values = dict.fromkeys(compiled.binds)
        values |= {name: [0] * length for name, length in lengths}
        expanded = compiled.construct_expanded_state(values)
        names = tuple(expanded.positiontup or expanded.parameters)
        lists = {f"{name}_{place + 1}": name for name, length in lengths for place in range(length)}
        bound = {name: compiled.binds[lists.get(name, name)] for name in names}
        binds = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect)
            for name, bind in bound.items()
            if not isinstance(bind.type, LargeBinary)  # both drivers take bytes as they are
        }
        results = (
            (place, column.type.dialect_impl(dialect).result_processor(dialect, None))
            for place, column in enumerate(self._columns)
        )
        return _Compiled(
            sql=expanded.statement,
            names=names,
            positional=bool(expanded.positiontup),
            constants={
                name: bind.effective_value
                for name, bind in bound.items()
                if not bind.required and name not in lists
            },
            binds={name: convert for name, convert in binds.items() if convert is not None},
            results=tuple((place, convert) for place, convert in results if convert is not None),
            make=self._row._make,
        )


def _converted(row: Any, conversions: tuple[tuple[int, _Convert], ...]) -> list[Any]:
    values = list(row)
    for place, convert in conversions:
        values[place] = convert(values[place])
    return values
