"""What routes that read are asked with: bounded ids, moments, texts; whatever is out of bounds is a 422."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator

from obbligato.documents.identifiers import compact_isrc
from obbligato.errors import InputError
from obbligato.fields import Address, Bytes32
from obbligato.words import MAX_TIME

MOST_ID: Final = 2**32 - 1


def _without_nul(text: str | None) -> str | None:
    if text is not None and "\x00" in text:
        raise InputError("holds the character NUL, which no text has: leave it out")
    return text


def _isrc(text: object) -> object:
    return None if text is None else compact_isrc(text)


SearchQuery = Annotated[
    str | None, Query(min_length=1, max_length=200), AfterValidator(_without_nul)
]
"""A part of a title or a name."""
IsrcQuery = Annotated[str | None, Query(examples=["AA6Q72000047"]), BeforeValidator(_isrc)]
"""An ISRC in any of its spellings."""
MomentQuery = Annotated[
    int | None,
    Query(ge=0, le=MAX_TIME, description="Seconds since 1970, UTC; default: the newest block's."),
]
IdQuery = Annotated[int | None, Query(ge=1, le=MOST_ID)]
AddressQuery = Annotated[Address | None, Query()]
Bytes32Query = Annotated[Bytes32 | None, Query()]
IdPath = Annotated[int, Path(ge=1, le=MOST_ID)]
Bytes32Path = Annotated[Bytes32, Path()]
