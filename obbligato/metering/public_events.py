"""Public events from stored chunks into one table, each value checked."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from obbligato.documents.canonical import LARGEST_JSON_INTEGER
from obbligato.documents.events import (
    JSONL_MEDIA_TYPE,
    MAX_CHUNK_BYTES,
    PublicUsageEvent,
    read_chunk,
)
from obbligato.documents.evidence import EventChunk
from obbligato.errors import InputError, RefusedError
from obbligato.metering.chunks import PUBLIC_SCHEMA, fetch_chunk, from_parquet, lines_of
from obbligato.protocol.constants import MAX_TIME, PPM, UINT64_MAX, Metric, Tier
from obbligato.store import ContentStore

_NAMES: Final = (*PUBLIC_SCHEMA.names,)
_PATHS: Final = "[" + ", ".join(f"'$.{name}'" for name in _NAMES) + "]"
_KINDS: Final = {
    "occurred_at": "BIGINT",
    "license_id": "UINTEGER",
    "tier": "UTINYINT",
    "metric": "UTINYINT",
    "units": "UBIGINT",
    "influence_ppm": "UINTEGER",
}

_BOUNDS: Final = f"""
  CASE
    WHEN occurred_at NOT BETWEEN 0 AND {MAX_TIME} THEN 'occurred_at'
    WHEN license_id = 0 THEN 'license_id'
    WHEN tier NOT BETWEEN {min(Tier)} AND {max(Tier)} THEN 'tier'
    WHEN metric NOT BETWEEN {min(Metric)} AND {max(Metric)} THEN 'metric'
    WHEN units NOT BETWEEN 1 AND {LARGEST_JSON_INTEGER} THEN 'units'
    WHEN influence_ppm NOT BETWEEN 1 AND {PPM} THEN 'influence_ppm'
    WHEN units::HUGEINT * influence_ppm > {UINT64_MAX} THEN 'units'
    WHEN length(attribution_provider) NOT BETWEEN 1 AND 200
      OR contains(attribution_provider, chr(0))
      OR NOT regexp_matches(attribution_provider, '[^\\s\\p{{Z}}\\x0b\\x1c-\\x1f\\x85]')
      THEN 'attribution_provider'
  END"""
"""SQL: the field whose value no event may have, or null."""


def load_events(
    connection: duckdb.DuckDBPyConnection, chunks: tuple[EventChunk, ...], store: ContentStore
) -> None:
    """Create the table `public`: every event of the chunks, with `chunk` counted from 0.

    Raises NotFound, DigestMismatch; RefusedError where a chunk is not what its entry says;
    InputError naming the chunk and field of a value that no event may have.
    """
    connection.register("nothing", PUBLIC_SCHEMA.empty_table())
    connection.execute("CREATE TABLE public AS SELECT *, 0::UINTEGER AS chunk FROM nothing")
    connection.unregister("nothing")
    for number, chunk in enumerate(chunks):
        events = _events_of(connection, chunk, fetch_chunk(chunk, store))
        if len(events) != chunk.events:
            raise RefusedError(
                f"chunk {number} holds {len(events)} events, its entry says {chunk.events}"
            )
        connection.register("chunk_events", events)
        connection.execute(f"INSERT INTO public SELECT *, {number} FROM chunk_events")
        connection.unregister("chunk_events")
    bad = connection.execute(
        f"SELECT chunk, {_BOUNDS} AS field FROM public WHERE field IS NOT NULL "
        "ORDER BY chunk, field LIMIT 1"
    ).fetchall()
    for chunk_number, field in bad:
        raise InputError(f"chunk {chunk_number} has a value that no event may have", field=field)


def _events_of(connection: duckdb.DuckDBPyConnection, chunk: EventChunk, data: bytes) -> pa.Table:
    if chunk.media_type != JSONL_MEDIA_TYPE:
        return from_parquet(data, chunk.events)
    events = _read_lines(connection, data)
    return _read_slowly(data) if events is None else events


def _read_lines(connection: duckdb.DuckDBPyConnection, data: bytes) -> pa.Table | None:
    """The events of canonical lines; None where writing them again gives other lines."""
    if not data.endswith(b"\n") or len(data) > MAX_CHUNK_BYTES:
        return None
    split = pc.split_pattern(pa.array([data[:-1]], pa.large_binary()), pattern=b"\n")
    try:
        lines = split.flatten().cast(pa.large_string())
    except pa.ArrowInvalid:
        return None
    connection.register("canonical_lines", pa.table({"text": lines}))
    events = connection.sql(_decoded()).to_arrow_table()
    connection.unregister("canonical_lines")
    if any(events[field.name].null_count for field in PUBLIC_SCHEMA if not field.nullable):
        return None
    events = events.cast(PUBLIC_SCHEMA)
    same = pc.all(pc.equal(lines_of(connection, events), pa.chunked_array([lines])))
    return events if same.as_py() else None


def _decoded() -> str:
    return f"""
      SELECT {", ".join(_decoded_value(*each) for each in enumerate(_NAMES, 1))}
      FROM (SELECT CASE WHEN json_valid(text) THEN json_extract_string(text, {_PATHS}) END AS values
        FROM canonical_lines)"""


def _decoded_value(position: int, name: str) -> str:
    value = f"values[{position}]"
    if name in _KINDS:
        return f"try_cast({value} AS {_KINDS[name]}) AS {name}"
    if name == "attribution_provider":
        return f"{value} AS {name}"
    digits = f"regexp_full_match({value}, '0x[0-9a-f]{{64}}')"
    return f"CASE WHEN {digits} THEN unhex({value}[3:]) END AS {name}"


def _read_slowly(data: bytes) -> pa.Table:
    """What is wrong with lines, said exactly; or their events. Raises InputError."""
    events = [event.model_dump() for event in read_chunk(data, PublicUsageEvent)]
    return pa.Table.from_pylist(events, PUBLIC_SCHEMA)
