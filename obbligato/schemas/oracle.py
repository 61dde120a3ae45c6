"""What the oracle answers. Amounts are millionths of a dollar, quantities millionths of a unit, times seconds.

Members that a newer oracle adds are ignored; those below are checked. The oracle makes its answers of these
models, and the clients read them with the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
)

from obbligato.documents.file_inputs import named
from obbligato.protocol.constants import UINT64_MAX, Metric, Pricing, Tier
from obbligato.protocol.rows import Row
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import Address, Bytes32, as_tuple
from obbligato.schemas.attestation import HEADER_SCHEMA
from obbligato.schemas.problems import LineErrors

MAX_UNLICENSED: Final = 100
"""How many unlicensed sums a summary lists; the others are counted."""


class State(StrEnum):
    """How far a submission, or one part of it, has come."""

    RECEIVED = "received"
    VALIDATED = "validated"
    """Metered and priced: its headers wait for the platform's signature."""
    SIGNED = "signed"
    """The platform has signed: attestations are being collected, part by part."""
    ATTESTED = "attested"
    SUBMITTED = "submitted"
    UNFUNDED = "unfunded"
    """On the chain, but the escrow is short: deposit."""
    CHALLENGEABLE = "challengeable"
    CONTESTED = "contested"
    SETTLED = "settled"
    REJECTED = "rejected"
    QUOTED = "quoted"
    """A dry run, priced."""
    WITHDRAWN = "withdrawn"
    """Taken back by the platform before it signed."""

    @property
    def has_ended(self) -> bool:
        """Nothing will change any more."""
        return self in (State.SETTLED, State.REJECTED, State.QUOTED, State.WITHDRAWN)

    @property
    def waits_for_the_platform(self) -> bool:
        """Nothing will change before the platform signs or deposits."""
        return self in (State.VALIDATED, State.UNFUNDED)

    def has_reached(self, other: State) -> bool:
        """Whether a report in this state has come at least as far as `other`."""
        if self in _WAY and other in _WAY:
            return _WAY.index(self) >= _WAY.index(other)
        return self is other


_WAY = (
    State.RECEIVED,
    State.VALIDATED,
    State.SIGNED,
    State.ATTESTED,
    State.SUBMITTED,
    State.UNFUNDED,
    State.CHALLENGEABLE,
    State.CONTESTED,
    State.SETTLED,
)
"""The way of a report that is accepted."""


READABLE: Final = {"readable": True}
"""A context for serializing: whole numbers as numbers and pricing by its name.

On the wire whole numbers are digits, and pricing is its number.
"""


def _from_digits(value: object) -> object:
    """A whole number that may come as its decimal digits."""
    decimal = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 39
    return int(value) if decimal and isinstance(value, str) else value


def _to_digits(value: int, info: SerializationInfo) -> int | str:
    return value if info.context == READABLE else str(value)


def _pricing(value: Pricing, info: SerializationInfo) -> int | str:
    return value.name if info.context == READABLE else value.value


def _by_name(kind: type[Tier] | type[Metric]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(kind.__members__)})


