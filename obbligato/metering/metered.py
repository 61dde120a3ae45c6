"""Metering: usage files in, rows and stored evidence out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from obbligato.documents.events import JSONL_MEDIA_TYPE, PARQUET_MEDIA_TYPE, write_chunks
from obbligato.documents.evidence import (
    MAX_UNLICENSED,
    EventChunk,
    EvidenceDocument,
    MediaType,
    UnlicensedUse,
    evidence_document,
)
from obbligato.errors import InputError
from obbligato.metering import aggregation
from obbligato.metering import chunks as evidence_chunks
from obbligato.metering.files import MAX_INPUT_BYTES, Allowance, Rejection, UsageFile
from obbligato.metering.intake import MOST_EVENTS, Intake, Watch, no_progress
from obbligato.metering.workbench import Consents, count, put_consents, workbench
from obbligato.protocol.constants import MAX_ROWS
from obbligato.protocol.rows import Row
from obbligato.store import ContentStore

_BATCH_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """One report's worth: at most 1 000 rows, and the evidence of them, which is stored."""

    rows: tuple[Row, ...]
    evidence: EvidenceDocument


@dataclass(frozen=True, slots=True)
class Metered:
    """What usage files came to.

    `events` counts those in the rows and those unlicensed, each once; `duplicates` the lines that
    repeated one; `skipped` the bad lines left out, the first 1 000 of which are `rejections`.
    `resolved` gives the licence of each ISRC that was used. The first part declares `unlicensed`.
    """

    parts: tuple[Part, ...]
    events: int
    duplicates: int
    skipped: int
    rejections: tuple[Rejection, ...]
    unlicensed: tuple[UnlicensedUse, ...]
    resolved: Mapping[str, int]


def meter(
    files: Sequence[UsageFile],
    *,
    consents: Consents,
    platform_id: int,
    model_id: bytes,
    salt: bytes,
    store: ContentStore,
    folder: Path,
    skip_invalid: bool = False,
    divide: bool = True,
    most_events: int = MOST_EVENTS,
    most_bytes: int = MAX_INPUT_BYTES,
    watch: Watch = no_progress,
) -> Metered:
    """Check, sum and store the usage of one platform, model and period.

    The same events give the same bytes of evidence, in whatever order, files and formats they come.
    `folder` is where the database spills; it is left as it was. Without `divide` (a pool is one
    report) more than 1 000 rows are refused. `most_bytes` counts decompressed input.

    Raises RejectedLines naming the bad lines (unless `skip_invalid`), InputError for what is wrong
    as a whole, and what the store raises.
    """
    with workbench(folder) as connection:
        intake = Intake(
            connection,
            salt=salt,
            model_id=model_id,
            period=consents.period,
            most_events=most_events,
            watch=watch,
        )
        intake.read(files, Allowance(most_bytes))
        watch("summing", 0)
        duplicates = aggregation.drop_repeated(connection)
        resolved = aggregation.resolve_recordings(connection, consents)
        if not skip_invalid:
            intake.refuse()
        rejections, skipped = intake.rejections()
        put_consents(connection, consents)
        aggregation.judge(connection, consents)
        rows, counts = aggregation.sum_rows(connection)
        if not divide and len(rows) > MAX_ROWS:
            raise InputError(
                f"{len(rows)} rows: a pool is one report of at most {MAX_ROWS}", field="rows"
            )
        unlicensed = aggregation.sum_unlicensed(connection)
        events = sum(counts)
        watch("storing", events)
        unlicensed_events = count(connection, "judged WHERE reason IS NOT NULL")
        writer = _Writer(connection, model_id, store)
        entries = writer.parts([sum(counts[at:end]) for at, end in _bounds(len(rows))])
        parts = tuple(
            _part(
                rows[at:end],
                entries_of_part,
                platform_id=platform_id,
                model_id=model_id,
                consents=consents,
                salt=salt,
                store=store,
                unlicensed=unlicensed if at == 0 else (),
            )
            for (at, end), entries_of_part in zip(_bounds(len(rows)), entries, strict=True)
        )
    return Metered(
        parts=parts,
        events=events + unlicensed_events,
        duplicates=duplicates,
        skipped=skipped,
        rejections=rejections,
        unlicensed=tuple(unlicensed),
        resolved=resolved,
    )


