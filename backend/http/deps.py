"""What handlers are given: the services, a moment of the index, the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BeforeValidator
from sqlalchemy.orm import Session
from starlette.convertors import Convertor

from backend.db.head import IndexHead
from backend.http.caching import AnswerCache
from backend.services import Services
from obbligato.documents.identifiers import compact_isrc
from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME
from obbligato.protocol.types import Address, Bytes32


class IdConvertor(Convertor[str]):
    """A random name: 16 bytes in hexadecimal digits."""

    regex = "[0-9a-f]{32}"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


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


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _index(services: ServicesDep) -> AsyncIterator[Session]:
    """A session that reads from its first question on; that is asked in the handler's thread."""
    with services.index_db.reading() as session:
        yield session


IndexDep = Annotated[Session, Depends(_index)]


async def _head(request: Request) -> IndexHead:
    """Where the index was a moment ago: what the session sees is that, or newer."""
    cache: AnswerCache = request.app.state.cache
    return await cache.head()


HeadDep = Annotated[IndexHead, Depends(_head)]
