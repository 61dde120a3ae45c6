"""What every request passes: its id, its limits, its size, headers that protect, a log line, figures.

    Cors > Gate > the application

One layer of plain ASGI, so that streams stream and a request that is answered from memory stays cheap.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import FastAPI
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http.callers import origin_of
from backend.http.limits import NEVER_LIMITED, Limits
from backend.services import Services
from obbligato.server.http import PROBLEM

REQUESTS: Final = Counter(
    "obbligato_http_requests_total", "Requests answered", ("method", "route", "status")
)
SECONDS: Final = Histogram(
    "obbligato_http_request_seconds", "How long answers took", ("method", "route")
)
EXPOSED: Final = (
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DOCS: Final = frozenset({"/docs", "/redoc"})

_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_CLOSED: Final = b"default-src 'none'; frame-ancestors 'none'"
_DOCS_POLICY: Final = (
    b"default-src 'none'; script-src https://cdn.jsdelivr.net 'unsafe-inline'; worker-src blob:; "
    b"style-src https://cdn.jsdelivr.net https://fonts.googleapis.com 'unsafe-inline'; connect-src 'self'; "
    b"font-src https://fonts.gstatic.com; img-src https: data:; frame-ancestors 'none'"
)
"""FastAPI's own pages about the API take their parts from there."""
_PROTECTING: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_PROBLEM: Final = PROBLEM.encode()
_log = structlog.get_logger(__name__)
_levels: Final = logging.getLogger(__name__)

TOO_LARGE: Final = "The body is larger than {most} bytes: send less at once."


def add_middleware(app: FastAPI, services: Services, counts: Path | None = None) -> None:
    """Put every request of an application through the gate; `app.state.limits` are its limits.

    `counts` is the file in which several processes count requests together.
    """
    settings = services.settings
    app.state.limits = Limits(settings, shared=counts)
    app.add_middleware(
        Gate,
        limits=app.state.limits,
        most_body_bytes=settings.most_body_bytes,
        secure=settings.public_url.startswith("https:"),
        vary=bool(settings.origins),
    )
    app.add_middleware(Cors, origins=frozenset({*settings.origins, origin_of(settings.public_url)}))


class Cors:
    """Anybody's pages may read what is public, with tokens of their own; known sites may use the cookie."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._origins = {origin.encode() for origin in origins}
        self._app = app
        self._public = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match", "Last-Event-ID", "X-Request-ID"],
            expose_headers=EXPOSED,
            max_age=86_400,
        )
        self._cors = CORSMiddleware(
            app,
            allow_origins=sorted(origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=EXPOSED,
            max_age=3_600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
        elif origin in self._origins:
            await self._cors(scope, receive, send)
        else:
            await self._public(scope, receive, send)


class Gate:
    """See the head of this module."""

    def __init__(
        self, app: ASGIApp, *, limits: Limits, most_body_bytes: int, secure: bool, vary: bool
    ) -> None:
        self._app = app
        self._limits = limits
        self._most = most_body_bytes
        always = list(_PROTECTING)
        if secure:
            always.append((b"strict-transport-security", b"max-age=31536000"))
        vary_by = [(b"vary", b"Origin")] if vary else []
        self._closed = [*always, (b"content-security-policy", _CLOSED), *vary_by]
        self._docs = [*always, (b"content-security-policy", _DOCS_POLICY), *vary_by]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope.setdefault("state", {})
        sent_id = _header(scope, b"x-request-id")
        identity = sent_id.decode() if sent_id and _ID.fullmatch(sent_id) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=identity)
        answer = _Answer(send, identity, self._headers(scope, identity))
        body = _Body(receive, self._most)
        try:
            await self._pass(scope, body, answer)
        except Exception as error:
            if answer.begun:
                _log.error("broke off", path=scope["path"], exc_info=error)
                raise
            _log.error("unexpected", path=scope["path"], exc_info=error)
            await answer.problem(
                500, "Something went wrong here", "Try again; the operator's log has more."
            )
        finally:
            self._log_request(scope, answer.status, time.perf_counter() - started)

    async def _pass(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        if scope["path"] not in NEVER_LIMITED:
            allowance, headers = self._limits.take(scope)
            answer.headers.extend(headers)
            if not allowance.granted:
                await answer.problem(
                    429,
                    "Too many requests",
                    f"Wait {allowance.wait} s. RateLimit-Policy says how many there may be.",
                )
                return
        length = _header(scope, b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self._most):
            body.too_large = True
        else:
            await self._app(scope, body.receive, lambda message: answer.send(message, body))
        if body.too_large and not answer.begun:
            await answer.problem(
                413, "Too large", TOO_LARGE.format(most=self._most), most_bytes=self._most
            )
        self._limits.learn(scope, answer.status)

    def _headers(self, scope: Scope, identity: str) -> list[tuple[bytes, bytes]]:
        always = self._docs if scope["path"] in DOCS else self._closed
        return [(b"x-request-id", identity.encode()), *always]

    def _log_request(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", "none")
        requests, took = _figures(method, route, status)
        requests.inc()
        took.observe(seconds)
        path = scope["path"]
        if path in NEVER_LIMITED:
            return
        # Queries are left out: what people look for is nobody's business, and some hold what is secret.
        # Reads that went well are only counted, unless somebody debugs: a line costs more than many a read.
        quiet = status < 400 and method in ("GET", "HEAD")
        if quiet and not _levels.isEnabledFor(logging.DEBUG):
            return
        log = _log.debug if quiet else _log.info
        log("request", method=method, path=path, status=status, ms=round(seconds * 1_000, 2))


@lru_cache(maxsize=2_048)
def _figures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


class _Body:
    """The body of a request as it comes, which ends where it is too large."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._seen = 0
        self.too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._most:
                self.too_large = True
                # What reads a body lets this kind of error through.
                raise HTTPException(413, TOO_LARGE.format(most=self._most))
        return message


