"""Answers that are a function of the index alone: ETags, 304, and bodies kept until the next block.

Where the index is, is read at most every `FRESH_SECONDS`; in between, an answer may be that old.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from backend.reading.tip import read_tip
from backend.services import Services

FRESH_SECONDS: Final = 0.2
MOST_BYTES: Final = 64 * 2**20
"""Of all bodies together."""
MOST_BODY_BYTES: Final = 2**20

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AnswerCache:
    """Bodies by path and query, as of one tip of the index. Used by the event loop's thread alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._version = ""
        self._read_at = float("-inf")
        self._kept: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self._bytes = 0

    async def version(self) -> str:
        """The tip's version, at most `FRESH_SECONDS` old. Raises NotFound before the first block."""
        now = time.monotonic()
        if now - self._read_at >= FRESH_SECONDS:
            # Whoever comes while it is being read gets the one before.
            self._read_at = now if self._version else float("-inf")
            found = await run_in_threadpool(self._read)
            self._read_at = time.monotonic()
            if found != self._version:
                self._version = found
                self._kept.clear()
                self._bytes = 0
        return self._version

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A body with its media type."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: str, body: bytes, media_type: str, version: str) -> None:
        """Keep a body, unless the index has gone on since it was begun."""
        if version != self._version or len(body) > MOST_BODY_BYTES:
            return
        before = self._kept.pop(key, None)
        self._bytes += len(body) - (len(before[0]) if before else 0)
        self._kept[key] = (body, media_type)
        while self._bytes > MOST_BYTES:
            _, (dropped, _) = self._kept.popitem(last=False)
            self._bytes -= len(dropped)

    def _read(self) -> str:
        with self._services.index.reading() as session:
            return read_tip(session).version


class IndexRoute(APIRoute):
    """A route whose answers are a function of the index: nothing of the caller, the clock or the records."""

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
                kept = response.body, response.headers.get("content-type", "application/json")
                cache.keep(key, *kept, version)
                response.headers.update(headers)
                return response
            return Response(kept[0], headers=headers, media_type=kept[1])

        return answer


def _etag(version: str, key: str) -> str:
    return f'W/"{hashlib.sha256(f"{version} {key}".encode()).hexdigest()[:32]}"'


def _matches(given: str | None, etag: str) -> bool:
    if given is None:
        return False
    return given.strip() == "*" or etag in {each.strip() for each in given.split(",")}
