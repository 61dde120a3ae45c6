"""Statements as PDF: A4, real text in any script that the fonts here have.

Fonts: DejaVu Sans, and Droid Sans Fallback for what that lacks; both are in `fonts/` with their licences.
"""

from __future__ import annotations

import functools
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it ships no types
from fpdf import FPDF
from fpdf.fonts import FontFace

from backend.payees.schemas import Credit, StatementHead
from backend.payees.statement_files import artists, decimal
from backend.payees.statements import Statement
from obbligato.times import shown_moment

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
    until = "the end of the month" if head.over else shown_moment(head.as_of_time)
    state = (
        "final: it cannot change any more"
        if head.certainty == "final"
        else "confirmed: it may still change"
    )
    for words in (
        f"Payee {head.account}",
        f"As of block {head.as_of_block}, {shown_moment(head.as_of_time)}. This statement is {state}.",
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
        shown_moment(line.earned_at)[:10],
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
