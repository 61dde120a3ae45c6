"""Statements as files: hostile names stay text in every format, and much stays bounded (fault 46)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from pypdf import PdfReader

from backend.payees.schemas import Credit, StatementHead
from backend.payees.statement_files import (
    MOST_LINES,
    write_csv,
    write_json,
    write_parquet,
    write_pdf,
)
from backend.payees.statements import Statement
from tests.onchain import ARTIST

TITLES = [
    "Clair de lune",
    '=HYPERLINK("http://evil.example","click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    'quote " comma , newline \n and ; more',
    "عنوان الأغنية",
    "שיר השירים",
    "夜曲 세레나데",
    "เพลงไทย हिन्दी",
    "🎵😀🏳️‍🌈 heart",
    "Ω≈ç√∫µ≤ café",
    "x" * 499 + "!",
    "\x00\x01 control",
    "",
]


def credit(title: str, number: int) -> Credit:
    return Credit(
        license_id=number,
        title=title,
        artists=[title, "Trio Norte"],
        isrc="AA6Q72000047",
        split_id=1,
        share_ppm=650_000,
        platform_id=1,
        model_id=bytes(32),
        tier="GENERATIVE",
        metric="GENERATION",
        quantity=5_000_000,
        rate_units=2_400,
        credited_units=2**64 - 2,
        amount_units=2**64 - 2,
        source="report",
        report_id=bytes(32),
        usage_month="2026-09",
        earned_at=1_790_812_800,  # 2026-10-01
        block_number=7,
        certainty="final",
    )


def statement(titles: list[str], *, at_once: int = 1_000) -> Statement:
    lines = [credit(title, number) for number, title in enumerate(titles, start=1)]

    def chunks() -> Iterator[list[Credit]]:
        for start in range(0, len(lines), at_once):
            yield lines[start : start + at_once]

    head = StatementHead(
        account=ARTIST.address,
        month="2026-10",
        opening_units=1,
        earned_before_units=1,
        earned_units=2_400_000,
        refunds_units=0,
        paid_units=400_000,
        bonds_units=0,
        closing_units=2_000_001,
        lines=len(lines),
        over=True,
        as_of_block=99,
        as_of_time=1_793_500_000,
        certainty="final",
    )
    return Statement(head, chunks())


def pdf_text(titles: list[str]) -> tuple[int, str]:
    file = io.BytesIO()
    write_pdf(statement(titles), file)
    pages = PdfReader(file).pages
    return len(pages), "\n".join(page.extract_text() for page in pages)


def test_no_cell_of_the_csv_is_a_formula_and_nothing_is_lost() -> None:
    file = io.BytesIO()
    write_csv(statement(TITLES, at_once=3), file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode("utf-8"), newline="")))
    assert len(rows) == len(TITLES)
    assert not file.getvalue().startswith(b"\xef\xbb\xbf")
    for row, title in zip(rows, TITLES, strict=True):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
        assert row["title"] in (title, "'" + title)
        assert (row["amount_units"], row["amount_dollars"]) == (
            "18446744073709551614",
            "18446744073709.551614",
        )


def test_json_and_parquet_have_the_exact_text_and_amounts() -> None:
    file = io.BytesIO()
    write_json(statement(TITLES, at_once=3), file)
    read = json.loads(file.getvalue())
    assert [line["title"] for line in read["lines"]] == TITLES
    assert {line["amount_units"] for line in read["lines"]} == {str(2**64 - 2)}
    assert read["statement"]["closing_units"] == "2000001"
    file = io.BytesIO()
    write_parquet(statement(TITLES, at_once=3), file)
    table = pq.read_table(file)
    assert table.column("title").to_pylist() == TITLES
    assert set(table.column("amount_units").to_pylist()) == {2**64 - 2}
    assert str(table.schema.field("amount_units").type) == "uint64"


def test_an_empty_statement_is_a_file_in_every_format() -> None:
    for write in (write_json, write_csv, write_parquet, write_pdf):
        file = io.BytesIO()
        write(statement([]), file)
        assert file.getvalue()
    assert "Nothing was earned in this month." in pdf_text([])[1]


def test_paper_shows_names_as_text() -> None:
    pages, text = pdf_text(TITLES)
    flat = text.replace("\n", "")
    assert "<script>alert(1)</script>" in flat.replace(" ", "")
    assert "Clair de lune" in text
    assert "夜曲" in flat
    assert "café" in text
    assert f"Page {pages} of {pages}" in text
    assert "x" * 499 not in flat
    assert "…" in text
    assert "2026-10-01" in text


@pytest.mark.parametrize("title", TITLES)
def test_no_name_breaks_the_paper(title: str) -> None:
    pages, text = pdf_text([title])
    assert pages == 1
    assert "18446744073709.551614" in text.replace("\n", "")


def test_paper_with_many_lines_says_how_many_it_shows_and_repeats_its_headings() -> None:
    pages, text = pdf_text(["Nocturne"] * (MOST_LINES + 1))
    assert f"The first {MOST_LINES} of {MOST_LINES + 1} lines" in text
    assert text.count("Nocturne; Trio Norte") == MOST_LINES
    assert text.count("Share %") in (pages, pages - 1)  # the last page may hold the notes alone
    assert pages > 3


def test_the_same_statement_is_the_same_paper() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write_pdf(statement(TITLES), file)
    assert files[0].getvalue() == files[1].getvalue()
