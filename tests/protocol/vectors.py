"""Reads the golden vectors of tests/vectors (made by scripts/vectors/make_vectors.mjs)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(file: str) -> list[Any]:
    """The vectors of a file as test parameters named after them."""
    listed = with_integers(json.loads((FOLDER / f"{file}.json").read_text()))
    return [pytest.param(vector, id=vector["name"]) for vector in listed]


def with_integers(value: Any) -> Any:
    """Decimal strings, which carry integers above 2^53 in JSON, become integers."""
    if isinstance(value, dict):
        return {name: with_integers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_integers(inner) for inner in value]
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def data(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.removeprefix("0x"))
