"""The leader's and the attester's own descriptions: typed throughout, and the same as docs/oracle-api.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from obbligato.server.reference import Operation, operations
from oracle.reference import HEALTH, contents, descriptions, reference
from scripts.toolchain import ROOT

MODELS = "#/components/schemas/"
BYTES = {"application/octet-stream", "application/vnd.ipld.raw"}
WITHOUT_BODY = {"withdraw_report"}
"""What is asked is in the path."""
TYPING = {"type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"}


@pytest.fixture(scope="module", params=sorted(descriptions()))
def described(request: pytest.FixtureRequest) -> dict[str, Any]:
    return descriptions()[request.param]


@pytest.fixture(scope="module")
def routes(described: dict[str, Any]) -> list[Operation]:
    return [each for each in operations(described) if each.path not in HEALTH]


def test_every_operation_has_an_id_of_its_own_and_says_what_it_does(
    routes: list[Operation],
) -> None:
    names = [each.name for each in routes]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert [
        each.name for each in routes if not (each.summary and each.specification.get("tags"))
    ] == []


def test_every_body_is_a_model_or_bytes(described: dict[str, Any], routes: list[Operation]) -> None:
    models = described["components"]["schemas"]
    for each in routes:
        takes = each.method in ("POST", "PUT") and each.name not in WITHOUT_BODY
        bodies = contents(each.specification.get("requestBody", {}))
        assert len(bodies) == takes, each.name
        assert set(bodies) <= models.keys() | BYTES, each.name


def test_every_answer_is_a_model_or_bytes(
    described: dict[str, Any], routes: list[Operation]
) -> None:
    models = described["components"]["schemas"]
    for each in routes:
        for status, answer in each.specification["responses"].items():
            if status < "4":
                answers = contents(answer)
                assert bool(answers) == (status != "204" and each.method != "HEAD"), each.name
                assert set(answers) <= models.keys() | BYTES, each.name


def test_every_problem_is_a_problem_document(routes: list[Operation]) -> None:
    for each in routes:
        problems = {
            status: x for status, x in each.specification["responses"].items() if status >= "4"
        }
        for status, answer in problems.items():
            assert list(answer["content"]) == ["application/problem+json"], (each.name, status)
            assert contents(answer) == ["ProblemDocument"], (each.name, status)
        assert problems or each.path == "/v1/status", each.name
        if "platform_id" in each.path:
            assert {"401", "403", "422"} <= problems.keys(), each.name


def test_every_field_of_every_model_has_a_type(described: dict[str, Any]) -> None:
    untyped = [
        f"{name}.{path}"
        for name, model in described["components"]["schemas"].items()
        for path, schema in fields(model, "")
        if not TYPING & schema.keys()
    ]
    assert untyped == []


def test_every_model_that_is_named_is_there(described: dict[str, Any]) -> None:
    named = set(re.findall(rf"'{MODELS}(\w+)'", str(described)))
    assert named <= described["components"]["schemas"].keys()


def test_the_page_of_routes_is_what_the_services_say() -> None:
    assert (ROOT / "docs/oracle-api.md").read_text() == reference(), (
        "run `python -m oracle.reference docs/oracle-api.md`"
    )


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema, with what its path is."""
    for name, each in schema.get("properties", {}).items():
        yield f"{path}{name}", each
        yield from fields(each, f"{path}{name}.")
    if schema.get("type") == "array":
        items = schema.get("items", {})
        yield f"{path}[]", items
        yield from fields(items, f"{path}[].")
    for each in schema.get("anyOf", ()):
        yield from fields(each, path)
