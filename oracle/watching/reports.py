"""Reports as the chain announced them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from obbligato.chain.client import Chain
from obbligato.documents.evidence import Period
from obbligato.ledger.events import Event, read_events
from obbligato.rules.rows import Credit, Row, unpack_credits, unpack_rows
from obbligato.typed_data import UsageReport


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


def reports_in(chain: Chain, since: int, until: int) -> Iterator[SeenReport]:
    """The reports submitted in blocks `since..until`, in order. Raises ChainError."""
    for event in read_events(chain, since=since, until=until, contracts=("UsageOracle",)):
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