Digits = Annotated[
    int,
    BeforeValidator(_from_digits),
    Field(ge=0),
    PlainSerializer(_to_digits, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+$"}),
]
Units = Annotated[Digits, Field(le=UINT64_MAX)]
ByName = PlainSerializer(lambda member: member.name, return_type=str, when_used="json")
TierName = Annotated[
    Tier, BeforeValidator(lambda value: named(Tier, value)), ByName, _by_name(Tier)
]
MetricName = Annotated[
    Metric, BeforeValidator(lambda value: named(Metric, value)), ByName, _by_name(Metric)
]
PricingNumber = Annotated[
    Pricing,
    BeforeValidator(lambda value: named(Pricing, value)),
    PlainSerializer(_pricing, when_used="json"),
    WithJsonSchema({"type": "integer", "enum": [member.value for member in Pricing]}),
]
Header = Annotated[
    UsageReport,
    BeforeValidator(
        lambda value: UsageReport.from_json(value) if isinstance(value, dict) else value
    ),
    PlainSerializer(lambda header: header.as_json(), when_used="json"),
    WithJsonSchema(HEADER_SCHEMA),
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class StoredFile(_Answer):
    """A file that the oracle has, complete."""

    sha256: str
    size: int


class ReportedPeriod(_Answer):
    """`[start, end)`."""

    start: int
    end: int


class RejectedUsage(_Answer):
    """Why usage was refused: the first of `error_count` lines are in `errors`."""

    title: str = ""
    detail: str = ""
    errors: LineErrors = ()
    error_count: int = 0
    row: int | None = None
    """Which row the chain refuses, where it is one row."""


class UnlicensedSum(_Answer):
    """Use that no row carries, summed, with the reason."""

    license_id: int | None = None
    isrc: str | None = None
    tier: TierName
    metric: MetricName
    quantity: Digits
    reason: str


class Summary(_Answer):
    """What metering made of the usage. `unlicensed` holds the first of `unlicensed_count` sums."""

    events: int = 0
    duplicates: int = 0
    skipped: int = 0
    rejections: LineErrors = ()
    rows: int = 0
    parts: int = 0
    total_units: Digits = 0
    unlicensed_count: int = 0
    unlicensed: Annotated[tuple[UnlicensedSum, ...], BeforeValidator(as_tuple)] = ()
    resolved: dict[str, int] = Field(default_factory=dict)
    """The licence that each used ISRC was taken for."""


class AttesterAnswer(_Answer):
    """How one attester answered about a part: signed, refused, unreachable or lied."""

    url: str
    signer: str | None = None
    outcome: str
    reason: str | None = None


class Part(_Answer):
    """One report of a submission; `header` is what the platform signs, with `report_id` its digest."""

    part: int
    state: State
    report_id: Bytes32 | None = None
    header: Header | None = None
    rows: int
    total_units: Units
    evidence: str
    window_end: int | None = None
    final: bool = False
    transaction: str | None = None
    waiting: str | None = None
    attestations: Annotated[tuple[AttesterAnswer, ...], BeforeValidator(as_tuple)] = ()


class Submission(_Answer):
    """What a platform sent for one model and period, and what became of it."""

    id: str
    platform_id: int
    model_id: Bytes32
    period: ReportedPeriod
    pricing: PricingNumber
    dry_run: bool
    state: State
    waiting: str | None = None
    created_at: int
    updated_at: int
    problem: RejectedUsage | None = None
    salt: Annotated[Bytes32 | None, Field(repr=False)] = None
    """The platform's own: with it, it can show which of its events a public hash is."""
    summary: Summary | None = None
    reports: Annotated[tuple[Part, ...], BeforeValidator(as_tuple)] = ()


class SubmissionLine(_Answer):
    """A submission in a list."""

    id: str
    model_id: Bytes32
    period: ReportedPeriod
    pricing: PricingNumber
    dry_run: bool
    state: State
    created_at: int


class SubmissionPage(_Answer):
    """Some submissions, newest first; `next` is the cursor of the following ones."""

    items: tuple[SubmissionLine, ...]
    next: str | None = None


class PricedRow(_Answer):
    """A row of a part with what it costs and the split that gets it."""

    license_id: int
    tier: TierName
    metric: MetricName
    quantity: Units
    amount_units: Units
    split_id: int

    @property
    def row(self) -> Row:
        return Row(self.license_id, self.tier, self.metric, self.quantity)


class PricedRows(_Answer):
    """The rows of one part."""

    rows: tuple[PricedRow, ...]


class NewKey(_Answer):
    """An API key just made: `key` is in this answer alone."""

    id: str
    key: str = Field(repr=False)
    label: str = ""
    scopes: tuple[str, ...] = ()


class KnownKey(_Answer):
    """An API key of the platform, without its secret."""

    id: str
    label: str = ""
    scopes: tuple[str, ...] = ()
    created_at: int | None = None
    revoked_at: int | None = None


class KnownKeys(_Answer):
    """The API keys of the platform."""

    items: Annotated[tuple[KnownKey, ...], BeforeValidator(as_tuple)]


class PayoutAnswer(_Answer):
    """From what amount on a payee is paid without claiming."""

    account: Address
    minimum: Units


class AttesterQuorum(_Answer):
    """The attesters that the chain knows, and which of the leader's URLs answer."""

    members: tuple[Address, ...]
    config_version: int
    quorum: int
    urls: dict[str, bool]
    single: bool
    inside_this_process: int


class StandingAlert(_Answer):
    """What is wrong since when."""

    key: str
    words: str
    since: int


class LeaderStatus(_Answer):
    """The leader: its chain and contracts, who attests, how many things are in which state."""

    model_config = ConfigDict(extra="allow")

    chain_id: int
    contracts: dict[str, Address]
    block: int
    sender: Address
    attesters: AttesterQuorum
    submissions: dict[str, int]
    transactions: dict[str, int]
    alerts: tuple[StandingAlert, ...]
