"""JSON Schema of every document; `python -m obbligato.documents.schemas` writes docs/schemas.

Dialect: https://json-schema.org/draft/2020-12. A schema checks shapes; what ties fields together
(words to terms, totals to chunks, check digits) only the models check.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from obbligato.documents.canonical import parse_canonical
from obbligato.documents.events import PublicUsageEvent, UsageEvent
from obbligato.documents.evidence import EvidenceDocument
from obbligato.documents.license import LicenseDocument
from obbligato.documents.model import Record
from obbligato.errors import InputError

_KINDS: dict[str, type[LicenseDocument] | type[EvidenceDocument]] = {
    "obbligato.license": LicenseDocument,
    "obbligato.evidence": EvidenceDocument,
}


def read_document(data: bytes) -> LicenseDocument | EvidenceDocument:
    """The document that exactly these bytes say, by its `type`. Raises InputError."""
    value = parse_canonical(data)
    kind = value.get("type") if isinstance(value, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InputError(f"{kind!r} is no document: use one of {', '.join(_KINDS)}", field="type")
    return model.from_bytes(data)


SCHEMAS: Final[dict[str, type[Record]]] = {
    "license-document": LicenseDocument,
    "evidence-document": EvidenceDocument,
    "usage-event": UsageEvent,
    "public-usage-event": PublicUsageEvent,
}
"""Name of the file, without its ending, and the model."""


class _Generator(GenerateJsonSchema):
    """An absent value is left out in our documents: null is in no schema."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made

    def generate(self, schema: Any, mode: Any = "validation") -> JsonSchemaValue:
        return {"$schema": self.schema_dialect, **super().generate(schema, mode=mode)}


def schema_text(name: str) -> str:
    """The JSON Schema of one of SCHEMAS, as its file holds it."""
    schema = SCHEMAS[name].model_json_schema(schema_generator=_Generator)
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema as `<folder>/<name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (folder / f"{name}.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
