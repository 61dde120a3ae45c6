"""Statements as JSON, CSV and Parquet, written chunk by chunk."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from backend.payees.schemas import Credit
from backend.payees.statements import Statement
from obbligato.documents.csv_safety import guard_cell
from obbligato.protocol.constants import PPM
from obbligato.times import shown_moment

COLUMNS: Final[dict[str, tuple[pa.DataType, Callable[[Credit], Any]]]] = {
    "reporting_date": (pa.timestamp("s", tz="UTC"), lambda line: line.earned_at),
    "usage_month": (pa.string(), lambda line: line.usage_month),
    "platform_id": (pa.uint32(), lambda line: line.platform_id),
    "model_id": (pa.string(), lambda line: hexadecimal(line.model_id)),
    "artist": (pa.string(), lambda line: artists(line)),
    "title": (pa.string(), lambda line: line.title),
    "isrc": (pa.string(), lambda line: line.isrc),
    "tier": (pa.string(), lambda line: line.tier),
    "metric": (pa.string(), lambda line: line.metric),
    "quantity_millionths": (pa.uint64(), lambda line: line.quantity),
    "rate_units": (pa.uint64(), lambda line: line.rate_units),
    "share_ppm": (pa.uint32(), lambda line: line.share_ppm),
    "credited_units": (pa.uint64(), lambda line: line.credited_units),
    "amount_units": (pa.uint64(), lambda line: line.amount_units),
    "license_id": (pa.uint32(), lambda line: line.license_id),
    "split_id": (pa.uint32(), lambda line: line.split_id),
    "report_id": (pa.string(), lambda line: hexadecimal(line.report_id)),
    "source": (pa.string(), lambda line: line.source),
    "state": (pa.string(), lambda line: line.certainty),
}
"""By name, what a column holds in Parquet and where it comes from."""


def write_json(statement: Statement, file: IO[bytes]) -> None:
    """`StatementAnswer`, line by line."""
    file.write(b'{"statement":' + statement.head.model_dump_json().encode() + b',"lines":[')
    separator = b""
    for chunk in statement.chunks:
        for line in chunk:
            file.write(separator + line.model_dump_json().encode())
            separator = b","
    file.write(b"]}")


def write_csv(statement: Statement, file: IO[bytes]) -> None:
    """RFC 4180, UTF-8: every amount in units and in dollars; no cell can be taken for a formula."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, "quantity", "rate_dollars", "amount_dollars"])
    for chunk in statement.chunks:
        for line in chunk:
            values = [read(line) for _, read in COLUMNS.values()]
            values[0] = shown_moment(line.earned_at)[:10]
            writer.writerow(
                guard_cell(value)
                for value in (
                    *values,
                    decimal(line.quantity),
                    None if line.rate_units is None else decimal(line.rate_units),
                    decimal(line.amount_units),
                )
            )
    text.detach()


def write_parquet(statement: Statement, file: IO[bytes]) -> None:
    """Typed columns; text as it is. What the statement is of stands in the file's metadata."""
    schema = pa.schema(
        [pa.field(name, kind) for name, (kind, _) in COLUMNS.items()],
        metadata={"obbligato.statement": statement.head.model_dump_json()},
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for chunk in statement.chunks:
            arrays = [
                pa.array([read(line) for line in chunk], kind) for kind, read in COLUMNS.values()
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def decimal(millionths: int) -> str:
    """`2.400000` of 2400000."""
    return f"{millionths // PPM}.{millionths % PPM:06d}"


def artists(line: Credit) -> str | None:
    """The artists of a recording in one cell."""
    return None if line.artists is None else "; ".join(line.artists)


def hexadecimal(value: bytes | None) -> str | None:
    """`0x…`."""
    return None if value is None else "0x" + value.hex()
