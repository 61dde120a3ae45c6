"""Identifiers of the music business, checked and brought to one spelling.

Each function takes the spellings people use (hyphens, spaces, dots, prefixes, lower case) and
returns the compact one, or raises InputError saying what is wrong.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from obbligato.errors import InputError

EARLIEST_YEAR: Final = 1857
"""Sound was first recorded in this year; earlier dates are placeholders such as 0001-01-01."""

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ISWC = re.compile(r"T[0-9]{10}")
_ISNI = re.compile(r"[0-9]{15}[0-9X]")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


def compact_isrc(text: object) -> str:
    """An ISRC (ISO 3901) as 12 characters: `US-UG1-24-00910` gives `USUG12400910`.

    It has no check digit: a well-formed one may still name nothing.
    """
    compact = _stripped(text, "ISRC", separators=" -").removeprefix("ISRC")
    if not _ISRC.fullmatch(compact):
        raise InputError(
            f"{text!r} is not an ISRC: it has 2 letters, 3 letters or digits, then 7 digits, "
            "as in AA-6Q7-20-00047"
        )
    return compact


def isrc_text(isrc: str) -> str:
    """An ISRC as people read it: `AA-6Q7-20-00047`. Raises InputError for what is none."""
    compact = compact_isrc(isrc)
    return f"{compact[:2]}-{compact[2:5]}-{compact[5:7]}-{compact[7:]}"


def compact_iswc(text: object) -> str:
    """An ISWC (ISO 15707) as T and 10 digits: `T-034.524.680-1` gives `T0345246801`."""
    compact = _stripped(text, "ISWC", separators=" -.").removeprefix("ISWC")
    if not _ISWC.fullmatch(compact):
        raise InputError(f"{text!r} is not an ISWC: it has a T and 10 digits, as T-034.524.680-1")
    digits = [int(digit) for digit in compact[1:10]]
    weighted = 1 + sum(position * digit for position, digit in enumerate(digits, start=1))
    _check_digit(text, compact[10], str(-weighted % 10), "ISWC")
    return compact


def compact_isni(text: object) -> str:
    """An ISNI (ISO 27729) as 16 characters, the last one its check digit (ISO 7064 mod 11-2)."""
    compact = _stripped(text, "ISNI", separators=" -").removeprefix("ISNI").removeprefix(":")
    if not _ISNI.fullmatch(compact):
        raise InputError(f"{text!r} is not an ISNI: it has 15 digits and a check digit (0-9 or X)")
    total = 0
    for digit in compact[:15]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    _check_digit(text, compact[15], "X" if check == 10 else str(check), "ISNI")
    return compact


def checked_release_date(text: object) -> str:
    """A release date as ISO 8601: `2024-05-04`, or `2024-05` or `2024` where no more is known."""
    if isinstance(text, str) and (match := _DATE.fullmatch(text)):
        year, month, day = (int(part) if part else 1 for part in match.groups())
        try:
            datetime.date(year, month, day)
        except ValueError as error:
            raise InputError(f"{text!r} is not in the calendar: {error}") from error
        if year < EARLIEST_YEAR:
            raise InputError(f"{text!r} is before {EARLIEST_YEAR}: leave an unknown date out")
        return text
    raise InputError(f"{text!r} is not a release date: give it as 2024-05-04, 2024-05 or 2024")


def _stripped(text: object, what: str, *, separators: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"{text!r} is not an {what}: give it as text")
    return text.upper().translate(dict.fromkeys(map(ord, separators)))


def _check_digit(text: object, last_digit: str, right: str, what: str) -> None:
    if last_digit != right:
        raise InputError(
            f"{text!r} is not an {what}: its check digit is {last_digit} where its other digits "
            f"give {right}, so one of them is mistyped"
        )


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


Isrc = Annotated[str, BeforeValidator(compact_isrc), _pattern(_ISRC.pattern)]
Iswc = Annotated[str, BeforeValidator(compact_iswc), _pattern(_ISWC.pattern)]
Isni = Annotated[str, BeforeValidator(compact_isni), _pattern(_ISNI.pattern)]
ReleaseDate = Annotated[
    str,
    BeforeValidator(checked_release_date),
    _pattern("[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"),
]
