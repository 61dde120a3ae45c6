"""The evidence document: what a report was computed from, so that anyone can compute it again.

Its chunks hold exactly the events that became rows, in their public form. Use outside consent is
not in them: it is declared in `unlicensed`, for all to see and to contest, or in chunks of its own
where the list is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from obbligato.documents.canonical import DecimalUInt64, DecimalUInt128, sha256
from obbligato.documents.events import (
    HOUR_SECONDS,
    JSONL_MEDIA_TYPE,
    MAX_CHUNK_BYTES,
    Chunk,
    PositiveId,
    Seconds,
)
from obbligato.documents.identifiers import Isrc
from obbligato.documents.model import Document, Record
from obbligato.errors import InputError
from obbligato.protocol.constants import FORMULA_VERSION, MAX_ROWS, Metric, Tier
from obbligato.protocol.rows import Row, rows_digest
from obbligato.protocol.types import Bytes32, MetricField, TierField, as_tuple

SCHEMA_VERSION: Final = 1
MAX_UNLICENSED: Final = 500
"""Entries of `unlicensed` that a document lists itself; more go into chunks."""

MediaType = Literal["application/x-ndjson", "application/vnd.apache.parquet"]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Period(Record):
    """Half-open: `[start, end)`, in seconds since 1970, UTC."""

    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.end <= self.start:
            raise InputError("a period ends after it starts", field="end")
        return self


class EventChunk(Record):
    """One block of events: the sha-256 of its bytes, its format, its size in bytes, its events."""

    digest: Bytes32
    media_type: MediaType
    size: Annotated[int, Field(ge=1, le=MAX_CHUNK_BYTES)]
    events: Annotated[int, Field(ge=1, le=MAX_CHUNK_BYTES)]

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """The entry of a chunk of lines."""
        return cls(
            digest=chunk.digest,
            media_type=JSONL_MEDIA_TYPE,
            size=len(chunk.data),
            events=chunk.events,
        )


class AggregationRules(Record):
    """How events became rows, in words that a reader can follow and a change of which is seen."""

    quantity: Literal["sum of units * influence_ppm"] = "sum of units * influence_ppm"
    grouped_by: Literal["license_id, tier, metric"] = "license_id, tier, metric"
    counted_once_by: Literal["event_hash"] = "event_hash"
    hashes: Literal["hmac-sha256(salt, domain + ':' + id)"] = "hmac-sha256(salt, domain + ':' + id)"
    time_rounding_seconds: Literal[3600] = HOUR_SECONDS


class UseTotal(Record):
    """The rows of one tier and metric; `quantity` is their sum, in millionths of a unit."""

    tier: TierField
    metric: MetricField
    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    quantity: DecimalUInt128


class Totals(Record):
    """Sums over the report. `rows_digest` is the one the report is signed with (keccak256)."""

    events: Count
    rows: Annotated[int, Field(ge=0, le=MAX_ROWS)]
    rows_digest: Bytes32
    by_use: Annotated[tuple[UseTotal, ...], BeforeValidator(as_tuple)]


class UnlicensedUse(Record):
    """Use that no row may carry, by `license_id` or by `isrc`, whichever is known; or by both."""

    license_id: PositiveId | None = None
    isrc: Isrc | None = None
    tier: TierField
    metric: MetricField
    quantity: Annotated[DecimalUInt64, Field(ge=1)]
    reason: Literal["no licence", "no consent", "no grant", "not offered", "no pool"]

    @model_validator(mode="after")
    def _names_a_recording(self) -> Self:
        if self.license_id is None and self.isrc is None:
            raise InputError("name the recording by license_id, by isrc or by both")
        return self


class EvidenceDocument(Document):
    """What one report was computed from; make it with `evidence_document`.

    `salt_digest` is the sha-256 of the salt in the events' hashes: who is shown the salt later can
    tell that it is the right one. `unlicensed_chunks` hold lines of `UnlicensedUse`, instead of
    `unlicensed`, where there are more than 500. Totals that contradict the chunks or themselves are refused.
    """

    type: Literal["obbligato.evidence"] = "obbligato.evidence"
    schema_version: Literal[1] = SCHEMA_VERSION
    formula_version: Literal[1] = FORMULA_VERSION
    platform_id: PositiveId
    model_id: Bytes32
    period: Period
    salt_digest: Bytes32
    chunks: Annotated[tuple[EventChunk, ...], BeforeValidator(as_tuple)]
    aggregation: AggregationRules
    totals: Totals
    unlicensed: Annotated[tuple[UnlicensedUse, ...], BeforeValidator(as_tuple)] = ()
    unlicensed_chunks: (
        Annotated[tuple[EventChunk, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None
    ) = None

    @model_validator(mode="after")
    def _unlicensed_is_in_one_place(self) -> Self:
        if len(self.unlicensed) > MAX_UNLICENSED:
            raise InputError(
                f"{len(self.unlicensed)} entries: put more than {MAX_UNLICENSED} into chunks",
                field="unlicensed",
            )
        if self.unlicensed and self.unlicensed_chunks:
            raise InputError("is empty where chunks hold the entries", field="unlicensed")
        if any(chunk.media_type != JSONL_MEDIA_TYPE for chunk in self.unlicensed_chunks or ()):
            raise InputError(f"are lines of {JSONL_MEDIA_TYPE}", field="unlicensed_chunks")
        return self

    @model_validator(mode="after")
    def _totals_agree(self) -> Self:
        uses = [(use.tier, use.metric) for use in self.totals.by_use]
        if uses != sorted(set(uses)):
            raise InputError("sort by tier and metric, each pair once", field="totals.by_use")
        if sum(use.rows for use in self.totals.by_use) != self.totals.rows:
            raise InputError("is not the sum of by_use", field="totals.rows")
        if sum(chunk.events for chunk in self.chunks) != self.totals.events:
            raise InputError("is not the sum of the chunks", field="totals.events")
        if (self.totals.events == 0) != (self.totals.rows == 0):
            raise InputError("events make rows, and rows come from events", field="totals")
        digests = [chunk.digest for chunk in self.chunks]
        if len(set(digests)) != len(digests):
            raise InputError("holds one chunk twice, which counts its events twice", field="chunks")
        return self


def evidence_document(
    *,
    platform_id: int,
    model_id: bytes,
    period: Period,
    salt: bytes,
    chunks: Iterable[EventChunk],
    rows: Sequence[Row],
    unlicensed: Iterable[UnlicensedUse] = (),
    unlicensed_chunks: Iterable[EventChunk] = (),
) -> EvidenceDocument:
    """The evidence of a report of `rows` (sorted) from the events in `chunks`.

    Totals are computed here. Raises InputError where rows and chunks contradict each other or the
    document is too large.
    """
    entries = tuple(chunks)
    document = EvidenceDocument(
        platform_id=platform_id,
        model_id=model_id,
        period=period,
        salt_digest=sha256(salt),
        chunks=entries,
        aggregation=AggregationRules(),
        totals=totals_of(rows, events=sum(chunk.events for chunk in entries)),
        unlicensed=tuple(unlicensed),
        unlicensed_chunks=tuple(unlicensed_chunks) or None,
    )
    document.to_bytes()  # refuses what one block cannot hold
    return document


def totals_of(rows: Sequence[Row], *, events: int) -> Totals:
    """The totals of sorted rows that so many events made. Raises InputError for bad rows."""
    return Totals(
        events=events, rows=len(rows), rows_digest=rows_digest(rows), by_use=_by_use(rows)
    )


def _by_use(rows: Sequence[Row]) -> tuple[UseTotal, ...]:
    quantities: dict[tuple[Tier, Metric], list[int]] = {}
    for row in rows:
        quantities.setdefault((row.tier, row.metric), []).append(row.quantity)
    return tuple(
        UseTotal(tier=tier, metric=metric, rows=len(each), quantity=sum(each))
        for (tier, metric), each in sorted(quantities.items())
    )
