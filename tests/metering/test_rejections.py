"""Bad lines are refused by file, line and field; what is not usage is refused as a whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from obbligato.errors import InputError
from obbligato.metering.dry_check import check_files
from obbligato.metering.files import Allowance, RejectedLines, UsageFile, blocks_of_lines
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from tests.metering.cases import (
    COLUMNS,
    END,
    START,
    as_csv,
    as_parquet,
    compressed,
    event,
    jsonl,
    metered,
)


def rejections(folder: Path, *files: UsageFile) -> list[tuple[str, int, str | None]]:
    with pytest.raises(RejectedLines) as refused:
        metered(folder, *files)
    return [(each.file, each.line, each.field) for each in refused.value.rejections]


def raw(field: str, literal: str) -> str:
    """A line of JSON in which a field has the value that is spelled like this."""
    return json.dumps(event(9, **{field: "@"})).replace('"@"', literal)


NUMBERS = ["1.5", "1.0", "1e3", "NaN", "Infinity", "-1", "0", "18446744073709551616", '"1"', "true"]


@pytest.mark.parametrize("literal", [*NUMBERS, "[1]", "{}", '""', "9007199254740992"])
@pytest.mark.parametrize("field", ["units", "influence_ppm"])
def test_a_count_that_is_no_whole_number_is_refused_by_line_and_field(
    tmp_path: Path, field: str, literal: str
) -> None:
    file = jsonl(tmp_path / "a.jsonl", [event(1), raw(field, literal), event(2)])
    with pytest.raises(RejectedLines) as refused:
        metered(tmp_path, file)
    [bad] = refused.value.rejections
    assert (bad.file, bad.line) == ("a.jsonl", 2)
    assert bad.field == field or literal in ("NaN", "Infinity")


@pytest.mark.parametrize(
    ("field", "literal"),
    [
        *(("license_id", literal) for literal in ["1.0", "0", "-1", '"1"', "4294967296"]),
        *(("tier", literal) for literal in ["0", "7", '"LOUD"', '"3"', "3.0", "null"]),
        *(("metric", literal) for literal in ["0", "4", '"STREAM"', "2e0"]),
        *(("occurred_at", literal) for literal in ["1.5", f'"{START}"', '"2026-01-05"', '"soon"']),
        ("occurred_at", '"2026-02-30T00:00:00Z"'),
        ("occurred_at", '"2026-01-05T00:00:00.5Z"'),
        *(("model_id", literal) for literal in ['"0x12"', "7", "null", f'"0X{"5a" * 32}"']),
        *(("event_id", literal) for literal in ['""', '"  "', '"a\\u0000"', "7", "null"]),
        ("event_id", json.dumps("x" * 201)),
        ("output_id", '"\\u2003"'),
        ("attribution_provider", "7"),
        ("colour", '"red"'),
    ],
)
def test_a_value_of_another_kind_is_refused_by_line_and_field(
    tmp_path: Path, field: str, literal: str
) -> None:
    file = jsonl(tmp_path / "a.jsonl", [event(1), raw(field, literal)])
    assert rejections(tmp_path, file) == [("a.jsonl", 2, field)]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "7",
        '{"event_id": "1"',
        json.dumps(event(9))[:-1] + ",}",
        json.dumps(event(9)) + " x",
        json.dumps(event(9, isrc="USUG12400910")),
        json.dumps(event(9, license_id=None)),
        json.dumps(event(9))[:-1] + ', "units": 1}',
    ],
)
def test_a_line_that_is_not_one_event_is_refused(tmp_path: Path, line: str) -> None:
    found = rejections(tmp_path, jsonl(tmp_path / "a.jsonl", [event(1), line, event(2)]))
    assert [(file, number) for file, number, _ in found] == [("a.jsonl", 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": "2026-01-01T00:01:00Z"},
        {"occurred_at": "2026-01-01T00:01:00+00:00"},
        {"tier": "generative", "metric": "Generation"},
        {"model_id": "0x" + "5A" * 32},
        {"license_id": None, "isrc": "ISRC us-ug1 24 00910"},
        {"event_id": "\u2026"},
    ],
)
def test_usual_spellings_are_read(tmp_path: Path, change: dict[str, Any]) -> None:
    expected = (Row(1, Tier.GENERATIVE, Metric.GENERATION, 1_000_000),)
    line = event(1, **change)
    for file in (jsonl(tmp_path / "a.jsonl", [line]), as_csv(tmp_path / "a.csv", [line])):
        assert metered(tmp_path, file).parts[0].rows == expected


def test_null_is_no_value(tmp_path: Path) -> None:
    line = json.dumps({**event(1), "isrc": None, "output_id": None})
    assert metered(tmp_path, jsonl(tmp_path / "a.jsonl", [line])).events == 1


def test_an_event_of_another_model_or_outside_the_period_is_refused(tmp_path: Path) -> None:
    lines = [
        event(1, occurred_at=START - 1),
        event(2, occurred_at=START),
        event(3, occurred_at=END - 1),
        event(4, occurred_at=END),
        event(5, model_id="0x" + "5b" * 32),
    ]
    assert rejections(tmp_path, jsonl(tmp_path / "a.jsonl", lines)) == [
        ("a.jsonl", 1, "occurred_at"),
        ("a.jsonl", 4, "occurred_at"),
        ("a.jsonl", 5, "model_id"),
    ]


def test_bad_lines_are_listed_by_file_and_line_and_left_out_when_asked(tmp_path: Path) -> None:
    files = [
        jsonl(tmp_path / "one.jsonl", ["x", event(1), "", "y"]),
        jsonl(tmp_path / "two.jsonl", [event(2), event(3, units=0)]),
    ]
    assert rejections(tmp_path, *files) == [
        ("one.jsonl", 1, None),
        ("one.jsonl", 4, None),
        ("two.jsonl", 2, "units"),
    ]
    result = metered(tmp_path, *files, skip_invalid=True)
    assert (result.events, result.skipped, len(result.rejections)) == (2, 3, 3)


def test_a_thousand_bad_lines_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [event(n, units=0) for n in range(1_500)])
    with pytest.raises(RejectedLines, match="1500 lines are wrong") as refused:
        metered(tmp_path, file)
    assert refused.value.total == 1_500
    assert [each.line for each in refused.value.rejections] == list(range(1, 1_001))


def test_a_file_of_something_else_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obbligato.metering.intake.MAX_BAD_LINES", 10)
    file = jsonl(tmp_path / "a.jsonl", ["x"] * 11)
    with pytest.raises(RejectedLines):
        metered(tmp_path, file, skip_invalid=True)


@pytest.mark.parametrize("content", [b"\n\n", b"\xff,b\n"])
def test_a_csv_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="begins with no header"):
        metered(tmp_path, UsageFile(path, "a.csv"))


def test_marks_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    for file in (
        jsonl(tmp_path / "a.jsonl", [event(1), event(2)]),
        as_csv(tmp_path / "a.csv", [event(1), event(2)]),
    ):
        text = file.path.read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n")
        file.path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n\r\n"))
        assert metered(tmp_path, file).events == 2
        assert metered(tmp_path, compressed(file)).events == 2
        assert metered(tmp_path, UsageFile(file.path, "usage")).events == 2


def test_bytes_that_are_not_utf_8_and_long_lines_are_bad_lines(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [event(1), "\u00e9", "x" * 70_000, event(2)])
    file.path.write_bytes(file.path.read_text(encoding="utf-8").encode("latin-1"))
    assert rejections(tmp_path, file) == [("a.jsonl", 2, None), ("a.jsonl", 3, None)]


def test_a_line_without_end_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 1_000_000 + b"\n{}\n")
    blocks = list(blocks_of_lines(UsageFile(path, "a"), Allowance(), block_bytes=100_000))
    assert [list(block.faults) for block in blocks] == [[1]]
    assert sum(len(block.texts) for block in blocks) == 2


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("units", "1.5"),
        ("units", "1e3"),
        ("units", "-1"),
        ("units", "+1"),
        ("units", "1_000"),
        ("units", "0x10"),
        ("units", ""),
        ("license_id", " 1"),
        ("tier", "9"),
        ("occurred_at", "yesterday"),
    ],
)
def test_csv_refuses_what_is_no_whole_number(tmp_path: Path, column: str, text: str) -> None:
    file = as_csv(tmp_path / "a.csv", [event(1), event(2, **{column: text})])
    assert [line for _, line, _ in rejections(tmp_path, file)] == [3]


@pytest.mark.parametrize("line", ["a,b", "," * 40, 'x,"y', 'x,y"z"', '"a"b,c'])
def test_a_csv_line_with_other_values_than_the_header_is_refused(tmp_path: Path, line: str) -> None:
    file = as_csv(tmp_path / "a.csv", [event(1), event(2)])
    lines = file.path.read_text().splitlines()
    file.path.write_text("\n".join([*lines[:2], line, *lines[2:]]))
    assert [number for _, number, _ in rejections(tmp_path, file)] == [3]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (",".join((*COLUMNS, "colour")), "colour"),
        (",".join((*COLUMNS, "units")), "units"),
        (",".join(COLUMNS[1:]), "event_id"),
        ("event_id,occurred_at,tier,metric,units,influence_ppm,model_id", "isrc"),
    ],
)
def test_csv_headers_that_are_not_those_of_usage_are_refused(
    tmp_path: Path, header: str, field: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(header + "\n")
    with pytest.raises(InputError) as refused:
        metered(tmp_path, UsageFile(path, "a.csv"))
    assert refused.value.field == field


def parquet(path: Path, **columns: pa.Array) -> UsageFile:
    """One good event in Parquet, with other columns."""
    file = as_parquet(path, [event(1)])
    table = pq.read_table(path)
    for name, column in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, column)
    pq.write_table(table, path)
    return file


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("units", pa.array([1.0])),
        ("units", pa.array(["1"])),
        ("event_id", pa.array([1])),
        ("occurred_at", pa.array([1.5])),
        ("tier", pa.array([True])),
        ("model_id", pa.array([1])),
        ("colour", pa.array(["red"])),
    ],
)
def test_a_parquet_column_of_another_type_is_refused_by_name(
    tmp_path: Path, column: str, values: pa.Array
) -> None:
    with pytest.raises(InputError) as refused:
        metered(tmp_path, parquet(tmp_path / "a.parquet", **{column: values}))
    assert refused.value.field == column
    assert not isinstance(refused.value, RejectedLines)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("occurred_at", pa.array([START * 1_000_000], pa.timestamp("us", tz="UTC"))),
        ("occurred_at", pa.array([START], pa.timestamp("s"))),
        ("occurred_at", pa.array(["2026-01-01T00:00:00Z"])),
        ("model_id", pa.array([b"\x5a" * 32], pa.binary(32))),
        ("model_id", pa.array([b"\x5a" * 32])),
        ("tier", pa.array(["Generative"]).dictionary_encode()),
        ("event_id", pa.array(["event-1"], pa.large_string())),
    ],
)
def test_parquet_columns_of_related_types_are_read(
    tmp_path: Path, column: str, values: pa.Array
) -> None:
    assert metered(tmp_path, parquet(tmp_path / "a.parquet", **{column: values})).events == 1


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("occurred_at", pa.array([START * 1_000 + 1], pa.timestamp("ms"))),
        ("units", pa.array([2**64 - 1], pa.uint64())),
        ("units", pa.array([-1])),
        ("units", pa.nulls(1, pa.int64())),
        ("model_id", pa.array([b"\x5a" * 31])),
        ("event_id", pa.array([""])),
        ("tier", pa.array([7])),
    ],
)
def test_a_bad_value_in_parquet_is_refused_by_its_row(
    tmp_path: Path, column: str, values: pa.Array
) -> None:
    file = parquet(tmp_path / "a.parquet", **{column: values})
    assert rejections(tmp_path, file) == [("a.parquet", 1, column)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_one_long_value_in_many_rows_of_parquet_is_refused_unread(
    tmp_path: Path, kind: pa.DataType
) -> None:
    rows = 50_000
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * rows, pa.int32()), pa.array(["x" * 100_000], kind)
    )
    table = pa.table({name: pa.nulls(rows) for name in COLUMNS if name != "output_id"})
    pq.write_table(table.append_column("output_id", long), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="shorten it") as refused:
        metered(tmp_path, UsageFile(tmp_path / "a.parquet", "a.parquet"))
    assert refused.value.field == "output_id"


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * 40_000_000))
    with pytest.raises(InputError, match="compressed bomb"):
        metered(tmp_path, UsageFile(path, "a.jsonl.gz"))


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = compressed(jsonl(tmp_path / "a.jsonl", [event(n) for n in range(100)]))
    whole.path.write_bytes(whole.path.read_bytes()[:-20])
    with pytest.raises(InputError, match="send it again"):
        metered(tmp_path, whole)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match="is not Parquet"):
        metered(tmp_path, UsageFile(path, "a"))


def test_more_events_or_bytes_than_are_taken_at_once_are_refused(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [event(n) for n in range(10)])
    with pytest.raises(InputError, match="more than 9 lines"):
        metered(tmp_path, file, most_events=9)
    with pytest.raises(InputError, match="several reports"):
        metered(tmp_path, file, most_bytes=1_000)


def test_a_dry_check_sums_what_files_hold_and_refuses_the_same_lines(tmp_path: Path) -> None:
    lines = [
        event(1, units=3, influence_ppm=500_000),
        event(2),
        event(2),
        event(3, license_id=None, isrc="USSM12209777"),
        event(4, units=0),
    ]
    file = jsonl(tmp_path / "a.jsonl", lines)
    with pytest.raises(RejectedLines) as refused:
        check_files([file], folder=tmp_path / "scratch")
    assert [str(each)[:24] for each in refused.value.rejections] == ["a.jsonl, line 5, units: "]
    checked = check_files([file], folder=tmp_path / "scratch", skip_invalid=True)
    assert (checked.events, checked.duplicates, checked.skipped) == (3, 1, 1)
    assert [
        (each.license_id, each.isrc, each.quantity_millionths, each.events) for each in checked.sums
    ] == [(1, None, 2_500_000, 2), (None, "USSM12209777", 1_000_000, 1)]
