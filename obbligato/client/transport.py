"""How the clients reach a service over HTTP: one policy of repeating requests, one reading of problems.

What a client does is a flow: a generator that yields steps (`Send`, `Pause`, `Hash`) and is sent their
results. `Transport` takes the steps of a flow one after the other, `AsyncTransport` awaits them, and a
test takes them without a network.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from obbligato.client import errors
from obbligato.client.usage import CHUNK_BYTES, LocalFile, Progress, local_file
from obbligato.errors import InputError
from obbligato.schemas.problems import line_errors

TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
ATTEMPTS: Final = 7
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 60
"""Where a service asks for a longer pause (until tomorrow, say) nobody waits for it."""
FIRST_POLL_SECONDS: Final = 0.25
LONGEST_POLL_SECONDS: Final = 5.0
POLL_GROWTH: Final = 1.5

RETRIED_STATUS: Final = frozenset({429, 500, 502, 503, 504})
HARMLESS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that come to the same when a request is sent twice."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
JSON_TYPE: Final = "application/json"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_REASONS: Final = {
    401: "it does not accept the signature or the API key",
    403: "this account or API key may not do this",
    413: "too large: divide the file",
}
"""Of answers without a body, as HEAD gets them."""

AnyModel = TypeVar("AnyModel", bound=BaseModel)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of service: its name with an article, the field that names its URL, its errors."""

    name: str
    url_field: str
    problem: type[errors.ApiProblem]
    unreachable: type[errors.ServiceUnreachable]

    def problem_of(self, response: httpx.Response) -> errors.ApiProblem:
        """The problem document of a response; of anything else its status alone."""
        try:
            data = json.loads(response.content)
        except ValueError:
            data = None
        status = response.status_code
        if not isinstance(data, dict):
            reason = _REASONS.get(status, f"it gave no reason: is it {self.name}?")
            return self.problem(status, "no reason given", reason)
        named = data.get("field")
        return self.problem(
            status,
            str(data.get("title", "")),
            str(data.get("detail", "")),
            line_errors(data.get("errors")),
            named if isinstance(named, str) else None,
        )


ORACLE: Final = Service("an oracle", "oracle", errors.OracleProblem, errors.OracleUnreachable)
BACKEND: Final = Service("a backend", "url", errors.BackendProblem, errors.BackendUnreachable)


@dataclass(frozen=True, slots=True)
class Request:
    """One request before it is authorized: a body, or a file that is streamed.

    `again`: it may be repeated where nobody knows what became of it. What harms nobody and what carries an
    idempotency key always may.
    """

    method: str
    path: str
    body: bytes = b""
    file: LocalFile | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = False
    progress: Progress | None = None

    @classmethod
    def of_json(
        cls,
        method: str,
        path: str,
        data: Any,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Request:
        """A request with a JSON body: the same bytes for the same data."""
        body = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
        return cls(
            method, path, body, headers={"Content-Type": JSON_TYPE, **(headers or {})}, **more
        )

    @property
    def is_repeatable(self) -> bool:
        return self.again or self.method in HARMLESS or IDEMPOTENCY_KEY in self.headers

    @property
    def body_digest(self) -> bytes:
        """The sha-256 of what is sent."""
        if self.file is not None:
            return bytes.fromhex(self.file.sha256)
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send this request with these headers; results in an httpx.Response or httpx.TransportError."""

    request: Request
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait so many seconds; results in None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hash:
    """Step: hash a file on this machine; results in a `LocalFile`."""

    path: Path
    progress: Progress | None = None


Step = Send | Pause | Hash
Flow = Generator[Step, Any, Result]
Headers = Callable[[Request], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one service is. Raises InputError for what is not scheme, host and port alone."""

    service: Service
    url: str

    def __post_init__(self) -> None:
        parts, named = urlsplit(self.url), self.service.url_field
        if parts.scheme not in ("http", "https") or not parts.hostname:
            reason = f"is not the URL of {self.service.name}: give http(s)://host"
            raise InputError(reason, field=named)
        if parts.path.strip("/") or parts.query or parts.username or parts.password:
            raise InputError("give scheme, host and port alone: http(s)://host:port", field=named)

    @property
    def host(self) -> str:
        """What of the URL messages show, and what people sign in to."""
        return urlsplit(self.url).netloc

    def check_private(self, what: str) -> None:
        """Raises InputError where `what` would travel unencrypted, other than within this machine."""
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise InputError(f"{what} sent over https only", field=self.service.url_field)

    def exchange(
        self, request: Request, headers_of: Headers = lambda request: request.headers
    ) -> Flow[httpx.Response]:
        """The response to a request, whatever its status.

        While the trouble is a passing one the request is repeated, each time with headers made anew and
        after the pause that the service asks for, or a growing one. A request that is not repeatable is
        sent again after a 429 alone. Raises ServiceUnreachable.
        """
        for attempt in range(1, ATTEMPTS + 1):
            result = yield Send(request, headers_of(request))
            response = result if isinstance(result, httpx.Response) else None
            status = None if response is None else response.status_code
            passing = status is None or status in RETRIED_STATUS
            if not passing or attempt == ATTEMPTS or not (request.is_repeatable or status == 429):
                break
            seconds = None if response is None else requested_pause(response)
            if seconds is not None and seconds > LONGEST_WAIT_SECONDS:
                break
            yield Pause(growing_pause(attempt) if seconds is None else float(seconds))
        if response is not None:
            return response
        late = isinstance(result, httpx.TimeoutException)
        reason = "did not answer in time" if late else "cannot be reached, or broke off"
        name = self.service.problem.service
        raise self.service.unreachable(f"the {name} at {self.host} {reason}: try again later")

    def json_of(self, response: httpx.Response) -> Any:
        """The JSON of a response; None where it has none. Raises ApiProblem, ServiceUnreachable."""
        if not response.is_success:
            raise self.service.problem_of(response)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return response.json()
        except ValueError:
            raise self.strange("not JSON") from None

    def parse(self, model: type[AnyModel], data: object) -> AnyModel:
        """The JSON of a response as the model it should be. Raises ServiceUnreachable."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise self.strange(f"{where}: {first['msg']}" if where else first["msg"]) from None

    def strange(self, reason: str) -> errors.ServiceUnreachable:
        """The error for a response that is none of this service's."""
        return self.service.unreachable(
            f"{self.host} did not answer as {self.service.name} does ({reason}): check the URL, and that "
            f"client and {self.service.problem.service} are of one version"
        )


def growing_pause(attempt: int) -> float:
    """How many seconds to wait after the given attempt (from 1): doubled each time, with jitter.

    Jitter keeps clients that were refused together from coming back together.
    """
    doubled = FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1)
    jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 -- no secret
    return min(doubled, LONGEST_DELAY_SECONDS) * jitter


