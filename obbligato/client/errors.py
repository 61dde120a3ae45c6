"""What goes wrong between somebody and a service, as errors.

ObbligatoError
├── ApiProblem                 a service said no: an HTTP status and a problem document (RFC 9457)
│   ├── OracleProblem
│   └── BackendProblem
├── ServiceUnreachable         nobody answered, or not as this service does
│   ├── OracleUnreachable
│   └── BackendUnreachable
├── StillWaiting               the time was up before a submission or an act got as far as it should
└── RefusedError               nothing was signed, because what the service wants signed is not
    ├── HeaderRefused            what was sent to the oracle
    └── ActRefused               what the backend was asked to prepare
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from obbligato.errors import ObbligatoError, RefusedError
from obbligato.schemas.problems import LineError

MESSAGE_ERRORS: Final = 5
"""How many of a problem's errors its message repeats."""


class ApiProblem(ObbligatoError):  # noqa: N818 -- the word of RFC 9457
    """A service said no: `status` is HTTP's, `detail` its reason, `field` and `errors` what is wrong."""

    service: ClassVar[str] = "service"

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Iterable[LineError] = (),
        field: str | None = None,
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.field = field
        reason = detail or title
        named = f"{field}: {reason}" if field and field not in reason else reason
        more = [str(error) for error in self.errors[:MESSAGE_ERRORS] if error.reason not in detail]
        super().__init__("; ".join([f"the {self.service} answered {status}: {named}", *more]))


class OracleProblem(ApiProblem):
    """The oracle said no."""

    service = "oracle"


class BackendProblem(ApiProblem):
    """The backend said no."""

    service = "backend"


class ServiceUnreachable(ObbligatoError):  # noqa: N818 -- says what happened
    """Nobody answered, or not as this service does; the message names the host alone."""


class OracleUnreachable(ServiceUnreachable):
    """Nobody answered, or what answered is not an oracle."""


class BackendUnreachable(ServiceUnreachable):
    """Nobody answered, or what answered is not a backend."""


class StillWaiting(ObbligatoError):  # noqa: N818 -- says what happened
    """The time is up; the submission or act goes on without being watched."""


class HeaderRefused(RefusedError):  # noqa: N818 -- says what happened
    """What the oracle wants signed is not what was sent to it: nothing was signed."""


class ActRefused(RefusedError):  # noqa: N818 -- says what happened
    """What the backend wants signed is not what it was asked for: nothing was signed. `field` differs."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(f"nothing was signed: {f'{field}: ' if field else ''}{reason}")
        self.field = field
