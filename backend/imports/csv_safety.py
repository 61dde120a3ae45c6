"""Cells that no spreadsheet takes for formulas (OWASP, CSV injection), and back."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 -- spreadsheets take the wide ones, too
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001


def inert(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def as_it_was(cell: str) -> str:
    """The cell that `inert` made this of."""
    return cell[1:] if _GUARDED.match(cell) else cell
