"""What events of reports and streams change."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from backend.db.index_db import Pause, Report, ReportPayload, ReportRow, Source, Stream
from backend.indexer.handlers.payees import Earned, earn, use_of
from backend.indexer.state import State
from obbligato.chain.events import Event
from obbligato.errors import ChainError
from obbligato.protocol import streams
from obbligato.protocol.constants import ReportState
from obbligato.protocol.rows import CREDIT_BYTES, ROW_BYTES
from obbligato.protocol.typed_data import UsageReport

_ROW: Final = struct.Struct(">IBBQ")
_CREDIT: Final = struct.Struct(">IQ")
assert (_ROW.size, _CREDIT.size) == (ROW_BYTES, CREDIT_BYTES)

_COPIED: Final = {
    "platform_id": "platformId",
    "model_id": "modelId",
    "sequence": "sequence",
    "attempt": "attempt",
    "previous": "previous",
    "period_start": "periodStart",
    "period_end": "periodEnd",
    "pricing": "pricing",
    "row_count": "rowCount",
    "rows_digest": "rowsDigest",
    "total_units": "total",
    "evidence": "evidence",
    "deadline": "deadline",
}


class PricedRow(NamedTuple):
    """A row of a report with its credit."""

    license_id: int
    tier: int
    metric: int
    quantity: int
    split_id: int
    amount: int

    @property
    def key(self) -> tuple[int, int, int]:
        return self.license_id, self.tier, self.metric


def report_submitted(state: State, event: Event) -> None:
    report_id, header = event["reportId"], event["report"]
    number = state.next_number(Report, "number")
    _lead_stream(state, event)
    state.add(
        Report,
        report_id=report_id,
        number=number,
        **{name: header[member] for name, member in _COPIED.items()},
        reporter=event["reporter"],
        config_version=event["configVersion"],
        submitted_at=event.timestamp,
        transaction=bytes.fromhex(event.transaction[2:]),
        state=ReportState.UNFUNDED,
        window_end=None,
        settled_at=None,
        settled_units=0,
        held=[],
        ruled_units=0,
    )
    state.add(ReportPayload, report_id=report_id, rows=event["rows"], credits=event["credits"])
    state.append_all(
        ReportRow,
        [
            {
                "block_number": event.block,
                "report_number": number,
                "row": row,
                "license_id": priced.license_id,
                "tier": priced.tier,
                "metric": priced.metric,
                "quantity_millionths": priced.quantity,
                "split_id": priced.split_id,
                "amount_units": priced.amount,
            }
            for row, priced in enumerate(_priced(event["rows"], event["credits"]))
        ],
    )


def report_funded(state: State, event: Event) -> None:
    state.change(Report, event["reportId"]).update(
        state=ReportState.PENDING, window_end=event["end"]
    )


def report_unfunded(state: State, event: Event) -> None:
    state.change(Report, event["reportId"])["state"] = ReportState.UNFUNDED


def row_held(state: State, event: Event) -> None:
    report = state.change(Report, event["reportId"])
    report["held"] = sorted([*report["held"], event["index"]])


def report_settled(state: State, event: Event) -> None:
    """Every row pays its split, but those that challenges hold."""
    report_id = event["reportId"]
    report = state.change(Report, report_id)
    if report["row_count"]:
        earn(state, event, Source.REPORT, _settled(state, report))
    report.update(
        state=ReportState.SETTLED, settled_at=event.timestamp, settled_units=event["credited"]
    )


def paused_until(state: State, event: Event) -> None:
    state.append(
        Pause,
        block_number=event.block,
        log_index=event.index,
        until=event["until"],
        account=event["by"],
    )


# ---- within


def _settled(state: State, report: Mapping[str, Any]) -> Iterator[Earned]:
    payload = state.get(ReportPayload, report["report_id"])
    held = set(report["held"])
    for row, priced in enumerate(_priced(payload["rows"], payload["credits"])):
        if row not in held:
            use = use_of(report, priced.key)
            yield Earned(priced.split_id, priced.amount, priced.quantity, use)


def _priced(rows: bytes, paid: bytes) -> Iterator[PricedRow]:
    """Rows with their credits. Raises ChainError where they do not belong together."""
    if len(rows) * CREDIT_BYTES != len(paid) * ROW_BYTES or len(rows) % ROW_BYTES:
        raise ChainError("the node garbled a report: it has not one credit a row")
    for row, credit in zip(_ROW.iter_unpack(rows), _CREDIT.iter_unpack(paid), strict=True):
        yield PricedRow(*row, *credit)


def _lead_stream(state: State, event: Event) -> None:
    """The report takes its place in its stream. Raises ChainError where one before it is missing."""
    report = UsageReport.read(event["report"])
    key = (report.platform_id, report.model_id)
    row = state.find(Stream, *key)
    names = ("sequence", "last", "covered_until")
    stream = streams.Stream() if row is None else streams.Stream(*(row[name] for name in names))
    if not stream.is_next(report):
        raise ChainError(
            f"report {report.sequence} of platform {key[0]} in block {event.block} does not follow "
            f"report {stream.sequence}: the node left events out, ask another one"
        )
    values = asdict(stream.after(report, event["reportId"]))
    if row is None:
        state.add(Stream, platform_id=key[0], model_id=key[1], **values)
    else:
        state.change(Stream, *key).update(values)
