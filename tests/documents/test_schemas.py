"""The JSON Schemas under docs/schemas are current and agree with the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obbligato.documents.schemas import SCHEMAS, schema_text, write_schemas

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_in_the_docs_is_current(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == schema_text(name), (
        "run `python -m obbligato.documents.schemas`"
    )


def test_every_schema_in_the_docs_is_of_a_document() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCHEMAS)


def test_schemas_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    write_schemas(tmp_path / "new")
    assert {path.stem for path in (tmp_path / "new").iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_unknown_fields_floats_and_nulls(name: str) -> None:
    text = schema_text(name)
    schema = json.loads(text)
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(
        each["additionalProperties"] is False for each in objects if each["type"] == "object"
    )
    assert '"number"' not in text
    assert '"null"' not in text


def test_a_published_validator_accepts_a_document_and_refuses_a_spoilt_one() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(json.loads(schema_text("license-document")))
    validator.check_schema(validator.schema)
    document = json.loads((GOLDEN / "license-document.json").read_text(encoding="utf-8"))
    assert validator.is_valid(document)
    spoilt: list[dict[str, object]] = [
        {"image": None},
        {"terms": {}},
        {"wallet": "0x"},
        {"schema_version": 1.5},
    ]
    for change in spoilt:
        assert not validator.is_valid({**document, **change})
