"""Chunks of public events from Arrow, and Arrow from chunks: lines for few, Parquet for many."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from obbligato.documents.canonical import canonical_bytes, sha256
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import MAX_CHUNK_BYTES
from obbligato.documents.evidence import EventChunk, MediaType
from obbligato.errors import DigestMismatch, InputError, RefusedError
from obbligato.store import ContentStore

MOST_LINES: Final = 100_000
"""Evidence of more events than this is Parquet."""

PUBLIC_SCHEMA: Final = pa.schema(
    [
        pa.field("event_hash", pa.binary(32), nullable=False),
        pa.field("occurred_at", pa.int64(), nullable=False),
        pa.field("license_id", pa.uint32(), nullable=False),
        pa.field("tier", pa.uint8(), nullable=False),
        pa.field("metric", pa.uint8(), nullable=False),
        pa.field("units", pa.uint64(), nullable=False),
        pa.field("influence_ppm", pa.uint32(), nullable=False),
        pa.field("model_id", pa.binary(32), nullable=False),
        pa.field("output_hash", pa.binary(32)),
        pa.field("attribution_provider", pa.string()),
    ]
)
"""The columns of a Parquet chunk of public events."""

_RESERVE_BYTES: Final = 16_384
"""For the footer and the pages' headers."""
_PLAIN_ROW_BYTES: Final = 40
"""A row with no output: the hash, which nothing compresses, and a little for all the rest."""
MAX_UNPACKED_BYTES: Final = 64 * MAX_CHUNK_BYTES
"""Of a Parquet chunk, uncompressed: sorted columns shrink much, hashes do not."""
MAX_CHUNK_ROWS: Final = MAX_CHUNK_BYTES // 32
"""A row has a hash of 32 bytes of its own."""

_LINES: Final = """
  SELECT '{' || coalesce('"attribution_provider":' || provider || ',', '')
    || '"event_hash":"0x' || lower(hex(event_hash))
    || '","influence_ppm":' || influence_ppm || ',"license_id":' || license_id
    || ',"metric":' || metric || ',"model_id":"0x' || lower(hex(model_id))
    || '","occurred_at":' || occurred_at
    || coalesce(',"output_hash":"0x' || lower(hex(output_hash)) || '"', '')
    || ',"tier":' || tier || ',"units":' || units || '}' AS text
  FROM public_events"""


def store_chunk(data: bytes, events: int, media_type: MediaType, store: ContentStore) -> EventChunk:
    """Put a chunk and read it back; its entry in the evidence."""
    digest = sha256(data)
    cid = store.put(data)
    found = sha256(store.get(cid))
    if found != digest:
        raise DigestMismatch("a chunk read back", expected=digest, found=found)
    return EventChunk(digest=digest, media_type=media_type, size=len(data), events=events)


def fetch_chunk(chunk: EventChunk, store: ContentStore) -> bytes:
    """The bytes of a chunk. Raises NotFound, DigestMismatch; RefusedError where its size differs."""
    data = store.get(cid_from_digest(chunk.digest))
    if sha256(data) != chunk.digest:
        raise DigestMismatch("a chunk", expected=chunk.digest, found=sha256(data))
    if len(data) != chunk.size:
        raise RefusedError(
            f"chunk 0x{chunk.digest.hex()} has {len(data)} bytes, its entry says {chunk.size}"
        )
    return data


def line_chunks(lines: Iterable[pa.Array]) -> Iterator[tuple[bytes, int]]:
    """Canonical lines in order as (bytes, how many), each chunk as large as 1 MiB allows."""
    waiting = pa.chunked_array(list(lines), pa.large_string()).combine_chunks()
    sizes = pc.add(pc.binary_length(waiting), 1).to_pylist()
    start, total = 0, 0
    for position, size in enumerate(sizes):
        if total + size > MAX_CHUNK_BYTES:
            yield _joined(waiting.slice(start, position - start)), position - start
            start, total = position, 0
        total += size
    if start < len(sizes):
        yield _joined(waiting.slice(start)), len(sizes) - start


