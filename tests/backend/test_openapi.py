"""The API's own description: complete, stable, and the same as docs/api.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.app import TAGS
from backend.reference import description, reference
from obbligato.server.reference import Operation, operations
from scripts.toolchain import ROOT

LISTED = Path(__file__).parent / "operations.txt"
HEALTH = {"/livez", "/readyz", "/metrics"}
"""They are not under a version: nobody's program reads them but the operator's."""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return description()


@pytest.fixture(scope="module")
def found(described: dict[str, Any]) -> list[Operation]:
    return [each for each in operations(described) if each.path not in HEALTH]


def test_it_is_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")


def test_operations_are_those_of_the_list_so_that_adding_and_renaming_is_deliberate(
    found: list[Operation],
) -> None:
    assert sorted(f"{each.name} {each.method} {each.path}" for each in found) == (
        LISTED.read_text().splitlines()
    )


def test_every_operation_has_an_id_of_its_own_in_words(found: list[Operation]) -> None:
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


def test_every_operation_says_what_it_does_under_a_known_tag(found: list[Operation]) -> None:
    known = {name for name, _ in TAGS}
    silent = [
        each.name
        for each in found
        if not (
            each.specification.get("summary") and each.summary and each.specification.get("tags")
        )
        or not set(each.specification["tags"]) <= known
    ]
    assert silent == []


def test_every_operation_that_takes_something_documents_problems(found: list[Operation]) -> None:
    without = []
    for each in found:
        takes = each.specification.get("parameters") or "requestBody" in each.specification
        problems = [status for status in each.specification["responses"] if status.startswith("4")]
        if takes and not problems:
            without.append(each.name)
        for status in problems:
            content = each.specification["responses"][status].get("content", {})
            if content and "application/problem+json" not in content:
                without.append(f"{each.name} {status}")
    assert without == []


def test_every_json_body_has_an_example(described: dict[str, Any], found: list[Operation]) -> None:
    without = []
    for each in found:
        for kind, body in each.specification.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json" and not any(_examples(described, body)):
                without.append(each.name)
    assert without == []


def test_the_page_of_routes_is_what_the_api_says() -> None:
    assert (ROOT / "docs/api.md").read_text() == reference(), (
        "run `python -m backend.reference docs/api.md`"
    )


def _examples(described: dict[str, Any], body: dict[str, Any]) -> Iterator[Any]:
    """Of the body, of its model, or of any that the model chooses from."""
    yield from body.get("examples", ())
    if "example" in body:
        yield body["example"]
    schema = body.get("schema", {})
    for one in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        name = one.get("$ref", "").rsplit("/", 1)[-1]
        yield from described["components"]["schemas"].get(name, one).get("examples", ())
