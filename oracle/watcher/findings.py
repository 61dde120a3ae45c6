"""What the watcher finds wrong with a report, as data; and what it states when it challenges a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from obbligato.chain.events import Event
from obbligato.documents.canonical import DecimalUInt64
from obbligato.documents.evidence import Period
from obbligato.documents.model import Document
from obbligato.protocol.rows import Credit, Row, unpack_credits, unpack_rows
from obbligato.protocol.rulings import RowKey
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import Bytes32, MetricField, TierField, UInt32


@dataclass(frozen=True, slots=True)
class SeenReport:
    """One report of a `ReportSubmitted` event in `block`."""

    report_id: bytes
    header: UsageReport
    rows: tuple[Row, ...]
    credits: tuple[Credit, ...]
    packed_rows: bytes
    packed_credits: bytes
    block: int

    @property
    def period(self) -> Period:
        return Period(start=self.header.period_start, end=self.header.period_end)

    @property
    def case(self) -> tuple[Any, ...]:
        """What a challenge of one of its rows must show."""
        return (tuple(self.header.model_dump().values()), self.packed_rows, self.packed_credits)


def reports_of(events: Iterable[Event]) -> Iterator[SeenReport]:
    """The reports that these events submit, in order."""
    for event in events:
        if event.name == "ReportSubmitted":
            yield _seen(event)


def _seen(event: Event) -> SeenReport:
    return SeenReport(
        report_id=event["reportId"],
        header=UsageReport.read(event["report"]),
        rows=tuple(unpack_rows(event["rows"])),
        credits=tuple(unpack_credits(event["credits"])),
        packed_rows=event["rows"],
        packed_credits=event["credits"],
        block=event.block,
    )


SCHEMA_VERSION: Literal[1] = 1


class FindingKind(StrEnum):
    """What is wrong."""

    OVERSTATED = "overstated"
    UNDERSTATED = "understated"
    OMITTED = "omitted"
    INVENTED = "invented"
    MISSING = "evidence missing"
    TAMPERED = "evidence tampered"
    """A store served other bytes than the digest promises."""
    MALFORMED = "evidence malformed"
    REFUSED = "evidence refused"
    """It contradicts itself, the report or the licences: events outside consent above all."""
    ABOVE_CAP = "influence above cap"


CONTESTABLE = frozenset(
    {FindingKind.OVERSTATED, FindingKind.UNDERSTATED, FindingKind.OMITTED, FindingKind.INVENTED}
)
"""A row with another quantity: what a challenge can be about."""

UNSEEN = frozenset({FindingKind.MISSING, FindingKind.TAMPERED})
"""Nothing is proven either way: the report is looked at again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a report.

    `row` is the row it is about, if it is about one; quantities are in millionths of a unit, 0 for a
    row that is not there. `words` is for people.
    """

    report_id: bytes
    kind: FindingKind
    words: str
    row: RowKey | None = None
    reported: int | None = None
    by_evidence: int | None = None

    @property
    def contestable(self) -> bool:
        """Whether a challenge of the row can put it right."""
        return self.kind in CONTESTABLE

    def __str__(self) -> str:
        where = ""
        if self.row is not None:
            where = " licence {}, tier {}, metric {}".format(*self.row)
        return f"report 0x{self.report_id.hex()}{where}: {self.kind}: {self.words}"

    def as_json(self) -> dict[str, Any]:
        """Plain data: quantities as decimal strings."""
        data = asdict(self)
        data["report_id"] = "0x" + self.report_id.hex()
        for name in ("reported", "by_evidence"):
            data[name] = None if data[name] is None else str(data[name])
        return data

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        """The finding of its JSON."""
        row = data["row"]
        return cls(
            report_id=bytes.fromhex(data["report_id"][2:]),
            kind=FindingKind(data["kind"]),
            words=data["words"],
            row=None if row is None else (int(row[0]), int(row[1]), int(row[2])),
            reported=None if data["reported"] is None else int(data["reported"]),
            by_evidence=None if data["by_evidence"] is None else int(data["by_evidence"]),
        )


class ChallengeStatement(Document):
    """What a challenge of the watcher rests on: anybody can recompute it from the report's evidence.

    Quantities are in millionths of a unit, 0 for a row that is not there. `evidence` is the digest of
    the report's own evidence document.
    """

    type: Literal["obbligato.challenge"] = "obbligato.challenge"
    schema_version: Literal[1] = SCHEMA_VERSION
    report_id: Bytes32
    license_id: Annotated[UInt32, Field(ge=1)]
    tier: TierField
    metric: MetricField
    reported: DecimalUInt64
    by_evidence: DecimalUInt64
    evidence: Bytes32
