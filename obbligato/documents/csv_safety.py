"""Cells that no spreadsheet runs as a formula (OWASP, CSV injection), and the text they were made of."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"""['"\s]*[=+\-@\t\r\n＝＋－＠]""")  # noqa: RUF001 -- spreadsheets run the wide signs, too


def guard_cell(value: object) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet may run; None is an empty cell.

    Spaces and quotes before the sign do not help: some programs drop them on import.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(cell: str) -> str:
    """The text that `guard_cell` made this cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
