"""Usage in Parquet: its columns checked, its rows by the batch as text, bombs refused unread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from obbligato.errors import InputError
from obbligato.metering.files import Allowance, UsageFile
from obbligato.metering.line_parsing import FIELDS, REQUIRED

BATCH_ROWS: Final = 65_536
MAX_GROUP_BYTES: Final = 512 * 1_048_576
"""Of one row group, uncompressed."""
_BUFFER_BYTES: Final = 1_048_576
MAX_VALUE_BYTES: Final = 4_096
"""Longer than any text of usage; a batch of such values is still small."""

_EXPECTED: Final = {
    "event_id": "text",
    "occurred_at": "whole seconds, or a timestamp",
    "license_id": "a whole number",
    "isrc": "text",
    "tier": "a whole number or text",
    "metric": "a whole number or text",
    "units": "a whole number",
    "influence_ppm": "a whole number",
    "model_id": "text of 0x and 64 digits, or binary",
    "output_id": "text",
    "attribution_provider": "text",
}


_TEXT: Final = (pa.types.is_string, pa.types.is_large_string)
_WHOLE: Final = (pa.types.is_integer,)
_KINDS: Final = {
    "event_id": _TEXT,
    "occurred_at": (*_WHOLE, *_TEXT, pa.types.is_timestamp),
    "license_id": _WHOLE,
    "isrc": _TEXT,
    "tier": (*_WHOLE, *_TEXT),
    "metric": (*_WHOLE, *_TEXT),
    "units": _WHOLE,
    "influence_ppm": _WHOLE,
    "model_id": (*_TEXT, pa.types.is_binary, pa.types.is_fixed_size_binary),
    "output_id": _TEXT,
    "attribution_provider": _TEXT,
}
"""What each column may be, as tests of its type; a column of nulls may be any."""


def batches_of_parquet(file: UsageFile, allowance: Allowance) -> Iterator[tuple[int, pa.Table]]:
    """The rows of a file as text columns named as FIELDS, with the number of the first from 1.

    Raises InputError naming the column whose type is not usage's, and for row groups that are more
    than is read at once.
    """
    try:
        # Without pre-buffering: what was read ahead would be held to the end of the file.
        with pq.ParquetFile(
            file.path, read_dictionary=_texts(file), pre_buffer=False, buffer_size=_BUFFER_BYTES
        ) as parquet:
            _check_columns(file, parquet.schema_arrow)
            _check_sizes(file, parquet.metadata, allowance)
            first = 1
            for group in range(parquet.num_row_groups):
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
                    yield first, _as_text(file, batch)
                    first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.name}: is not Parquet that can be read: {error}") from error


def _texts(file: UsageFile) -> list[str]:
    """The columns to keep as dictionaries: one long value, repeated, stays one value."""
    return [
        field.name
        for field in pq.read_schema(file.path)
        if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    ]


def _check_columns(file: UsageFile, schema: pa.Schema) -> None:
    names = list(schema.names)
    check_names(file.name, names)
    for field in schema:
        if not _fits(field.name, field.type):
            raise InputError(
                f"{file.name}: is a column of {field.type}: make it {_EXPECTED[field.name]}",
                field=field.name,
            )


def check_names(file: str, names: list[str]) -> None:
    """Raises InputError naming the first column that is unknown, twice there, or missing."""
    for name in names:
        if name not in FIELDS:
            raise InputError(
                f"{file}: is no column of usage: leave it out or check its spelling",
                field=name[:60] or "(no name)",
            )
        if names.count(name) > 1:
            raise InputError(f"{file}: is a column twice: keep one", field=name)
    for name in REQUIRED:
        if name not in names:
            raise InputError(f"{file}: the column is missing: add it", field=name)
    if "isrc" not in names and "license_id" not in names:
        raise InputError(f"{file}: a column license_id or isrc is missing: add it", field="isrc")


def _fits(name: str, kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_kind(value) for is_kind in (pa.types.is_null, *_KINDS[name]))


def _check_sizes(file: UsageFile, footer: pq.FileMetaData, allowance: Allowance) -> None:
    for number in range(footer.num_row_groups):
        size = footer.row_group(number).total_byte_size
        if size > MAX_GROUP_BYTES:
            raise InputError(
                f"{file.name}: row group {number} holds {size} bytes: write groups of at most "
                f"{MAX_GROUP_BYTES}"
            )
        allowance.spend(max(size, 0), name=file.name)


def _as_text(file: UsageFile, batch: pa.RecordBatch) -> pa.Table:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return pa.table(
        {
            name: _column_as_text(file, name, columns[name])
            if name in columns
            else pa.nulls(batch.num_rows, pa.large_string())
            for name in FIELDS
        }
    )


def _column_as_text(file: UsageFile, name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        _check_lengths(file, name, column.dictionary)
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        return _seconds(column)
    if name == "model_id" and not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    ):
        return _digits(column)
    return column.cast(pa.large_string())


def _check_lengths(file: UsageFile, name: str, values: pa.Array) -> None:
    longest = pc.max(pc.binary_length(values)).as_py() if len(values) else 0
    if (longest or 0) > MAX_VALUE_BYTES:
        raise InputError(f"{file.name}: holds a value of {longest} bytes: shorten it", field=name)


def _seconds(column: pa.Array) -> pa.Array:
    """Seconds as digits; a moment between two seconds as its text, which is then refused."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    count = column.cast(pa.int64())
    quotient = pc.divide(count, per_second)
    exact = pc.equal(pc.multiply(quotient, per_second), count)
    text = pa.large_string()
    fraction = pc.binary_join_element_wise(
        count.cast(text), pa.scalar(f"/{per_second}", text), pa.scalar("", text)
    )
    return pc.if_else(exact, quotient.cast(text), fraction)


def _digits(column: pa.Array) -> pa.Array:
    """Few values, many rows: each is written in hexadecimal once."""
    coded = column.dictionary_encode()
    values = [None if each is None else "0x" + each.hex() for each in coded.dictionary.to_pylist()]
    return pa.array(values, pa.large_string()).take(coded.indices)