def _joined(lines: pa.Array) -> bytes:
    return ("\n".join(lines.to_pylist()) + "\n").encode()


def parquet_chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[bytes, int]]:
    """Public events in order as Parquet (bytes, how many), each chunk at most 1 MiB.

    How many rows go into one is guessed from what they hold, tried, and made fewer if they do not
    fit; it depends on the events alone, not on how they come in batches.
    """
    waiting = pa.Table.from_batches([], PUBLIC_SCHEMA)
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while waiting.num_rows >= MAX_CHUNK_ROWS:
            data, rows = _next_chunk(waiting)
            yield data, rows
            waiting = waiting.slice(rows).combine_chunks()
    while waiting.num_rows:
        data, rows = _next_chunk(waiting)
        yield data, rows
        waiting = waiting.slice(rows)


def _next_chunk(table: pa.Table) -> tuple[bytes, int]:
    rows = _guess(table.slice(0, MAX_CHUNK_ROWS))
    while len(data := to_parquet(table.slice(0, rows))) > MAX_CHUNK_BYTES:
        rows = rows * 7 // 8
        if not rows:
            raise InputError(f"an event is longer than a chunk of {MAX_CHUNK_BYTES} bytes")
    return data, rows


def _guess(table: pa.Table) -> int:
    """How many of the first rows may fit."""
    output = pc.multiply(pc.cast(pc.is_valid(table["output_hash"]), pa.int32()), 32)
    ends = accumulate(size + _PLAIN_ROW_BYTES for size in output.to_pylist())
    return max(1, sum(1 for end in ends if end <= MAX_CHUNK_BYTES - _RESERVE_BYTES))


def to_parquet(table: pa.Table) -> bytes:
    """One row group, zstd. The same table gives the same bytes with the same version of Arrow."""
    sink = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=MAX_CHUNK_ROWS,
        compression="zstd",
        use_dictionary=[
            name for name in PUBLIC_SCHEMA.names if name not in ("event_hash", "output_hash")
        ],
        write_statistics=False,
        store_schema=False,
    )
    return sink.getvalue()


def from_parquet(data: bytes, events: int) -> pa.Table:
    """The events of a Parquet chunk. Raises InputError where it is none, or unpacks to too much."""
    try:
        with pq.ParquetFile(io.BytesIO(data)) as parquet:
            _check_footer(parquet, events)
            table = parquet.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"a chunk is not Parquet: {error}") from error
    return table.cast(PUBLIC_SCHEMA)


def _check_footer(parquet: pq.ParquetFile, events: int) -> None:
    if not parquet.schema_arrow.equals(PUBLIC_SCHEMA):
        raise InputError("a Parquet chunk has other columns than public events have")
    footer = parquet.metadata
    if footer.num_rows != events:
        raise RefusedError(f"a chunk holds {footer.num_rows} events, its entry says {events}")
    size = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
    if size > MAX_UNPACKED_BYTES or footer.num_rows > MAX_CHUNK_ROWS:
        raise InputError("a Parquet chunk unpacks to more than events can hold: do not read it")


def lines_of(connection: duckdb.DuckDBPyConnection, events: pa.Table) -> pa.ChunkedArray:
    """The canonical line of each public event, in order; nulls in required columns give nulls."""
    provider = pa.chunked_array(
        [_as_canonical(each) for each in events["attribution_provider"].chunks], pa.large_string()
    )
    connection.register("public_events", events.append_column("provider", provider))
    lines: pa.Table = connection.sql(_LINES).to_arrow_table()
    connection.unregister("public_events")
    return lines["text"].cast(pa.large_string())


def _as_canonical(texts: pa.Array) -> pa.Array:
    """Texts as canonical JSON, each different one written once."""
    coded = texts.dictionary_encode()
    written = [canonical_bytes(text).decode() for text in coded.dictionary.to_pylist()]
    return pa.array(written, pa.large_string()).take(coded.indices)
