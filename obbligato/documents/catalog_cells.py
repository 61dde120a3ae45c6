"""The cells of a catalogue's lines: each is read by itself, so that all errors of a line are listed at once.

The backend prepares mints from these values; the client reads the same file and compares each mint with it before it
signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from obbligato.documents.catalog_csv import PRICE_COLUMNS, REQUIRED, TERMS_COLUMNS
from obbligato.documents.identifiers import checked_release_date, compact_isrc, compact_iswc
from obbligato.documents.license import Contributor, ImageUri, Name, Recording
from obbligato.documents.model import Text
from obbligato.documents.presets import preset_named
from obbligato.documents.terms_input import terms_from
from obbligato.errors import InputError
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    MAX_TERM_DAYS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    Flag,
)
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import ZERO_ADDRESS, checked_address, checked_bytes32

MOST_REASON: Final = 400
"""Characters: a reason may repeat a cell, and cells can be long."""
NO_PRICE: Final = "not offered"
NO_FLAGS: Final = "none"

_SCOPES: Final = ("recording", "composition", "stems", "voice")
_NUMBERS: Final = {
    "term_days": (MIN_TERM_DAYS, MAX_TERM_DAYS),
    "influence_cap_bps": (0, MAX_INFLUENCE_CAP_BPS),
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_BAR: Final = re.compile(r"(?<!\\)\|")
_TITLE: Final[TypeAdapter[str]] = TypeAdapter(Text)
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_IMAGE: Final[TypeAdapter[str]] = TypeAdapter(ImageUri)

Value = TypeVar("Value")


class LineErrors:
    """The errors of a line, by column."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def add(self, field: str, reason: str, *, other_line: int | None = None) -> None:
        """Add one; `other_line` is the line of the same file that it collides with."""
        other = {} if other_line is None else {"other_line": other_line}
        short = reason if len(reason) <= MOST_REASON else reason[: MOST_REASON - 1] + "…"
        self.items.append({"field": field, "reason": short, **other})

    def read(self, field: str, parse: Callable[[], Value]) -> Value | None:
        """The parsed value, or None and one more error of this column."""
        try:
            return parse()
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


def parse_list(cell: str) -> list[str]:
    r"""The parts of a cell between bars; `\|` is a bar within a part. A single part keeps its spaces."""
    parts = [part.replace("\\|", "|") for part in _BAR.split(cell)]
    return parts if len(parts) == 1 else [part.strip() for part in parts]


def recording_of(cells: Mapping[str, str], errors: LineErrors) -> Recording | None:
    """The recording of a line without its scope; None where a cell of it has an error."""
    before = len(errors.items)
    values: dict[str, Any] = {}
    for column, parse in _FACTS.items():
        if column in cells:
            values[column] = errors.read(column, partial(parse, cells[column]))
        elif column in REQUIRED:
            errors.add(column, "is empty: every line needs it")
    if len(errors.items) > before:
        return None
    return errors.read("title", lambda: Recording(**values))


def content_of(cells: Mapping[str, str]) -> bytes | None:
    """The content hash, or None where the cell holds none."""
    try:
        return _content(cells.get("content_hash", ""))
    except InputError:
        return None


def isrc_of(cells: Mapping[str, str]) -> str | None:
    """The ISRC, or None where the cell holds none."""
    try:
        return compact_isrc(cells["isrc"].strip()) if "isrc" in cells else None
    except InputError:
        return None


def parse_account(cell: str) -> str:
    """An account that is not the zero address. Raises InputError."""
    account = checked_address(cell.strip())
    if account == ZERO_ADDRESS:
        raise InputError("is the zero address: name an account that someone holds")
    return account


def parse_scope(cell: str) -> tuple[str, ...]:
    """The parts of the recording that are licensed. Raises InputError."""
    parts = tuple(part.strip().lower() for part in cell.split("|"))
    for part in parts:
        if part not in _SCOPES:
            raise InputError(f"{part[:40]!r} is nothing to cover: use {', '.join(_SCOPES)}")
    if len(set(parts)) != len(parts):
        raise InputError("names something twice")
    return parts


