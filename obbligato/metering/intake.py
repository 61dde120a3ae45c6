"""Usage files into one table of checked events, block by block; bad lines into another."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from obbligato.documents.events import UsageEvent
from obbligato.documents.evidence import Period
from obbligato.errors import InputError
from obbligato.metering.bulk_parsing import texts_of_csv, texts_of_json, typed
from obbligato.metering.files import (
    MAX_BAD_LINES,
    MAX_REJECTIONS,
    Allowance,
    Lines,
    RejectedLines,
    Rejection,
    UsageFile,
    blocks_of_lines,
    format_of,
)
from obbligato.metering.line_parsing import FIELDS, event_of_csv, event_of_json, event_of_texts
from obbligato.metering.parquet import batches_of_parquet, check_names
from obbligato.metering.workbench import Consents, count, salt_parameters, salted_hash_sql
from obbligato.protocol.constants import PPM, Tier
from obbligato.protocol.rows import Row, check_rows


def events_of_rows(
    rows: Sequence[Row], consents: Consents, *, model_id: bytes
) -> Iterator[UsageEvent]:
    """At most two events a row: its whole units at full influence, and what is left at 1 ppm.

    They happen at the first moment of the period at which the licence consents to the tier; where
    there is none, at its start. Raises InputError naming the row where rows are not in order.
    """
    check_rows(rows)
    first_consent: dict[tuple[int, Tier], int] = {}
    for each in consents.intervals:
        key = (each.license_id, each.tier)
        first_consent[key] = min(each.start, first_consent.get(key, each.start))
    for row in rows:
        whole, rest = divmod(row.quantity, PPM)
        moment = first_consent.get((row.license_id, row.tier), consents.period.start)
        for part, units, influence_ppm in (("whole", whole, PPM), ("rest", rest, 1)):
            if units:
                yield UsageEvent(
                    event_id=f"row-{row.license_id}-{row.tier}-{row.metric}-{part}",
                    occurred_at=moment,
                    license_id=row.license_id,
                    tier=row.tier,
                    metric=row.metric,
                    units=units,
                    influence_ppm=influence_ppm,
                    model_id=model_id,
                )


def write_events(events: Iterable[UsageEvent], path: Path, *, name: str = "rows") -> UsageFile:
    """Write events as a JSONL file that metering reads."""
    with path.open("wb") as file:
        for event in events:
            file.write(event.to_bytes() + b"\n")
    return UsageFile(path, name, "jsonl")


MOST_EVENTS: Final = 20_000_000
_SLICE_ROWS: Final = 8_192
"""Rows of an Arrow batch: small, so that every thread of the database has some."""

Watch = Callable[[str, int], None]
"""Told the stage, and how many events it has seen."""


def no_progress(stage: str, events: int) -> None:
    """The watch of whoever shows no progress."""


_TABLES: Final = """
  CREATE TABLE events (
    file UINTEGER, line UBIGINT, event_hash BLOB, occurred_at BIGINT, license_id UINTEGER,
    isrc VARCHAR, tier UTINYINT, metric UTINYINT, units UBIGINT, influence_ppm UINTEGER,
    output_hash BLOB, attribution_provider VARCHAR);
  CREATE TABLE rejections (file UINTEGER, line UBIGINT, field VARCHAR, reason VARCHAR);
