"""Problem documents (RFC 9457), with the lines or fields that are wrong."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "The input is wrong",
                    "status": 422,
                    "detail": "isrc: 'US-UG1' is not an ISRC: …",
                    "field": "isrc",
                    "request_id": "5f0c8b1e2d3a4f66",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    request_id: str | None = None


class LineError(NamedTuple):
    """What is wrong with one line of one file, or with one field of a request."""

    file: str | None
    line: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        words = [self.file, None if self.line is None else f"line {self.line}", self.field]
        return ": ".join([", ".join(word for word in words if word), self.reason]).lstrip(": ")


def line_errors(listed: Any) -> tuple[LineError, ...]:
    """The `errors` of a problem document; what is malformed in them is left out."""
    if not isinstance(listed, list):
        return ()
    return tuple(
        LineError(
            _text(each.get("file")),
            each["line"] if type(each.get("line")) is int else None,
            _text(each.get("field")),
            str(each.get("reason", "")),
        )
        for each in listed
        if isinstance(each, dict)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _nullable(kind: str) -> dict[str, Any]:
    return {"anyOf": [{"type": kind}, {"type": "null"}]}


LineErrors = Annotated[
    tuple[LineError, ...],
    BeforeValidator(lambda value: line_errors(value) if isinstance(value, list) else value),
    PlainSerializer(lambda errors: [each._asdict() for each in errors], when_used="json"),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "file": _nullable("string"),
                    "line": _nullable("integer"),
                    "field": _nullable("string"),
                    "reason": {"type": "string"},
                },
                "required": ["file", "line", "field", "reason"],
            },
        }
    ),
]
"""Wrong lines or fields as a model has them; what is malformed in a list of them is left out."""
