"""What goes wrong between a platform and the oracle, as errors.

ObbligatoError
├── ApiProblem             the oracle said no, with an HTTP status and a problem document (RFC 9457)
├── OracleUnreachable      nobody answered, or not as an oracle does
├── StillWaiting           a report did not get as far as was waited for
└── RefusedError
    └── HeaderRefused      what the oracle wants signed is not what was sent
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from obbligato.errors import ObbligatoError, RefusedError

SHOWN_ERRORS = 5


class LineError(NamedTuple):
    """What is wrong with one line of one file, or with one field of a request."""

    file: str | None
    line: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        places = [self.file, None if self.line is None else f"line {self.line}", self.field]
        return ": ".join([", ".join(place for place in places if place), self.reason]).lstrip(": ")


class ApiProblem(ObbligatoError):  # noqa: N818 -- the word of RFC 9457
    """The oracle said no: `status` is HTTP's, `detail` its reason, `errors` the lines or fields."""

    def __init__(
        self, status: int, title: str, detail: str, errors: Iterable[LineError] = ()
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        shown = [str(error) for error in self.errors[:SHOWN_ERRORS] if error.reason not in detail]
        super().__init__("; ".join([f"the oracle answered {status}: {detail or title}", *shown]))


class OracleUnreachable(ObbligatoError):  # noqa: N818 -- says what happened
    """Nobody answered, or what answered is not an oracle; names the host alone."""


class StillWaiting(ObbligatoError):  # noqa: N818 -- says what happened
    """The time is up; the report goes on without being watched."""


class HeaderRefused(RefusedError):  # noqa: N818 -- says what happened
    """What the oracle asks to be signed is not what was sent: nothing was signed."""


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