"""

_EVENT_HASH: Final = salted_hash_sql("event", "event_id")
_OUTPUT_HASH: Final = salted_hash_sql("output", "output_id")

_DECODED: Final = pa.schema(
    [
        ("line", pa.int64()),
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("license_id", pa.uint32()),
        ("isrc", pa.string()),
        ("tier", pa.uint8()),
        ("metric", pa.uint8()),
        ("units", pa.uint64()),
        ("influence_ppm", pa.uint32()),
        ("model_id", pa.string()),
        ("output_id", pa.string()),
        ("attribution_provider", pa.string()),
    ]
)

Reader = Callable[[Any], UsageEvent]


class Intake:
    """Fills the tables `events` and `rejections` of a workbench.

    An event is of `model_id` and lies in `period` (None: any), or its line is rejected.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        salt: bytes,
        model_id: bytes | None,
        period: Period | None,
        most_events: int = MOST_EVENTS,
        watch: Watch = no_progress,
    ) -> None:
        self._connection = connection
        self._salt = salt_parameters(salt)
        self._misplaced = _misplaced(model_id, period)
        self._most_events = most_events
        self._watch = watch
        self._files: list[str] = []
        self._seen = 0
        connection.execute(_TABLES)

    def read(self, files: Sequence[UsageFile], allowance: Allowance) -> None:
        """Read the files one after the other.

        Raises InputError for what is wrong with a file as a whole, and for more than `most_events`
        lines; RejectedLines where more lines are bad than a file of usage can have.
        """
        for file in files:
            self._files.append(file.name)
            match format_of(file):
                case "jsonl":
                    self._read_json(file, allowance)
                case "csv":
                    self._read_csv(file, allowance)
                case "parquet":
                    self._read_parquet(file, allowance)

    def rejections(self) -> tuple[tuple[Rejection, ...], int]:
        """The first 1 000 bad lines by file and line, and how many there are."""
        rows = self._connection.execute(
            f"SELECT * FROM rejections ORDER BY file, line LIMIT {MAX_REJECTIONS}"
        ).fetchall()
        first_rejections = tuple(Rejection(self._files[file], *rest) for file, *rest in rows)
        return first_rejections, count(self._connection, "rejections")

    def refuse(self) -> None:
        """Raises RejectedLines if any line was bad."""
        first_rejections, total = self.rejections()
        if total:
            raise RejectedLines(first_rejections, total)

    def _read_json(self, file: UsageFile, allowance: Allowance) -> None:
        for block in blocks_of_lines(file, allowance):
            lines = _numbered(block)
            self._take(block, lines, texts_of_json("lines"), event_of_json)

    def _read_csv(self, file: UsageFile, allowance: Allowance) -> None:
        columns: list[str] = []
        for block in blocks_of_lines(file, allowance):
            lines = _numbered(block)
            if not columns:
                columns, lines = _header(file, lines)
            self._take(
                block,
                lines,
                texts_of_csv("lines", columns),
                partial(event_of_csv, columns=columns),
            )

    def _read_parquet(self, file: UsageFile, allowance: Allowance) -> None:
        for first, table in batches_of_parquet(file, allowance):
            numbers = pa.array(range(first, first + len(table)), pa.int64())
            named = table.append_column("line", numbers)
            self._decode(named, "SELECT *, true AS whole FROM lines")
            values = ", ".join(f"{name} := lines.{name}" for name in FIELDS)
            bad = self._connection.execute(
                f"SELECT line, struct_pack({values}) "
                "FROM decoded JOIN lines USING (line) WHERE NOT good ORDER BY line"
            ).fetchall()
            self._finish(bad, event_of_texts, len(table))

    def _take(self, block: Lines, lines: pa.Table, texts: str, reader: Reader) -> None:
        self._reject((number, None, reason) for number, reason in sorted(block.faults.items()))
        self._decode(lines, texts)
        bad = self._connection.execute(
            "SELECT line, lines.text FROM decoded JOIN lines USING (line) "
            "WHERE NOT good AND lines.text IS NOT NULL ORDER BY line"
        ).fetchall()
        self._finish(bad, reader, len(lines))

    def _decode(self, lines: pa.Table, texts: str) -> None:
        sliced = pa.Table.from_batches(lines.to_batches(max_chunksize=_SLICE_ROWS), lines.schema)
        self._connection.register("lines", sliced)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE decoded AS {typed(texts)}")

    def _finish(self, bad: Sequence[tuple[int, Any]], reader: Reader, lines: int) -> None:
        self._insert("decoded WHERE good")
        self._connection.unregister("lines")
        if bad:
            self._read_slowly(bad, reader)
        self._seen += lines
        self._watch("reading", self._seen)
        if self._seen > self._most_events:
            raise InputError(
                f"more than {self._most_events} lines: send them in several reports", field="files"
            )
        if count(self._connection, "rejections") > MAX_BAD_LINES:
            first_rejections, total = self.rejections()
            raise RejectedLines(first_rejections, total)

    def _read_slowly(self, bad: Sequence[tuple[int, Any]], reader: Reader) -> None:
        events: list[dict[str, Any]] = []
        rejected: list[tuple[int, str | None, str]] = []
        for line, source in bad:
            try:
                event = reader(source)
            except InputError as error:
                rejected.append((line, error.field, error.reason))
            else:
                plain = event.model_dump()
                events.append(plain | {"line": line, "model_id": "0x" + event.model_id.hex()})
        self._reject(rejected)
        if events:
            self._connection.register("read", pa.Table.from_pylist(events, _DECODED))
            self._insert("read")
            self._connection.unregister("read")

    def _insert(self, source: str) -> None:
        """Keep the events of a relation, and reject those that are none of this report."""
        file = len(self._files) - 1
        field, reason = self._misplaced
        sifted = f"SELECT *, {field} AS misplaced, {reason} AS reason FROM {source}"
        self._connection.execute(
            f"INSERT INTO rejections SELECT {file}, line, misplaced, reason "
            f"FROM ({sifted}) WHERE misplaced IS NOT NULL"
        )
        self._connection.execute(
            f"INSERT INTO events SELECT {file}, line, {_EVENT_HASH}, occurred_at, license_id, "
            f"isrc, tier, metric, units, influence_ppm, {_OUTPUT_HASH}, attribution_provider "
            f"FROM ({sifted}) WHERE misplaced IS NULL",
            self._salt,
        )

    def _reject(self, wrong_lines: Sequence[tuple[int, str | None, str]] | Iterator[Any]) -> None:
        file = len(self._files) - 1
        rows = [{"line": line, "field": field, "reason": why} for line, field, why in wrong_lines]
        if not rows:
            return
        schema = pa.schema([("line", pa.int64()), ("field", pa.string()), ("reason", pa.string())])
        self._connection.register("found", pa.Table.from_pylist(rows, schema))
        self._connection.execute(
            f"INSERT INTO rejections SELECT {file}, line, field, reason FROM found"
        )
        self._connection.unregister("found")


