"""Every refusal that the contracts can make is provoked by a test."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parent.parent / "contracts"
DECLARED = re.compile(r"^\s*error (\w+)\(", re.MULTILINE)
PROVOKED = re.compile(r'"(\w+)"')

UNREACHABLE: dict[str, str] = {}
"""Errors that no call can provoke, and why they are there all the same."""


def declared() -> list[tuple[str, str]]:
    """(file, error) of every custom error of the interfaces and libraries."""
    folders = (CONTRACTS / "interfaces", CONTRACTS / "libraries")
    files = sorted(path for folder in folders for path in folder.glob("*.sol"))
    return [(path.stem, name) for path in files for name in DECLARED.findall(path.read_text())]


def raised() -> set[str]:
    """Every error that some contract reverts with."""
    sources = [path.read_text() for path in CONTRACTS.rglob("*.sol") if "test" not in path.parts]
    return {name for source in sources for name in re.findall(r"\brevert (\w+)\(", source)}


def provoked() -> set[str]:
    """Every word that a test of the contracts quotes."""
    tests = [path for path in HERE.glob("test_*.py") if path != Path(__file__).resolve()]
    return {name for path in tests for name in PROVOKED.findall(path.read_text())}


def test_every_error_that_is_declared_is_raised_by_some_contract() -> None:
    assert [error for error in declared() if error[1] not in raised()] == []


def test_every_error_is_provoked_by_a_test_unless_no_call_can() -> None:
    missing = [error for error in declared() if error[1] not in provoked() | UNREACHABLE.keys()]
    assert missing == [], "write a test that provokes it, or say in UNREACHABLE why none can"
    assert UNREACHABLE.keys() & provoked() == set(), "reachable after all: take it off the list"