def requested_pause(response: httpx.Response) -> int | None:
    """How many seconds a response asks to wait, by its header or its problem document."""
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return int(header)
    try:
        seconds = json.loads(response.content).get("retry_after_seconds")
    except (ValueError, AttributeError):
        return None
    return seconds if type(seconds) is int else None


def with_query(path: str, params: Mapping[str, Any] | None) -> str:
    """A path with its query; parameters that are None are left out."""
    named = {name: value for name, value in (params or {}).items() if value is not None}
    return f"{path}?{httpx.QueryParams(named)}".replace("+", "%20") if named else path


class Transport:
    """Connections to one service, which take the steps of flows one after the other."""

    def __init__(
        self,
        address: Address,
        *,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        self._pause = pause
        self._http = httpx.Client(base_url=address.url, timeout=timeout, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, flow: Flow[Result]) -> Result:
        """The result of a flow."""
        outcome: object = None
        with closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                outcome = self._take(step)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> httpx.Response:
        """The response to a request, whatever its status. Raises ServiceUnreachable."""
        target = with_query(path, params)
        if json is None:
            request = Request(method, target, content, headers=headers or {}, again=again)
        else:
            request = Request.of_json(method, target, json, headers, again=again)
        return self.run(self.address.exchange(request))

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of the response to a request. Raises ApiProblem, ServiceUnreachable."""
        return self.address.json_of(self.send(method, path, **request))

    def _take(self, step: Step) -> LocalFile | httpx.Response | httpx.TransportError | None:
        if isinstance(step, Hash):
            return local_file(step.path, step.progress)
        if isinstance(step, Pause):
            return self._pause(step.seconds)
        request, headers = step.request, _sized(step)
        content = request.body if request.file is None else _blocks(request)
        try:
            return self._http.request(
                request.method, request.path, content=content, headers=headers
            )
        except httpx.TransportError as error:
            return error


class AsyncTransport:
    """Connections to one service, which await the steps of flows."""

    def __init__(self, address: Address) -> None:
        self._http = httpx.AsyncClient(base_url=address.url, timeout=TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, flow: Flow[Result]) -> Result:
        """The result of a flow."""
        outcome: object = None
        with closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                outcome = await self._take(step)

    async def _take(self, step: Step) -> LocalFile | httpx.Response | httpx.TransportError | None:
        if isinstance(step, Hash):
            return await asyncio.to_thread(local_file, step.path, step.progress)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds, None)
        request, headers = step.request, _sized(step)
        content = request.body if request.file is None else _async_blocks(request)
        try:
            return await self._http.request(
                request.method, request.path, content=content, headers=headers
            )
        except httpx.TransportError as error:
            return error


def _sized(step: Send) -> Mapping[str, str]:
    """The headers of a request; of a file its length too, so that it is not sent in chunks."""
    file = step.request.file
    return step.headers if file is None else {**step.headers, "Content-Length": str(file.size)}


def _blocks(request: Request) -> Iterator[bytes]:
    """The bytes of a request's file, never more than one block of it in memory."""
    assert request.file is not None
    done = 0
    with request.file.path.open("rb") as opened:
        while block := opened.read(CHUNK_BYTES):
            yield block
            done += len(block)
            _report(request, done)


async def _async_blocks(request: Request) -> AsyncIterator[bytes]:
    """`_blocks` that reads in a thread."""
    assert request.file is not None
    done = 0
    with await asyncio.to_thread(request.file.path.open, "rb") as opened:
        while block := await asyncio.to_thread(opened.read, CHUNK_BYTES):
            yield block
            done += len(block)
            _report(request, done)


def _report(request: Request, done: int) -> None:
    if request.progress is not None and request.file is not None:
        request.progress(f"send {request.file.path.name}", done, request.file.size)
