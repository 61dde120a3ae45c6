"""What answers are made of: field types as JSON spells them, pages, documented problems."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from backend.db.head import Certainty
from obbligato.server.http import PROBLEM

__all__ = [
    "Account",
    "AnswerModel",
    "Certainty",
    "Cid",
    "Hex32",
    "Page",
    "ProblemDocument",
    "Quantity",
    "Seconds",
    "Units",
    "problems",
]

Item = TypeVar("Item")


def _digits(example: str, description: str) -> Any:
    return WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9]+$",
            "examples": [example],
            "description": description,
        }
    )


_as_text = PlainSerializer(str, return_type=str, when_used="json")

Units = Annotated[
    int, Field(ge=0), _as_text, _digits("2400000", "Millionths of a dollar, as digits.")
]
Quantity = Annotated[
    int, Field(ge=0), _as_text, _digits("5000000", "Millionths of one unit of use, as digits.")
]
Hex32 = Annotated[
    bytes,
    PlainSerializer(lambda value: "0x" + value.hex(), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-f]{64}$"}),
]
Account = Annotated[
    str,
    Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"], pattern="^0x[0-9a-fA-F]{40}$"),
]
Cid = Annotated[
    str, Field(examples=["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"])
]
Seconds = Annotated[
    int, Field(ge=0, examples=[1_790_000_000], description="Seconds since 1970, UTC.")
]


class AnswerModel(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Page(AnswerModel, Generic[Item]):
    """Some items of a list. `next` is the cursor of the following page, null on the last one."""

    items: list[Item]
    next: str | None = None


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


_MEANINGS: Final = {
    400: "The request cannot be read",
    401: "Sign in, or send an API key",
    403: "This is somebody else's",
    404: "There is none",
    409: "It is not as it was: read it again",
    413: "Too large",
    415: "Another kind of content",
    422: "Something given is wrong: `field` names it",
    429: "Too many requests: see Retry-After",
    502: "Stored bytes are not what they should be",
    503: "The chain, the store or the index cannot be asked right now",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these problems, and those that any route may answer with."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in sorted({*statuses, 429, 503})
    }
