"""Problem documents (RFC 9457): the lines or fields that are wrong."""

from __future__ import annotations

from typing import Any, NamedTuple


class LineError(NamedTuple):
    """What is wrong with one line of one file, or with one field of a request."""

    file: str | None
    line: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        places = [self.file, None if self.line is None else f"line {self.line}", self.field]
        return ": ".join([", ".join(place for place in places if place), self.reason]).lstrip(": ")


def line_errors(listed: Any) -> tuple[LineError, ...]:
    """The `errors` of a problem document; what is malformed in them is left out."""
    if not isinstance(listed, list):
        return ()
    return tuple(
        LineError(
            _text(each.get("file")),
            each["line"] if type(each.get("line")) is int else None,
            _text(each.get("field")),
            str(each.get("reason", "")),
        )
        for each in listed
        if isinstance(each, dict)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