def _bounds(rows: int) -> list[tuple[int, int]]:
    """Where the rows of each part begin and end; no rows are one part too."""
    return [(at, min(at + MAX_ROWS, rows)) for at in range(0, max(rows, 1), MAX_ROWS)]


def _part(
    rows: Sequence[Row],
    entries: Sequence[EventChunk],
    *,
    platform_id: int,
    model_id: bytes,
    consents: Consents,
    salt: bytes,
    store: ContentStore,
    unlicensed: Sequence[UnlicensedUse],
) -> Part:
    long = len(unlicensed) > MAX_UNLICENSED
    document = evidence_document(
        platform_id=platform_id,
        model_id=model_id,
        period=consents.period,
        salt=salt,
        chunks=entries,
        rows=rows,
        unlicensed=() if long else unlicensed,
        unlicensed_chunks=[
            evidence_chunks.store_chunk(chunk.data, chunk.events, JSONL_MEDIA_TYPE, store)
            for chunk in write_chunks(unlicensed)
        ]
        if long
        else (),
    )
    data = document.to_bytes()
    EvidenceDocument.from_bytes(store.get(store.put(data)))
    return Part(tuple(rows), document)


class _Writer:
    """Streams the licensed events, in order, into stored chunks."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, model_id: bytes, store: ContentStore
    ) -> None:
        self._connection = connection
        self._model_id = model_id
        self._store = store

    def parts(self, sizes: Sequence[int]) -> Iterator[list[EventChunk]]:
        """The stored chunks of each part; `sizes` says how many events each has."""
        batches = _Batches(self._ordered())
        for size in sizes:
            taken = batches.take(size)
            if size <= evidence_chunks.MOST_LINES:
                made = evidence_chunks.line_chunks(self._lines(taken))
                media_type: MediaType = JSONL_MEDIA_TYPE
            else:
                made = evidence_chunks.parquet_chunks(taken)
                media_type = PARQUET_MEDIA_TYPE
            yield [
                evidence_chunks.store_chunk(data, events, media_type, self._store)
                for data, events in made
            ]

    def _ordered(self) -> Iterator[pa.RecordBatch]:
        reader = self._connection.sql(
            """
            SELECT event_hash, occurred_at, license, tier, metric, units, influence_ppm,
              output_hash, attribution_provider
            FROM judged WHERE reason IS NULL
            ORDER BY license, tier, metric, occurred_at, event_hash
            """
        ).to_arrow_reader(_BATCH_ROWS)
        for batch in reader:
            yield self._public(batch)

    def _public(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["license_id"] = columns.pop("license")
        columns["model_id"] = pa.repeat(pa.scalar(self._model_id, pa.binary(32)), len(batch))
        return pa.record_batch(
            [columns[field.name].cast(field.type) for field in evidence_chunks.PUBLIC_SCHEMA],
            schema=evidence_chunks.PUBLIC_SCHEMA,
        )

    def _lines(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Array]:
        with self._connection.cursor() as aside:  # the events are still being read on the other
            for batch in batches:
                yield from evidence_chunks.lines_of(aside, pa.Table.from_batches([batch])).chunks


class _Batches:
    """Record batches that are taken by the number of rows, wherever the batches end."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The next rows. Take all of them before taking more."""
        while rows:
            batch = next(self._batches)
            if len(batch) > rows:
                self._batches = chain([batch.slice(rows)], self._batches)
                batch = batch.slice(0, rows)
            rows -= len(batch)
            yield batch