def parse_image(cell: str) -> str:
    """The address of an image. Raises InputError, ValidationError."""
    return _IMAGE.validate_python(cell.strip())


def parse_flags(cell: str) -> list[str]:
    """Flags by name; `none` for no flag. Raises InputError."""
    if cell.strip().lower() == NO_FLAGS:
        return []
    names = [part.strip().upper() for part in cell.split("|")]
    if len(names) > len(Flag):
        raise InputError(f"names {len(names)} flags: there are {len(Flag)}")
    for name in names:
        if name not in Flag.__members__:
            raise InputError(
                f"{name[:40]!r} is no flag: use {', '.join(Flag.__members__)} with | between them, or {NO_FLAGS}"
            )
    return names


def parse_whole(cell: str, *, least: int, most: int) -> int:
    """A whole number. Raises InputError."""
    text = cell.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise InputError(f"{text[:40]!r} is not a whole number: give digits only")
    if not least <= int(text) <= most:
        raise InputError(f"{text} is not from {least} to {most}")
    return int(text)


def parse_payees(cell: str) -> Iterator[dict[str, str]]:
    """`account`, `share_ppm` and `role` of each payee, with bars between payees. Raises InputError."""
    for number, part in enumerate(cell.split("|"), start=1):
        words = [word.strip() for word in part.split(":")]
        if len(words) != 3:
            raise InputError(
                f"payee {number} is not account:share_ppm:role, as 0x…:650000:performer"
            )
        role = words[2].lower().replace("_", " ")
        yield {"account": words[0], "share_ppm": words[1], "role": role}


def terms_of(
    cells: Mapping[str, str], default_preset: str | None, errors: LineErrors
) -> Terms | None:
    """The terms of a line; None where a cell of them has an error."""
    before = len(errors.items)
    name = cells["preset"].strip().lower() if "preset" in cells else default_preset
    preset = None if name is None else errors.read("preset", lambda: preset_named(name[:40]))
    data: dict[str, Any] = {
        "preset": preset.name if preset else None,
        "tiers": _tiers(cells, errors),
    }
    for column, (least, most) in _NUMBERS.items():
        if column in cells:
            parse = partial(parse_whole, cells[column], least=least, most=most)
            data[column] = errors.read(column, parse)
    if "flags" in cells:
        data["flags"] = errors.read("flags", lambda: parse_flags(cells["flags"]))
    if len(errors.items) == before and preset is None and not data["tiers"]:
        errors.add("preset", "says nothing about what is allowed: name a preset, or give prices")
    if len(errors.items) > before:
        return None
    try:
        return terms_from(data)
    except InputError as error:
        errors.add(error.field if error.field in TERMS_COLUMNS else "flags", error.reason)
    return None


def _tiers(cells: Mapping[str, str], errors: LineErrors) -> dict[str, dict[str, int | None]]:
    """The tiers that have a price on this line, each with its prices."""
    tiers: dict[str, dict[str, int | None]] = {}
    for column in PRICE_COLUMNS:
        if column in cells:
            tier, _, price = column.partition(".")
            tiers.setdefault(tier, {})[price] = _price(column, cells[column], errors)
    return tiers


def _price(column: str, cell: str, errors: LineErrors) -> int | None:
    if cell.strip().lower() == NO_PRICE and not column.endswith("grant_fee_units"):
        return None
    return errors.read(column, lambda: parse_whole(cell, least=0, most=NOT_OFFERED - 1))


def _content(cell: str) -> bytes:
    text = cell.strip()
    return checked_bytes32("0x" + text if _HEX.fullmatch(text) else text.replace("0X", "0x", 1))


def _artists(cell: str) -> tuple[str, ...]:
    return tuple(_NAME.validate_python(part) for part in parse_list(cell))


def _contributors(cell: str) -> tuple[Contributor, ...]:
    made = []
    for number, part in enumerate(parse_list(cell), start=1):
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