class _Answer:
    """An answer on its way out: headers are added, problem documents get the request's id."""

    def __init__(self, send: Send, identity: str, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._identity = identity
        self._held: Message | None = None
        self._parts: list[bytes] = []
        self.headers = headers
        self.begun = False
        self.status = 500

    async def send(self, message: Message, body: _Body) -> None:
        if message["type"] == "http.response.start":
            if body.too_large:
                return  # the gate itself answers this
            self.status = message["status"]
            self._complete(message)
            if any(
                name == b"content-type" and value.startswith(_PROBLEM)
                for name, value in message["headers"]
            ):
                self._held = message
                return
            self.begun = True
        elif body.too_large and not self.begun:
            return
        elif self._held is not None:
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._send_problem(self._held, b"".join(self._parts))
            return
        await self._send(message)

    async def problem(self, status: int, title: str, detail: str, **more: Any) -> None:
        """Answer with a problem document."""
        self.status = status
        start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", _PROBLEM)],
        }
        self._complete(start)
        document = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            **more,
        }
        await self._send_problem(start, json.dumps(document).encode())

    def _complete(self, start: Message) -> None:
        """Add what every answer has. What an answer says of itself stands."""
        headers = [(bytes(name).lower(), bytes(value)) for name, value in start["headers"]]
        names = {name for name, _ in headers}
        start["headers"] = [
            *headers,
            *(each for each in self.headers if each[0] == b"vary" or each[0] not in names),
        ]
        if start["status"] == 401 and b"www-authenticate" not in names:
            start["headers"].append((b"www-authenticate", b'Bearer realm="obbligato"'))

    async def _send_problem(self, start: Message, body: bytes) -> None:
        try:
            document = json.loads(body)
            document["request_id"] = self._identity
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        except (ValueError, TypeError):
            _log.error("a problem document is malformed")
        headers = [each for each in start["headers"] if each[0] != b"content-length"]
        start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        self.begun = True
        self._held = None
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _header(scope: Scope, name: bytes) -> bytes | None:
    for each, value in scope["headers"]:
        if each == name:
            header: bytes = value
            return header
    return None


_DEPTH = 2
"""`/v1/licenses`: so many segments of a path have no parameters."""


class RoutesByPath:
    """In front of a router: the routes whose path begins like that of the request, in their order.

    What none of them takes (another method, another path) is left to the router.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._routes: dict[tuple[str, ...], list[BaseRoute]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for route in self._by_beginning().get(_beginning(scope["path"]), ()):
                match, child_scope = route.matches(scope)
                if match is Match.FULL:
                    scope.setdefault("router", self._router)
                    scope.update(child_scope)
                    await route.handle(scope, receive, send)
                    return
        await self._router.app(scope, receive, send)

    def _by_beginning(self) -> dict[tuple[str, ...], list[BaseRoute]]:
        """Worked out at the first request: until then an application can get further routes."""
        if self._routes is None:
            routes: defaultdict[tuple[str, ...], list[BaseRoute]] = defaultdict(list)
            for route in self._router.routes:
                if isinstance(route, Route) and "{" not in "".join(_beginning(route.path)):
                    routes[_beginning(route.path)].append(route)
            self._routes = dict(routes)
        return self._routes


def _beginning(path: str) -> tuple[str, ...]:
    return tuple(path.split("/", _DEPTH + 1)[1 : _DEPTH + 1])
