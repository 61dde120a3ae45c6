"""What goes wrong between somebody and the backend, as errors.

ObbligatoError
├── ApiProblem
│   └── BackendProblem         the backend said no, with an HTTP status and a problem document (RFC 9457)
├── OracleUnreachable
│   └── BackendUnreachable     nobody answered, or not as a backend does
├── StillWaiting               an act did not get as far as was waited for
└── RefusedError
    └── ActRefused             what the backend wants signed is not what was asked for
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import httpx

from obbligato.errors import ObbligatoError, RefusedError
from obbligato.schemas.problems import LineError, line_errors

SHOWN_ERRORS = 5


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


class BackendProblem(ApiProblem):
    """The backend said no: `status` is HTTP's, `detail` its reason, `field` what of the request is wrong."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Iterable[LineError] = (),
        field: str | None = None,
    ) -> None:
        super().__init__(status, title, detail, errors)
        self.field = field
        reason = detail or title
        named = f"{field}: {reason}" if field and field not in reason else reason
        shown = [str(error) for error in self.errors[:SHOWN_ERRORS] if error.reason not in detail]
        ObbligatoError.__init__(
            self, "; ".join([f"the backend answered {status}: {named}", *shown])
        )


class BackendUnreachable(OracleUnreachable):
    """Nobody answered, or what answered is not a backend; names the host alone."""


class ActRefused(RefusedError):  # noqa: N818 -- says what happened
    """What the backend wants signed is not what was asked for: nothing was signed. `field` differs."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(f"nothing was signed: {f'{field}: ' if field else ''}{reason}")
        self.field = field


def problem_of(answer: httpx.Response) -> BackendProblem:
    """The problem document of an answer; of anything else its status alone."""
    try:
        data = json.loads(answer.content)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return BackendProblem(
            answer.status_code, "no reason given", "it gave no reason: is it a backend?"
        )
    field = data.get("field")
    return BackendProblem(
        answer.status_code,
        str(data.get("title", "")),
        str(data.get("detail", "")),
        line_errors(data.get("errors")),
        field if isinstance(field, str) else None,
    )


def pause_asked_for(answer: httpx.Response) -> int | None:
    """How many seconds an answer asks to wait, by its header or its problem document."""
    header = answer.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return int(header)
    try:
        asked = json.loads(answer.content).get("retry_after_seconds")
    except (ValueError, AttributeError):
        return None
    return asked if type(asked) is int else None
