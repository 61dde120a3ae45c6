"""What the cells of one line say: each is read by itself, so that every error of a line is found at once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from obbligato.documents.identifiers import checked_release_date, compact_isrc, compact_iswc
from obbligato.documents.license import Contributor, ImageUri, Name, Recording
from obbligato.documents.model import Text
from obbligato.errors import InputError
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.types import ZERO_ADDRESS, checked_address, checked_bytes32
from obbligato.schemas.terms import PayeeInput, SplitInput
from obbligato.server.http import Problem

if TYPE_CHECKING:
    from _csv import Reader as _CsvReader

PRICES: Final = ("training_run_units", "generation_units", "playback_units", "grant_fee_units")
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
"""Of corrections: which line of the catalogue is meant."""
REPORTED: Final = ("field", "reason")
"""What the file of errors says beside the cells; corrections may keep it."""

MOST_LINES: Final = 10_000
MOST_BYTES: Final = 8 * 2**20


def check_header(names: Sequence[str], *, extra: Sequence[str] = ()) -> None:
    """Raises InputError naming the first column that is unknown, missing or there twice."""
    known = {*COLUMNS, *extra}
    for name in names:
        if name not in known:
            shown = name[:60] or "a column without a name"
            raise InputError(
                f"{shown!r} is no column of a catalogue: take it out, or use {', '.join(COLUMNS[:12])}, "
                "term_days, influence_cap_bps, flags or a price such as GENERATIVE.generation_units",
                field=name[:60] or "file",
            )
        if names.count(name) > 1:
            raise InputError("is there twice: keep one", field=name)
    needed = (*REQUIRED, LINE) if LINE in extra else REQUIRED
    for name in needed:
        if name not in names:
            raise InputError("is missing: the first line names the columns", field=name)


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


NOT_OFFERED: Final = "not offered"
NO_FLAGS: Final = "none"
MOST_REASON: Final = 400
"""Characters: a reason may repeat what a cell says, and cells can be long."""

_SCOPES: Final = ("recording", "composition", "stems", "voice")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BAR = re.compile(r"(?<!\\)\|")
_TITLE: TypeAdapter[str] = TypeAdapter(Text)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_IMAGE: TypeAdapter[str] = TypeAdapter(ImageUri)

Read = TypeVar("Read")


class Errors:
    """What is wrong with a line, by column."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def add(self, field: str, reason: str, *, other_line: int | None = None) -> None:
        """One more; `other_line` is the line that it also depends on."""
        more = {} if other_line is None else {"other_line": other_line}
        shown = reason if len(reason) <= MOST_REASON else reason[: MOST_REASON - 1] + "…"
        self.found.append({"field": field, "reason": shown, **more})

    def read(self, field: str, what: Callable[[], Read]) -> Read | None:
        """What was read, or None and one more error under this column."""
        try:
            return what()
        except InputError as error:
            self.add(field, error.reason)
        except ValidationError as error:
            self.add(field, reason_of(error))
        return None


