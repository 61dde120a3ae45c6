"""Answers that are a function of the index alone: ETags, 304, and bodies kept until the next block.

Where the index is, is read at most every `FRESH_SECONDS`; in between, an answer may be that old.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction, signature
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.db.head import IndexHead, read_head
from backend.services import Services

FRESH_SECONDS: Final = 0.2
MOST_BYTES: Final = 64 * 2**20
"""Of all bodies together."""
MOST_BODY_BYTES: Final = 2**20

READING_THREADS: Final = 4

_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, CapacityLimiter] = WeakKeyDictionary()

KEPT_HEADERS: Final = ("content-type", "content-disposition")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Kept(NamedTuple):
    """An answer: its body, and those of its headers that are not made anew."""

    body: bytes
    headers: dict[str, str]


class AnswerCache:
    """Bodies by path and query, as of one tip of the index. Used by the event loop's thread alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._head: IndexHead | None = None
        self._version = ""
        self._read_at = float("-inf")
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    async def head(self) -> IndexHead:
        """Where the index is, at most `FRESH_SECONDS` ago. Raises NotFound before the first block."""
        now = time.monotonic()
        if self._head is None or now - self._read_at >= FRESH_SECONDS:
            # Whoever comes while it is being read gets the one before.
            self._read_at = now if self._head else float("-inf")
            found = await run_in_threadpool(self._read)
            self._read_at = time.monotonic()
            self._head = found
            if found.version != self._version:
                self._version = found.version
                self._kept.clear()
                self._bytes = 0
        return self._head

    async def version(self) -> str:
        """The tip's version."""
        return (await self.head()).version

    def get(self, key: str) -> Kept | None:
        """What was answered."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: str, answer: Kept, version: str) -> None:
        """Keep an answer, unless the index has gone on since it was begun."""
        if version != self._version or len(answer.body) > MOST_BODY_BYTES:
            return
        before = self._kept.pop(key, None)
        self._bytes += len(answer.body) - (len(before.body) if before else 0)
        self._kept[key] = answer
        while self._bytes > MOST_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.body)

    def _read(self) -> IndexHead:
        with self._services.index_db.reading() as session:
            return read_head(session)


class IndexRoute(APIRoute):
    """A route whose answers are a function of the index: nothing of the caller, the clock or the records.

    The handler asks, closes its session and writes the JSON in one go in one thread: handing work from the loop
    to a thread and back costs as much as a small query.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_one_go(endpoint), **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            cache: AnswerCache = request.app.state.cache
            version = await cache.version()
            key = f"{request.url.path}?{request.url.query}"
            etag = _etag(version, key)
            headers = {"etag": etag, "cache-control": "no-cache"}
            if _matches(request.headers.get("if-none-match"), etag):
                return Response(status_code=304, headers=headers)
            kept = cache.get(key)
            if kept is None:
                response = await handle(request)
                if response.status_code != 200 or not isinstance(response.body, bytes):
                    return response
                told = {
                    name: response.headers[name]
                    for name in KEPT_HEADERS
                    if name in response.headers
                }
                cache.keep(key, Kept(response.body, told), version)
                response.headers.update(headers)
                return response
            return Response(kept.body, headers={**kept.headers, **headers})

        return answer


def _in_one_go(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(endpoint):
        return endpoint

    def work(named: dict[str, Any]) -> Any:
        try:
            found = endpoint(**named)
        finally:
            for each in named.values():
                if isinstance(each, Session):
                    each.close()
        if isinstance(found, BaseModel):
            return Response(found.model_dump_json(), media_type="application/json")
        return found

    async def answer(**named: Any) -> Any:
        return await to_thread.run_sync(work, named, limiter=_limiter())

    answer.__name__, answer.__doc__ = endpoint.__name__, endpoint.__doc__
    answer.__module__ = endpoint.__module__
    # With its annotations resolved: they are written in the endpoint's module, not in this one.
    answer.__signature__ = signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return answer


def _limiter() -> CapacityLimiter:
    """A few threads of their own for reading: more would only fight for the interpreter."""
    loop = asyncio.get_running_loop()
    if loop not in _limiters:
        _limiters[loop] = CapacityLimiter(READING_THREADS)
    return _limiters[loop]


def _etag(version: str, key: str) -> str:
    return f'W/"{hashlib.sha256(f"{version} {key}".encode()).hexdigest()[:32]}"'


def _matches(given: str | None, etag: str) -> bool:
    if given is None:
        return False
    return given.strip() == "*" or etag in {each.strip() for each in given.split(",")}
