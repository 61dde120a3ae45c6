"""What answers are made of: field types as JSON spells them, pages, documented problems."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from backend.db.head import Certainty
from obbligato.schemas.backend import Account, Cid, Seconds
from obbligato.server import http

__all__ = [
    "Account",
    "AnswerModel",
    "Certainty",
    "Cid",
    "Hex32",
    "Page",
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


class AnswerModel(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Page(AnswerModel, Generic[Item]):
    """Some items of a list. `next` is the cursor of the following page, null on the last one."""

    items: list[Item]
    next: str | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these problems, and those that any route may answer with."""
    return http.problems(*statuses, 429, 503)