def _misplaced(model_id: bytes | None, period: Period | None) -> tuple[str, str]:
    """SQL for the field that puts an event outside this report, and for the reason."""
    if model_id is None or period is None:
        return "NULL::VARCHAR", "NULL::VARCHAR"
    other = f"model_id != '0x{model_id.hex()}'"
    outside = f"occurred_at NOT BETWEEN {period.start} AND {period.end - 1}"
    field = f"CASE WHEN {other} THEN 'model_id' WHEN {outside} THEN 'occurred_at' END"
    wrong_model = f"model_id || ' is not the model of the report, 0x{model_id.hex()}'"
    wrong_time = f"occurred_at || ' is outside the period [{period.start}, {period.end})'"
    return field, f"CASE WHEN {other} THEN {wrong_model} ELSE {wrong_time} END"


def _numbered(block: Lines) -> pa.Table:
    """Lines with their numbers, without blank ones. Unreadable lines are null."""
    numbers = pa.array(range(block.first, block.first + len(block.texts)), pa.int64())
    table = pa.table({"line": numbers, "text": block.texts})
    blank = pc.match_substring_regex(block.texts, r"^[ \t\r]*$")
    return table.filter(pc.invert(pc.fill_null(blank, True)))


def _header(file: UsageFile, lines: pa.Table) -> tuple[list[str], pa.Table]:
    text = lines["text"][0].as_py() if len(lines) else None
    if text is None:
        raise InputError(f"{file.name}: begins with no header: name the columns in the first line")
    columns = [name.strip().strip('"') for name in text.rstrip("\r").split(",")]
    check_names(file.name, columns)
    return columns, lines.slice(1)
