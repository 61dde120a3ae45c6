"""The CSV of a catalogue: bytes in, lines with their cells out. `catalog_cells` reads the cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from obbligato.documents.csv_safety import unguard_cell
from obbligato.documents.terms_input import PRICES
from obbligato.errors import InputError
from obbligato.protocol.constants import Tier

if TYPE_CHECKING:
    from _csv import Reader as _CsvReader

PRICE_COLUMNS: Final = tuple(f"{tier.name}.{price}" for tier in Tier for price in PRICES)
"""`GENERATIVE.generation_units` and so on: the price of one whole unit, in millionths of a dollar."""

REQUIRED: Final = ("title", "artists", "content_hash")
TERMS_COLUMNS: Final = ("preset", "term_days", "influence_cap_bps", "flags", *PRICE_COLUMNS)
COLUMNS: Final = (
    *REQUIRED,
    "isrc",
    "iswc",
    "release_date",
    "contributors",
    "scope",
    "image",
    "owner",
    "payees",
    *TERMS_COLUMNS,
)

LINE: Final = "line"
"""The column of a file of corrections that holds the number of the corrected line."""
REPORTED: Final = ("field", "reason")
"""Further columns of a file of errors; corrections may keep them."""

FILE: Final = "file"
"""The field of errors of the file as a whole."""
MOST_LINES: Final = 10_000
MOST_BYTES: Final = 8 * 2**20


def check_header(names: Sequence[str], *, extra: Sequence[str] = ()) -> None:
    """Raises InputError naming the first column that is unknown, missing or there twice."""
    known = {*COLUMNS, *extra}
    for name in names:
        if name not in known:
            label = name[:60] or "a column without a name"
            raise InputError(
                f"{label!r} is no column of a catalogue: take it out, or use {', '.join(COLUMNS[:12])}, "
                "term_days, influence_cap_bps, flags or a price such as GENERATIVE.generation_units",
                field=name[:60] or "file",
            )
        if names.count(name) > 1:
            raise InputError("is there twice: keep one", field=name)
    needed = (*REQUIRED, LINE) if LINE in extra else REQUIRED
    for name in needed:
        if name not in names:
            raise InputError("is missing: the first line names the columns", field=name)


@dataclass(frozen=True, slots=True)
class FileLine:
    """One record, by the line of the file that it begins on (the header is line 1)."""

    line: int
    cells: dict[str, str]
    """The cells that are not empty, by column."""
    problem: str | None = None
    """Why its cells do not fit the header."""


def read_file(data: bytes, *, extra: Sequence[str] = ()) -> list[FileLine]:
    """The records of a file; `extra` columns are allowed beside those of a catalogue.

    Raises InputError naming the line or the column where the file as a whole cannot be read.
    """
    reader = csv.reader(io.StringIO(_text(data), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        check_header(header, extra=extra)
        lines = []
        for line in _records(reader, header):
            lines.append(line)
            if len(lines) > MOST_LINES:
                raise InputError(
                    f"has more than {MOST_LINES} lines: divide it into several catalogues",
                    field=FILE,
                )
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: not CSV: {error}", field=FILE) from None
    if not lines:
        raise InputError("has no lines after its header", field=FILE)
    return lines


def _records(reader: _CsvReader, header: list[str]) -> Iterator[FileLine]:
    begins = reader.line_num + 1
    for values in reader:
        line, begins = begins, reader.line_num + 1
        if not any(value.strip() for value in values):
            continue
        problem = None
        if len(values) != len(header):
            problem = (
                f"has {len(values)} cells for {len(header)} columns: look for a missing comma, or quote cells "
                "with commas in them"
            )
        cells = {name: value for name, value in zip(header, values, strict=False) if value.strip()}
        yield FileLine(line, cells, problem)


@dataclass(frozen=True, slots=True)
class Correction:
    """One record of a corrected file of errors: the new cells of a line."""

    file_line: int
    """The line of this file that the record begins on."""
    label: str
    """The cell that names the corrected line."""
    cells: dict[str, str]
    """The new cells that are not empty, without the apostrophes that guard them."""
    problem: str | None

    @property
    def line(self) -> int | None:
        """The number of the corrected line, or None where the cell holds none."""
        is_number = self.label.isascii() and self.label.isdigit() and len(self.label) < 10
        return int(self.label) if is_number else None


def read_corrections(data: bytes) -> list[Correction]:
    """The records of a corrected file of errors. Raises InputError as `read_file` does."""
    records = read_file(data, extra=(LINE, *REPORTED))
    return [
        Correction(
            record.line,
            record.cells.get(LINE, "").strip(),
            {
                column: unguard_cell(cell)
                for column, cell in record.cells.items()
                if column not in (LINE, *REPORTED)
            },
            record.problem,
        )
        for record in records
    ]


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"line {line}: byte {error.start} is not UTF-8: save the file as “CSV UTF-8”",
            field=FILE,
        ) from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise InputError(f"line {line}: holds a NUL character: remove it", field=FILE)
    return text
