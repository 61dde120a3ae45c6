"""Reading a catalogue's CSV: UTF-8 with or without BOM, any line ends, quotes with line breaks in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.catalogues.columns import MOST_BYTES, MOST_LINES, check_header
from obbligato.errors import InputError
from obbligato.service.http import Problem

FILE = "file"


@dataclass(frozen=True, slots=True)
class FileLine:
    """One record, by the line of the file that it begins on (the header is line 1)."""

    line: int
    cells: dict[str, str]
    """What is not empty, by column."""
    problem: str | None = None
    """Why it cannot be read as one of the header's columns."""


def read_file(data: bytes, *, extra: Sequence[str] = ()) -> list[FileLine]:
    """The records of a file; `extra` columns are allowed beside those of a catalogue.

    Raises InputError naming the line or the column where it is no such file as a whole, Problem 413.
    """
    if len(data) > MOST_BYTES:
        raise Problem(
            413,
            "Too large",
            f"The file has more than {MOST_BYTES} bytes: divide it into several catalogues.",
            field=FILE,
        )
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


def _records(reader: Iterator[list[str]], header: list[str]) -> Iterator[FileLine]:
    begins: int = reader.line_num + 1  # type: ignore[attr-defined]  # csv.reader has no public type
    for values in reader:
        line, begins = begins, reader.line_num + 1  # type: ignore[attr-defined]
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
