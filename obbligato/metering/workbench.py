"""The database in which usage is metered: DuckDB on disk, with little memory, gone afterwards."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers
from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa

from obbligato.documents.canonical import sha256
from obbligato.documents.events import MIN_SALT_BYTES
from obbligato.documents.evidence import Period
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier

Reason = Literal["no licence", "no consent", "no grant", "not offered", "no pool"]


@dataclass(frozen=True, slots=True)
class ConsentInterval:
    """A licence consents to a tier in [start, end), seconds, clipped to the period."""

    license_id: int
    tier: Tier
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Consents:
    """What licences allow in one period, for one platform, model and pricing.

    `licenses_of` gives, by canonical ISRC, the licences in force at some moment of the period whose
    document names it; licence ids are 1 to `license_count`. `intervals` holds every (licence, tier)
    with consent in the period, disjoint and ascending. `withheld` says why a use that has consent
    makes no row all the same: "no grant", "not offered" (the metered rate is NOT_OFFERED) or
    "no pool" (the report is a pool, and the terms join none).
    """

    period: Period
    licenses_of: Mapping[str, tuple[int, ...]]
    license_count: int
    intervals: Sequence[ConsentInterval]
    withheld: Mapping[tuple[int, Tier, Metric], Reason]


MEMORY_MB: Final = 600
THREADS: Final = 2


@contextmanager
def workbench(
    folder: Path, *, small: bool = False, memory_mb: int = MEMORY_MB, threads: int = THREADS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in a folder of its own below `folder`, removed with all it holds.

    A `small` one is in memory, which is quicker to have, and spills all the same. It reaches no
    network, no other file and no extension.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="metering-", dir=folder) as directory:
        connection = duckdb.connect(
            ":memory:" if small else str(Path(directory) / "usage.duckdb"),
            config={
                "memory_limit": f"{memory_mb}MB",
                "threads": threads,
                "temp_directory": str(Path(directory) / "spill"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                # What is lost in a crash is metered again: nothing waits for the disk.
                "checkpoint_threshold": "256MB",
            },
        )
        try:
            connection.execute("SET enable_external_access = false")
            yield connection
        finally:
            connection.close()


def put_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Create the table `name` holding what the Arrow table holds."""
    connection.register("incoming", table)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
    connection.unregister("incoming")


def put_consents(connection: duckdb.DuckDBPyConnection, consents: Consents) -> None:
    """Create the tables `intervals` and `withheld`."""
    intervals = consents.intervals
    put_table(
        connection,
        "intervals",
        pa.table(
            {
                "license": pa.array([each.license_id for each in intervals], pa.uint32()),
                "tier": pa.array([int(each.tier) for each in intervals], pa.uint8()),
                "start_at": pa.array([each.start for each in intervals], pa.int64()),
                "end_at": pa.array([each.end for each in intervals], pa.int64()),
            }
        ),
    )
    keys = list(consents.withheld)
    put_table(
        connection,
        "withheld",
        pa.table(
            {
                "license": pa.array([key[0] for key in keys], pa.uint32()),
                "tier": pa.array([int(key[1]) for key in keys], pa.uint8()),
                "metric": pa.array([int(key[2]) for key in keys], pa.uint8()),
                "reason": pa.array(list(consents.withheld.values()), pa.string()),
            }
        ),
    )


def count(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    """How many rows a table has, or another FROM clause."""
    [(rows,)] = connection.execute(f"SELECT count(*) FROM {source}").fetchall()
    return int(rows)


_BLOCK_BYTES: Final = 64


def salted_hash_sql(domain: Literal["event", "output"], column: str) -> str:
    """SQL: the 32 bytes that `documents.events.salted_hash` gives, null for null.

    The statement needs the parameters of `salt_parameters`: the salt itself is in no text that an
    error could show.
    """
    inner = f"unhex(sha256($inner::BLOB || encode('{domain}:' || {column})))"
    return f"unhex(sha256($outer::BLOB || {inner}))"


def salt_parameters(salt: bytes) -> dict[str, bytes]:
    """The padded keys `inner` and `outer`. Raises InputError for a salt of under 16 bytes."""
    if len(salt) < MIN_SALT_BYTES:
        raise InputError(f"a salt has at least {MIN_SALT_BYTES} random bytes", field="salt")
    key = (salt if len(salt) <= _BLOCK_BYTES else sha256(salt)).ljust(_BLOCK_BYTES, b"\0")
    return {
        "inner": bytes(each ^ 0x36 for each in key),
        "outer": bytes(each ^ 0x5C for each in key),
    }
