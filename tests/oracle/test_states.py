"""How far a submission is shown to be, from its parts: worked by hand."""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path

import pytest

from obbligato.schemas.oracle import State
from oracle.db import Report, Submission
from oracle.states import (
    ORDER,
    PART_MOVES,
    SUBMISSION_MOVES,
    IllegalMoveError,
    overall,
)


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (["settled"], "settled"),
        (["settled", "challengeable"], "challengeable"),
        (["challengeable", "contested", "settled"], "contested"),
        (["challengeable", "signed"], "signed"),
        (["submitted", "attested"], "attested"),
        (["unfunded", "signed"], "unfunded"),
        (["unfunded", "validated"], "validated"),
        (["settled", "rejected", "validated"], "rejected"),
    ],
)
def test_what_waits_for_the_platform_is_shown_before_the_least_advanced_part(
    parts: list[str], shown: str
) -> None:
    assert overall(parts) == shown


def test_every_state_of_a_part_has_its_place() -> None:
    no_part = {"received", "quoted", "withdrawn"}
    assert {state.value for state in ORDER} == {state.value for state in State} - no_part


PAGE = (Path(__file__).parents[2] / "docs" / "oracle.md").read_text()
WORDS = "|".join(State)


def test_every_arrow_of_the_diagram_is_a_move_of_the_tables() -> None:
    diagram = PAGE.split("```mermaid\nstateDiagram-v2\n")[1].split("```")[0]
    arrows = re.findall(r"^  (\w+) --> (\w+)", diagram, re.MULTILINE)
    assert len(arrows) == diagram.count("-->") - 1  # all but the one from the beginning
    assert {word for arrow in arrows for word in arrow} == set(State)
    for before, after in map(partial(map, State), arrows):
        assert after in PART_MOVES.get(before, frozenset()) | SUBMISSION_MOVES[before]


def test_the_moves_of_a_part_are_those_of_the_page() -> None:
    table = PAGE.split("| a part that is | may become |\n|---|---|\n")[1].split("\n\n")[0]
    stated: dict[str, set[str]] = {}
    for line in table.splitlines():
        names, moves = (re.findall(rf"\b({WORDS})\b", cell) for cell in line.split("|")[1:3])
        among = set(names) if "each other" in line else set()
        stated |= {name: (set(moves) | among) - {name} for name in names}
    assert stated == {state.value: set(moves) for state, moves in PART_MOVES.items()}


def test_a_move_that_the_table_does_not_have_is_stopped() -> None:
    part = Report(state=State.VALIDATED)
    with pytest.raises(IllegalMoveError, match="validated does not become settled"):
        part.move(State.SETTLED)
    assert part.state == State.VALIDATED
    part.move(State.VALIDATED, waiting="a reason")  # nothing moves
    part.move(State.SIGNED)
    assert (part.state, part.waiting) == ("signed", None)


def test_a_submission_goes_where_its_parts_are_and_a_rejected_one_stays() -> None:
    submission = Submission(state=State.SIGNED)
    submission.reports = [
        Report(part=1, state="unfunded", waiting="escrow"),
        Report(part=2, state="signed", waiting="attesters"),
    ]
    submission.follow_parts()
    assert (submission.state, submission.waiting) == ("unfunded", "escrow")
    submission.move(State.REJECTED)
    submission.follow_parts()
    assert (submission.state, submission.waiting) == ("rejected", None)


def test_a_state_is_written_by_a_move_alone() -> None:
    written = [
        f"{path.name}:{node.lineno}"
        for path in (Path(__file__).parents[2] / "oracle").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for each in ast.walk(target)
        if isinstance(each, ast.Attribute) and each.attr == "state" and path.name != "db.py"
    ]
    assert not written
