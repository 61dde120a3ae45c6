"""Answers that are a function of the index alone: ETags, 304, and bodies stored until the next block.

Where the index is, is read at most every `FRESH_SECONDS`; in between, an answer may be that old.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from inspect import Parameter, iscoroutinefunction, signature
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_origin
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.db.head import IndexHead, read_head
from backend.db.index_db import IndexDatabase
from backend.services import Services
from obbligato.server.http import Problem

FRESH_SECONDS: Final = 0.2
MOST_BYTES: Final = 64 * 2**20
"""Of all bodies together."""
MOST_BODY_BYTES: Final = 2**20

READING_THREADS: Final = 4
MOST_WAITING: Final = 1_000
"""Reads that wait for a thread: those after them are refused."""
JSON: Final = "application/json"
_REQUEST: Final = "asgi_request"
"""The name under which FastAPI hands the request to an endpoint's wrapper."""

_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, CapacityLimiter] = WeakKeyDictionary()

CACHED_HEADERS: Final = ("content-type", "content-disposition")

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class CachedAnswer(NamedTuple):
    """An answer: its body, and those of its headers that are not made anew."""

    body: bytes
    headers: dict[str, str]


class AnswerCache:
    """Bodies by path and query, as of one head of the index. Used by the event loop's thread alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._head: IndexHead | None = None
        self._version = ""
        self._read_at = float("-inf")
        self._answers: OrderedDict[str, CachedAnswer] = OrderedDict()
        self._bytes = 0

    async def head(self) -> IndexHead:
        """Where the index is, at most `FRESH_SECONDS` ago. Raises NotFound before the first block."""
        now = time.monotonic()
        if self._head is None or now - self._read_at >= FRESH_SECONDS:
            # Whoever comes while it is being read gets the one before.
            self._read_at = now if self._head else float("-inf")
            head = await run_in_threadpool(self._read)
            self._read_at = time.monotonic()
            self._head = head
            if head.version != self._version:
                self._version = head.version
                self._answers.clear()
                self._bytes = 0
        return self._head

    async def version(self) -> str:
        """The head's version."""
        return (await self.head()).version

    def get(self, key: str) -> CachedAnswer | None:
        """The answer that is stored for a path and query, if any."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def store(self, key: str, answer: CachedAnswer, version: str) -> None:
        """Store an answer, unless the index has gone on since it was begun."""
        if version != self._version or len(answer.body) > MOST_BODY_BYTES:
            return
        before = self._answers.pop(key, None)
        self._bytes += len(answer.body) - (len(before.body) if before else 0)
        self._answers[key] = answer
        while self._bytes > MOST_BYTES:
            _, dropped = self._answers.popitem(last=False)
            self._bytes -= len(dropped.body)

    def _read(self) -> IndexHead:
        with self._services.index_db.reading() as session:
            return read_head(session)


class IndexRoute(APIRoute):
    """A route whose answers are a function of the index: nothing of the caller, the clock or the records.

    Its endpoint takes a session of the index, and where it needs it the head, under any names. It is a plain
    function that reads, and whose model is written as JSON at once. Handing work from the loop to a thread and back
    costs as much as many look-ups, so over SQLite an endpoint that is a `lookup` runs in the loop itself. All others
    run in a few threads, in the order in which they came.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _endpoint_in_one_thread(endpoint), **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            cache: AnswerCache = request.app.state.cache
            version = await cache.version()
            scope = request.scope
            key = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
            etag = _etag(version, key)
            headers = {"etag": etag, "cache-control": "no-cache"}
            if _matches(request.headers.get("if-none-match"), etag):
                return Response(status_code=304, headers=headers)
            cached = cache.get(key)
            if cached is not None:
                return Response(cached.body, headers={**cached.headers, **headers})
            response = await handle(request)
            if response.status_code == 200 and isinstance(response.body, bytes):
                own = {
                    name: response.headers[name]
                    for name in CACHED_HEADERS
                    if name in response.headers
                }
                cache.store(key, CachedAnswer(response.body, own), version)
                response.headers.update(headers)
            return response

        return answer


def lookup(
    fits: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint that costs a few look-ups by key; `fits` says for which arguments that is so."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.is_lookup = fits  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


def _endpoint_in_one_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(endpoint):
        return endpoint
    fits = getattr(endpoint, "is_lookup", None)
    # With its annotations resolved: they are written in the endpoint's module, not in this one.
    resolved = signature(endpoint, eval_str=True)
    kinds = {name: _kind(each.annotation) for name, each in resolved.parameters.items()}
    session_name = next((name for name, kind in kinds.items() if kind is Session), None)
    head_name = next((name for name, kind in kinds.items() if kind is IndexHead), None)

    def read(database: IndexDatabase, named: dict[str, Any]) -> Any:
        if session_name is None:
            return _as_response(endpoint(**named))
        with database.reading() as session:
            return _as_response(endpoint(**{session_name: session}, **named))

    async def answer(**named: Any) -> Any:
        state = named.pop(_REQUEST).app.state
        database: IndexDatabase = state.services.index_db
        if head_name is not None:
            named[head_name] = await state.cache.head()
        if session_name is not None and database.is_sqlite and fits is not None and fits(named):
            with database.lookups() as session:
                return _as_response(endpoint(**{session_name: session}, **named))
        limiter = _limiter()
        if limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise Problem(503, "Too many reads at once", "Try again in a moment.")
        return await to_thread.run_sync(read, database, named, limiter=limiter)

    answer.__name__, answer.__doc__ = endpoint.__name__, endpoint.__doc__
    answer.__module__ = endpoint.__module__
    parameters = [
        each for name, each in resolved.parameters.items() if name not in (session_name, head_name)
    ]
    request = Parameter(_REQUEST, Parameter.KEYWORD_ONLY, annotation=Request)
    answer.__signature__ = resolved.replace(  # type: ignore[attr-defined]  # what FastAPI reads
        parameters=[*parameters, request]
    )
    return answer


def _kind(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _as_response(answer: Any) -> Any:
    if isinstance(answer, BaseModel):
        return Response(answer.__pydantic_serializer__.to_json(answer), media_type=JSON)
    return answer


def _limiter() -> CapacityLimiter:
    """A few threads of their own for reading, first come first served: more would only fight for the interpreter."""
    loop = asyncio.get_running_loop()
    if loop not in _limiters:
        _limiters[loop] = CapacityLimiter(READING_THREADS)
    return _limiters[loop]


def _etag(version: str, key: str) -> str:
    return f'W/"{hashlib.sha256(f"{version} {key}".encode()).hexdigest()[:32]}"'


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in {each.strip() for each in header.split(",")}