def reason_of(error: ValidationError) -> str:
    """The first reason of a validation error."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    return cause.reason if isinstance(cause, InputError) else str(first["msg"])


def listed(cell: str) -> list[str]:
    r"""The parts of a cell between bars; `\|` is a bar within a part. A single part is kept as it is."""
    parts = [part.replace("\\|", "|") for part in _BAR.split(cell)]
    return parts if len(parts) == 1 else [part.strip() for part in parts]


def recording(cells: Mapping[str, str], errors: Errors) -> Recording | None:
    """The recording of a line, its scope apart; None where something is wrong with it."""
    before = len(errors.found)
    known: dict[str, Any] = {}
    for column, read in _FACTS.items():
        if column in cells:
            known[column] = errors.read(column, partial(read, cells[column]))
        elif column in ("title", "artists", "content_hash"):
            errors.add(column, "is empty: every line needs it")
    if len(errors.found) > before:
        return None
    return errors.read("title", lambda: Recording(**known))


def content_of(cells: Mapping[str, str]) -> bytes | None:
    """The content hash, where it is one."""
    try:
        return _content(cells.get("content_hash", ""))
    except InputError:
        return None


def isrc_of(cells: Mapping[str, str]) -> str | None:
    """The ISRC, where it is one."""
    try:
        return compact_isrc(cells["isrc"].strip()) if "isrc" in cells else None
    except InputError:
        return None


def account(cell: str) -> str:
    """An account that somebody holds. Raises InputError."""
    found = checked_address(cell.strip())
    if found == ZERO_ADDRESS:
        raise InputError("is the zero address: name an account that someone holds")
    return found


def scope(cell: str) -> tuple[str, ...]:
    """What is covered. Raises InputError."""
    parts = tuple(part.strip().lower() for part in cell.split("|"))
    for part in parts:
        if part not in _SCOPES:
            raise InputError(f"{part[:40]!r} is nothing to cover: use {', '.join(_SCOPES)}")
    if len(set(parts)) != len(parts):
        raise InputError("names something twice")
    return parts


def image(cell: str) -> str:
    """The address of an image. Raises InputError, ValidationError."""
    return _IMAGE.validate_python(cell.strip())


def flags(cell: str) -> list[str]:
    """Flags by name; `none` for no flag. Raises InputError."""
    if cell.strip().lower() == NO_FLAGS:
        return []
    names = [part.strip().upper() for part in cell.split("|")]
    for name in names:
        if name not in Flag.__members__:
            raise InputError(
                f"{name[:40]!r} is no flag: use {', '.join(Flag.__members__)} with | between them, or {NO_FLAGS}"
            )
    return names


def whole(cell: str, *, least: int, most: int) -> int:
    """A whole number. Raises InputError."""
    text = cell.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise InputError(f"{text[:40]!r} is not a whole number: give digits only")
    if not least <= int(text) <= most:
        raise InputError(f"{text} is not from {least} to {most}")
    return int(text)


def payees(cell: str) -> SplitInput:
    """`account:share_ppm:role` with bars between them. Raises InputError, ValidationError."""
    given = []
    for number, part in enumerate(cell.split("|"), start=1):
        words = [word.strip() for word in part.split(":")]
        if len(words) != 3:
            raise InputError(
                f"payee {number} is not account:share_ppm:role, as 0x…:650000:performer"
            )
        try:
            given.append(
                PayeeInput.model_validate(
                    {
                        "account": words[0],
                        "share_ppm": words[1],
                        "role": words[2].lower().replace("_", " "),
                    }
                )
            )
        except ValidationError as error:
            raise InputError(f"payee {number}: {reason_of(error)}") from None
    return SplitInput(payees=given)


def _content(cell: str) -> bytes:
    text = cell.strip()
    return checked_bytes32("0x" + text if _HEX.fullmatch(text) else text.replace("0X", "0x", 1))


def _artists(cell: str) -> tuple[str, ...]:
    return tuple(_NAME.validate_python(part) for part in listed(cell))


def _contributors(cell: str) -> tuple[Contributor, ...]:
    made = []
    for number, part in enumerate(listed(cell), start=1):
        role, colon, name = part.partition(":")
        if not colon:
            raise InputError(f"contributor {number} is not role:name, as composer:Ana Silva")
        try:
            made.append(
                Contributor(
                    role=role.strip().lower().replace("_", " "),  # type: ignore[arg-type]  # read by its model
                    name=name.strip(),
                )
            )
        except InputError as error:
            raise InputError(f"contributor {number}: {error.reason}") from None
    return tuple(made)


_FACTS: Final[dict[str, Callable[[str], Any]]] = {
    "title": _TITLE.validate_python,
    "artists": _artists,
    "content_hash": _content,
    "isrc": lambda cell: compact_isrc(cell.strip()),
    "iswc": lambda cell: compact_iswc(cell.strip()),
    "release_date": lambda cell: checked_release_date(cell.strip()),
    "contributors": _contributors,
}
