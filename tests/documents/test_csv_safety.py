"""Cells that spreadsheets would run, by the list of OWASP's page on CSV injection and its full-width variants."""

from __future__ import annotations

import pytest

from obbligato.documents.csv_safety import guard_cell, unguard_cell

RUN = [
    '=HYPERLINK("http://evil.example")',
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\ttext",
    "\rtext",
    "\ntext",
    "＝1+1",  # noqa: RUF001 -- full-width
    "＋1",  # noqa: RUF001
    "－1",  # noqa: RUF001
    "＠SUM",  # noqa: RUF001
    "  =1+1",
    "\u3000=1",
    "'=1",
    '"=1',
    "' \"=1",
]
SHOWN = ["", "Aurora", "2400", "'t Hooft", "a=b", "7-Eleven", '"quoted"', "AA6Q72000047", " x", "ü"]


@pytest.mark.parametrize("cell", RUN)
def test_what_a_spreadsheet_runs_gets_an_apostrophe_and_loses_it_again(cell: str) -> None:
    assert guard_cell(cell) == "'" + cell
    assert unguard_cell("'" + cell) == cell


@pytest.mark.parametrize("cell", SHOWN)
def test_what_a_spreadsheet_shows_stays_as_it_is(cell: str) -> None:
    assert guard_cell(cell) == cell
    assert unguard_cell(cell) == cell


def test_values_become_text_and_nothing_becomes_an_empty_cell() -> None:
    assert (guard_cell(None), guard_cell(12), guard_cell(-12)) == ("", "12", "'-12")
