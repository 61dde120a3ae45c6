"""Every error this package raises on purpose.

ObbligatoError
├── InputError (also a ValueError)   a value is malformed; names the field or the row
├── RefusedError                     well formed, but the rules of the protocol say no
│   └── ContractRefused              a contract said no: carries its error's name and data
├── DigestMismatch                   bytes are not what their digest promises
├── NotFound                         nobody asked had it
└── ChainError                       the chain could not be asked, or is not the one expected

`obbligato.store` adds StoreError below the first.

Messages say what to do about it. Rows are counted from 0, as the contracts count them.
"""

from __future__ import annotations

from collections.abc import Mapping


class ObbligatoError(Exception):
    """The base of every error below."""


class InputError(ObbligatoError, ValueError):
    """A value is malformed.

    `reason` says what is wrong and how to put it right; `field` is the dotted path of the value
    within its object and `row` its position in a list, where there is one.
    """

    def __init__(self, reason: str, *, field: str | None = None, row: int | None = None) -> None:
        super().__init__(_located(reason, field=field, row=row))
        self.reason = reason
        self.field = field
        self.row = row


class RefusedError(ObbligatoError):
    """The rules refuse a well-formed act or row; `row` is the first bad row of a report."""

    def __init__(self, reason: str, *, row: int | None = None) -> None:
        super().__init__(_located(reason, field=None, row=row))
        self.reason = reason
        self.row = row


class ContractRefused(RefusedError):  # noqa: N818 -- says what happened
    """A contract reverted: `error` is the name of its error, `arguments` what the error carried."""

    def __init__(
        self, error: str, arguments: Mapping[str, object] | None = None, *, row: int | None = None
    ) -> None:
        self.error = error
        self.arguments = dict(arguments or {})
        listed = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        super().__init__(f"the contract refused: {error}({listed})", row=row)


class DigestMismatch(ObbligatoError):  # noqa: N818 -- says what happened
    """Bytes hash to `found` where `expected` was promised: ask another source for them."""

    def __init__(self, what: str, *, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"{what} hashes to 0x{found.hex()}, not to 0x{expected.hex()}: "
            "do not use it, fetch it from another source"
        )
        self.what = what
        self.expected = expected
        self.found = found


class NotFound(ObbligatoError):  # noqa: N818 -- says what happened
    """What was asked for is not there."""


class ChainError(ObbligatoError):
    """The chain could not be asked, or is not the chain that was expected."""


def _located(reason: str, *, field: str | None, row: int | None) -> str:
    places = [f"row {row}"] if row is not None else []
    if field:
        places.append(field)
    return f"{', '.join(places)}: {reason}" if places else reason
