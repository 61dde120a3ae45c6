"""Field types every model shares: whole numbers by width, 32-byte digests, checked addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any, Final, Self, TypeVar

from eth_utils.address import to_checksum_address
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Pricing, Role, Tier

ZERO_ADDRESS: Final = "0x" + "00" * 20
ZERO_DIGEST: Final = bytes(32)

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX_32 = re.compile(r"0x[0-9a-fA-F]{64}")

_REASONS: Final = {
    "int_type": "{input!r} is a {kind}: give a whole number as an int",
    "bool_type": "{input!r} is a {kind}: give true or false",
    "tuple_type": "{input!r} is a {kind}: give a list",
    "extra_forbidden": "is not known here: leave it out, or check its spelling",
    "missing": "is missing: give it",
}
"""Pydantic's reasons, reworded where they do not say what to do."""

AnyEnum = TypeVar("AnyEnum", bound=IntEnum)


class Strict(BaseModel):
    """Base of every model: frozen, no unknown fields, no conversions; raises InputError.

    Fields are snake_case in Python and camelCase in JSON; both spellings are read.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _as_input_error(error) from error

    @classmethod
    def read(cls, data: object) -> Self:
        """An instance of plain data (as `json.loads` gives it). Raises InputError."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _as_input_error(error) from error


def _as_input_error(error: ValidationError) -> InputError:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    cause = first.get("ctx", {}).get("error")
    if not isinstance(cause, InputError):
        template = _REASONS.get(first["type"])
        reason = (
            first["msg"]
            if template is None
            else template.format(input=first["input"], kind=type(first["input"]).__name__)
        )
        return InputError(reason, field=".".join(path) or None)
    if cause.field:
        path.append(cause.field)
    return InputError(cause.reason, field=".".join(path) or None, row=cause.row)


def whole_number(value: object, *, field: str, least: int = 0, most: int) -> int:
    """`value` if it is an int (no bool, float or str) within [least, most]; else InputError."""
    if type(value) is not int:
        raise InputError(
            f"{value!r} is a {type(value).__name__}: give a whole number as an int", field=field
        )
    if not least <= value <= most:
        raise InputError(f"{value} is not from {least} to {most}", field=field)
    return value


def checked_address(value: object) -> str:
    """An address with its EIP-55 checksum, from lower case or from a correct checksum.

    Raises InputError for anything else: mixed case that does not match is a mistyped address.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise InputError(f"{value!r} is not an address: give 0x and 40 hexadecimal digits")
    checksummed = str(to_checksum_address(value))
    if value != value.lower() and value != checksummed:
        raise InputError(
            f"{value} does not match its EIP-55 checksum: check every digit against the source, "
            "and give it in lower case only once you are sure"
        )
    return checksummed


def checked_bytes32(value: object) -> bytes:
    """32 bytes, from bytes or from 0x and 64 hexadecimal digits. Raises InputError."""
    if isinstance(value, bytes) and len(value) == 32:
        return bytes(value)
    if isinstance(value, str) and _HEX_32.fullmatch(value):
        return bytes.fromhex(value[2:])
    raise InputError(f"{value!r} is not 32 bytes: give bytes, or 0x and 64 hexadecimal digits")


def member_of(kind: type[AnyEnum]) -> Callable[[object], AnyEnum]:
    """A converter from a member's number (an int, nothing else) to the member."""

    def convert(value: object) -> AnyEnum:
        if isinstance(value, kind):
            return value
        if type(value) is int and value in kind._value2member_map_:
            return kind(value)
        known = ", ".join(f"{member.value} {member.name}" for member in kind)
        raise InputError(f"{value!r} is no {kind.__name__.lower()}: use one of {known}")

    return convert


def as_tuple(value: object) -> object:
    """Lists become tuples, so that frozen models hold nothing that changes."""
    return tuple(value) if isinstance(value, list) else value


def _up_to(bits: int) -> Any:
    return Field(ge=0, le=2**bits - 1)


def _hex_schema(digits: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^0x[0-9a-fA-F]{{{digits}}}$"})


UInt8 = Annotated[int, _up_to(8)]
UInt16 = Annotated[int, _up_to(16)]
UInt32 = Annotated[int, _up_to(32)]
UInt64 = Annotated[int, _up_to(64)]
UInt256 = Annotated[int, _up_to(256)]

Address = Annotated[str, BeforeValidator(checked_address), _hex_schema(40)]
Bytes32 = Annotated[
    bytes,
    BeforeValidator(checked_bytes32),
    PlainSerializer(lambda value: "0x" + value.hex(), return_type=str, when_used="json"),
    _hex_schema(64),
]
TierField = Annotated[Tier, BeforeValidator(member_of(Tier))]
MetricField = Annotated[Metric, BeforeValidator(member_of(Metric))]
RoleField = Annotated[Role, BeforeValidator(member_of(Role))]
PricingField = Annotated[Pricing, BeforeValidator(member_of(Pricing))]
