"""Every pair of states of catalogues and lines is tried: what the tables have passes, all else is refused."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path

import pytest

from backend.db.service_db import Catalogue, CatalogueLine, CatalogueState, LineState
from obbligato.errors import RefusedError

CATALOGUE_MOVES = {"reading ready", "reading withdrawn", "ready reading", "ready withdrawn"}
LINE_MOVES = {
    "waiting prepared",
    "waiting refused",
    "refused waiting",
    "prepared offered",
    "prepared minted",
    "offered minted",
    "minted offered",
}
PAIRS = [
    *((Catalogue, CATALOGUE_MOVES, *pair) for pair in product(CatalogueState, repeat=2)),
    *((CatalogueLine, LINE_MOVES, *pair) for pair in product(LineState, repeat=2)),
]
BACKEND = Path(__file__).parents[3] / "backend"


@pytest.mark.parametrize(("table", "moves", "before", "after"), PAIRS)
def test_a_state_follows_another_as_the_table_says(
    table: type[Catalogue | CatalogueLine],
    moves: set[str],
    before: CatalogueState | LineState,
    after: CatalogueState | LineState,
) -> None:
    row = table(state=before)
    if before == after or f"{before} {after}" in moves:
        row.state = after
        assert row.state == after
        return
    with pytest.raises(RefusedError, match=f"what is {before} cannot become {after}"):
        row.state = after
    assert row.state == before


def test_no_statement_writes_the_state_past_the_table() -> None:
    """An UPDATE of many rows would not pass the check that an assignment passes."""
    updates = [
        f"{path.name}:{node.lineno}"
        for path in BACKEND.rglob("*.py")
        if "migrations" not in str(path)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "update"
        and any(
            isinstance(each, ast.Name) and each.id in ("Catalogue", "CatalogueLine")
            for each in node.args
        )
    ]
    assert updates == []
