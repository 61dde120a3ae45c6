"""What platforms and payees send to the oracle."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from obbligato.documents.evidence import Period
from obbligato.documents.file_inputs import named
from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_ROWS, UINT64_MAX, Metric, Pricing, Tier
from obbligato.protocol.rows import Row
from obbligato.protocol.streams import check_length
from obbligato.protocol.types import Address, Bytes32, PricingField

MAX_READY_ROWS = 100 * MAX_ROWS
SCOPES = ("reports:write", "reports:read", "quotes")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
HexSignature = Annotated[str, Field(pattern=r"^0x(?:[0-9a-fA-F]{2}){1,2000}$")]


def _uint64(value: object) -> object:
    """A whole number, or the decimal digits of one: never a float, never a bool."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if type(value) is not int or not 0 <= value <= UINT64_MAX:
        raise InputError("give a whole number from 0 to 2^64 - 1, as digits")
    return value


UInt64Digits = Annotated[
    int,
    BeforeValidator(_uint64),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,20}$"}, {"type": "integer"}]}
    ),
]
PricingName = Annotated[
    PricingField,
    BeforeValidator(lambda value: named(Pricing, value)),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(Pricing.__members__)},
                {"type": "integer", "enum": [member.value for member in Pricing]},
            ]
        }
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileOfUsage(_Request):
    """An uploaded file. `name` is shown where a line of it is wrong."""

    sha256: Sha256
    name: Annotated[str, Field(min_length=1, max_length=200)]
    format: Literal["jsonl", "csv", "parquet"] | None = None


class ReadyRow(_Request):
    """A usage row made by the platform; `quantity` in millionths of a unit, as digits."""

    license_id: Annotated[int, Field(ge=1, le=2**32 - 1, strict=True)]
    tier: int | str
    metric: int | str
    quantity: Annotated[UInt64Digits, Field(ge=1)]

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        self.row()
        return self

    def row(self) -> Row:
        """The row. Raises InputError."""
        return Row(
            license_id=self.license_id,
            tier=named(Tier, self.tier),
            metric=named(Metric, self.metric),
            quantity=self.quantity,
        )


class PeriodRequest(_Request):
    """`[start, end)` in seconds since 1970, UTC."""

    start: Annotated[int, Field(ge=1, lt=2**40, strict=True)]
    end: Annotated[int, Field(ge=1, lt=2**40, strict=True)]

    def period(self) -> Period:
        return Period(start=self.start, end=self.end)


class ReportRequest(_Request):
    """Usage of one model in one period: files of events, or ready rows, or neither (a zero statement)."""

    model_id: Bytes32
    period: PeriodRequest
    pricing: PricingName = Pricing.METERED
    total: UInt64Digits | None = None
    files: Annotated[tuple[FileOfUsage, ...], Field(max_length=1_000)] = ()
    rows: Annotated[tuple[ReadyRow, ...], Field(max_length=MAX_READY_ROWS)] = ()
    skip_invalid: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        check_length(self.period.start, self.period.end, field="period.end")
        if self.files and self.rows:
            raise InputError("give files of events or ready rows, not both", field="rows")
        if (self.pricing is Pricing.POOL) != (self.total is not None):
            reason = "is what a POOL shares: give it with POOL, and only then"
            raise InputError(reason, field="total")
        if len({file.sha256 for file in self.files}) != len(self.files):
            raise InputError("the same file is named twice", field="files")
        return self


class SignaturesRequest(_Request):
    """The reporter's signatures of the headers, by report id (0x…)."""

    reporter: Address
    signatures: Annotated[
        dict[Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")], HexSignature],
        Field(min_length=1, max_length=10_000),
    ]


def _known_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise InputError(f"scopes are {', '.join(SCOPES)}")
    return tuple(sorted(set(scopes)))


class KeyRequest(_Request):
    """An API key to be made."""

    label: Annotated[str, Field(max_length=200)] = ""
    scopes: Annotated[tuple[str, ...], AfterValidator(_known_scopes)]


class PayoutRequest(_Request):
    """A payee asks to be paid whenever it has earned at least `minimum` millionths of a dollar."""

    minimum: Annotated[UInt64Digits, Field(ge=1)]
