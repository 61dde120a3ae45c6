"""Statements as files: CSV, JSON, Parquet and PDF."""

from __future__ import annotations

import csv
import functools
import io
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it ships no types
from fpdf import FPDF
from fpdf.fonts import FontFace

from backend.payees.schemas import Credit, StatementHead
from backend.payees.statements import Statement
from obbligato.documents.csv_safety import guard_cell
from obbligato.protocol.constants import PPM
from obbligato.times import moment_text

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
            values[0] = moment_text(line.earned_at)[:10]
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


FONTS: Final = Path(__file__).parent / "fonts"
MAIN: Final = "DejaVuSans.ttf"
BOLD: Final = "DejaVuSans-Bold.ttf"
FALLBACK: Final = "DroidSansFallback.ttf"

MOST_LINES: Final = 400
"""On paper; all of them are in the other formats."""
MOST_CHARACTERS: Final = 60
"""Of a title or a name."""
FIRST_COMPLEX: Final = "\u0590"
"""From here on letters may join or run from the right; before it they need no shaping."""

HEADINGS: Final = (
    ("Earned", 17, "L"),
    ("Used in", 14, "L"),
    ("Platform", 14, "R"),
    ("Artist", 40, "L"),
    ("Title", 54, "L"),
    ("ISRC", 25, "L"),
    ("Use", 34, "L"),
    ("Quantity", 24, "R"),
    ("Rate", 18, "R"),
    ("Share %", 15, "R"),
    ("Amount", 22, "R"),
)
"""Of the columns, with their widths in millimetres."""


class _Paper(FPDF):
    """Pages that are numbered and say whose they are."""

    def __init__(self, head: StatementHead) -> None:
        super().__init__(orientation="landscape", format="A4")
        self._head = head

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font("text", size=7)
        words = f"{self._head.account}, {self._head.month}, as of block {self._head.as_of_block}"
        self.cell(0, 5, words)
        self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align="R")


def write_pdf(statement: Statement, file: IO[bytes]) -> None:
    """A statement on paper; the same statement has the same bytes."""
    head = statement.head
    lines = _first_lines(statement)
    rows = [_cells(line) for line in lines]
    text = {character for row in rows for cell in row for character in cell}
    paper = _Paper(head)
    paper.set_creation_date(datetime.fromtimestamp(head.as_of_time, UTC))
    paper.set_title(f"Statement of {head.month} for {head.account}")
    paper.add_font("text", fname=FONTS / MAIN)
    paper.add_font("text", style="B", fname=FONTS / BOLD)
    if text - _characters(MAIN):
        paper.add_font("fallback", fname=FONTS / FALLBACK)
        paper.set_fallback_fonts(["fallback"], exact_match=False)
    paper.set_text_shaping(any(character >= FIRST_COMPLEX for character in text))
    paper.set_auto_page_break(True, margin=16)
    paper.add_page()
    _write_head(paper, head)
    _write_lines(paper, rows)
    _write_notes(paper, head, len(lines))
    file.write(bytes(paper.output()))


def _write_head(paper: FPDF, head: StatementHead) -> None:
    paper.set_font("text", "B", 15)
    paper.cell(0, 9, f"Statement of {head.month}", new_x="LMARGIN", new_y="NEXT")
    paper.set_font("text", size=9)
    until = "the end of the month" if head.over else moment_text(head.as_of_time)
    state = (
        "final: it cannot change any more"
        if head.certainty == "final"
        else "confirmed: it may still change"
    )
    for words in (
        f"Payee {head.account}",
        f"As of block {head.as_of_block}, {moment_text(head.as_of_time)}. This statement is {state}.",
        "All amounts in dollars.",
    ):
        paper.cell(0, 5, words, new_x="LMARGIN", new_y="NEXT")
    paper.ln(2)
    with paper.table(
        width=110,
        align="LEFT",
        col_widths=(70, 40),
        text_align=("LEFT", "RIGHT"),
        first_row_as_headings=False,
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        for words, units in (
            ("Unclaimed when the month began", head.opening_units),
            ("Earned", head.earned_units),
            ("Bonds that came back and were won", head.refunds_units),
            ("Paid", head.paid_units),
            ("Posted as bonds of challenges", head.bonds_units),
            (f"Unclaimed at {until}", head.closing_units),
        ):
            row = table.row()
            row.cell(words)
            row.cell(decimal(units))
    paper.ln(4)


def _write_lines(paper: FPDF, rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    paper.set_font("text", size=7)
    with paper.table(
        width=sum(width for _, width, _ in HEADINGS),
        align="LEFT",
        col_widths=tuple(width for _, width, _ in HEADINGS),
        text_align=tuple({"L": "LEFT", "R": "RIGHT"}[align] for _, _, align in HEADINGS),
        headings_style=FontFace(emphasis="BOLD"),
        borders_layout="HORIZONTAL_LINES",
        line_height=4,
    ) as table:
        table.row([words for words, _, _ in HEADINGS])
        for cells in rows:
            table.row(cells)
    paper.ln(3)


def _write_notes(paper: FPDF, head: StatementHead, shown: int) -> None:
    paper.set_font("text", size=8)
    cut = (
        "Long names are cut (…), and signs that these fonts lack are shown as �: "
        "the CSV, Parquet and JSON of this statement have all of it."
    )
    notes = [cut]
    if shown < head.lines:
        notes.insert(
            0,
            f"The first {shown} of {head.lines} lines: the CSV has them all. "
            "The sums above are of all lines.",
        )
    elif not shown:
        notes = ["Nothing was earned in this month."]
    for words in notes:
        paper.multi_cell(0, 5, words, new_x="LMARGIN", new_y="NEXT")


def _first_lines(statement: Statement) -> list[Credit]:
    lines: list[Credit] = []
    for chunk in statement.chunks:
        lines += chunk[: MOST_LINES - len(lines)]
        if len(lines) == MOST_LINES:
            break
    return lines


def _cells(line: Credit) -> tuple[str, ...]:
    use = line.source if line.tier is None else f"{line.tier} {line.metric or line.source}"
    return (
        moment_text(line.earned_at)[:10],
        line.usage_month,
        "" if line.platform_id is None else str(line.platform_id),
        _printable(artists(line) or ""),
        _printable(line.title or f"licence {line.license_id}"),
        line.isrc or "",
        use.replace("_", " ").lower(),
        decimal(line.quantity),
        "" if line.rate_units is None else decimal(line.rate_units),
        f"{line.share_ppm / 10_000:.4f}",
        decimal(line.amount_units),
    )


def _printable(text: str) -> str:
    """A name as the fonts can show it, cut visibly where it is long."""
    known = _characters(MAIN) | _characters(FALLBACK)
    words = " ".join(text.split())
    cut = words if len(words) <= MOST_CHARACTERS else words[: MOST_CHARACTERS - 1] + "…"
    return "".join(
        character if character in known and unicodedata.category(character) != "Cc" else "\ufffd"
        for character in cut
    )


@functools.cache
def _characters(name: str) -> frozenset[str]:
    """What a font has a glyph for."""
    with TTFont(FONTS / name) as font:
        return frozenset(map(chr, font.getBestCmap()))
