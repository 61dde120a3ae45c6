"""The oracle's HTTP interface without any I/O: what to send, how to go on from what comes back.

Every verb is a generator. It yields steps (`Send`, `Pause`, `Hash`) and is sent what they came to;
`sync.py` and `asynchronous.py` take the steps, each in its way.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from obbligato.client.errors import ApiProblem, OracleUnreachable
from obbligato.client.signing import DIGEST_HEADER, content_digest, sign_request
from obbligato.client.usage import LocalFile, Progress
from obbligato.errors import InputError
from obbligato.keys import Signer
from obbligato.protocol.types import checked_address, whole_number
from obbligato.schemas.problems import line_errors

RETRIED_STATUS: Final = frozenset({429, 500, 502, 503, 504})
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
ATTEMPTS: Final = 7
JSON_TYPE: Final = "application/json"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_REASONS: Final = {
    401: "it does not accept the signature or the API key",
    403: "this account or API key may not do this for this platform",
    413: "too large: divide the file",
}
"""For answers without a body, as HEAD gets them."""

_API_KEY = re.compile(r"[A-Za-z0-9_-]+")

AnyAnswer = TypeVar("AnyAnswer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """One request before it is signed: a body, or a file that is streamed.

    `again` tells whether it may be sent again where it is unknown what became of it.
    """

    method: str
    path: str
    body: bytes = b""
    file: LocalFile | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = True
    progress: Progress | None = None

    @property
    def body_digest(self) -> bytes:
        if self.file is not None:
            return bytes.fromhex(self.file.sha256)
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send this request; it comes to a `Reply`."""

    call: Call
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait so many seconds; it comes to None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hash:
    """Step: hash a file on this machine; it comes to a `LocalFile`."""

    path: Path
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `failure` in place of a status where nothing did, or half."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str | None = None

    @property
    def is_temporary(self) -> bool:
        return self.failure is not None or self.status in RETRIED_STATUS

    @property
    def is_yes(self) -> bool:
        return 200 <= self.status < 300


Step = Send | Pause | Hash
Verdict = TypeVar("Verdict")
Flow = Generator[Step, Any, Verdict]


@dataclass(frozen=True)
class Endpoint:
    """One oracle and who calls it. Requests are signed, or carry an API key where one is given.

    `oracle` is the address of the UsageOracle. Raises InputError: no URL, a URL with a path, or an
    API key that would travel unencrypted.
    """

    url: str
    platform_id: int
    chain_id: int
    oracle: str
    signer: Signer | None = None
    api_key: str | None = field(default=None, repr=False)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        whole_number(self.platform_id, field="platform", least=1, most=2**32 - 1)
        checked_address(self.oracle)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("is not the URL of an oracle: give http(s)://host", field="oracle")
        if parts.path.strip("/") or parts.query or parts.username or parts.password:
            raise InputError(
                "give scheme, host and port alone: http(s)://host:port", field="oracle"
            )
        exposed = parts.scheme == "http" and parts.hostname not in LOOPBACK
        if self.api_key is not None and exposed:
            raise InputError("an API key is sent over https only", field="oracle")
        if self.api_key is not None and not _API_KEY.fullmatch(self.api_key):
            raise InputError("is not an API key: it has letters, digits, _ and -", field="api key")
        if self.signer is None and self.api_key is None:
            raise InputError("give a keystore or an API key", field="signer")

    @property
    def host(self) -> str:
        """What of the URL messages show."""
        return urlsplit(self.url).netloc

    @property
    def base(self) -> str:
        return self.url.rstrip("/")

    def path(self, *words: str) -> str:
        """The path of something of this platform."""
        escaped = "/".join(quote(word, safe="") for word in words)
        return f"/v1/platforms/{self.platform_id}/{escaped}"

    def headers(self, call: Call) -> dict[str, str]:
        """The headers of a request that is sent now."""
        digest = call.body_digest
        headers = {"Accept": JSON_TYPE, DIGEST_HEADER: content_digest(digest), **call.headers}
        if self.api_key is not None:
            return {**headers, "Authorization": f"Bearer {self.api_key}"}
        assert self.signer is not None
        signed = sign_request(
            self.signer,
            chain_id=self.chain_id,
            oracle=self.oracle,
            method=call.method,
            path=call.path,
            body_digest=digest,
            time=int(self.clock()),
        )
        return {**headers, **signed}

    def asked(self, call: Call) -> Flow[Reply]:
        """The reply to a call; sent again, with growing pauses, while the trouble is a passing one.

        Raises OracleUnreachable where that does not help.
        """
        for attempt in range(1, ATTEMPTS + 1):
            reply: Reply = yield Send(call, self.headers(call))
            if not reply.is_temporary or not (call.again or reply.status == 429):
                break
            if attempt < ATTEMPTS:
                yield Pause(delay_seconds(attempt, reply))
        if reply.failure is not None:
            raise OracleUnreachable(f"the oracle at {self.host} {reply.failure}: try again later")
        return reply

    def answer(self, call: Call, kind: type[AnyAnswer]) -> Flow[AnyAnswer]:
        """The answer to a call, read. Raises ApiProblem, OracleUnreachable."""
        reply = yield from self.asked(call)
        return self.read(reply, kind)

    def read(self, reply: Reply, kind: type[AnyAnswer]) -> AnyAnswer:
        """A reply as the model it should be. Raises ApiProblem, OracleUnreachable."""
        if not reply.is_yes:
            raise problem_of(reply)
        try:
            return kind.model_validate_json(reply.body)
        except ValueError as error:
            raise OracleUnreachable(
                f"{self.host} did not answer as an oracle does ({_first_reason(error)}): "
                "check the URL, and that client and oracle are of one version"
            ) from error


def delay_seconds(attempt: int, reply: Reply) -> float:
    """How long to wait after the given attempt (from 1): what the oracle asks for, else doubling.

    Jitter keeps clients that were refused together from coming back together.
    """
    asked = reply.headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_DELAY_SECONDS)
    doubled = FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1)
    jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 -- no secret
    return min(doubled, LONGEST_DELAY_SECONDS) * jitter


def problem_of(reply: Reply) -> ApiProblem:
    """The problem document of a reply; of anything else its status alone."""
    try:
        data = json.loads(reply.body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        reason = _REASONS.get(reply.status, "it gave no reason: is it an oracle?")
        return ApiProblem(reply.status, "no reason given", reason)
    errors = line_errors(data.get("errors"))
    return ApiProblem(reply.status, str(data.get("title", "")), str(data.get("detail", "")), errors)


def json_call(method: str, path: str, data: Any = None, *, again: bool = True) -> Call:
    """A call with a JSON body, or with none."""
    if data is None:
        return Call(method, path, again=again)
    body = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    return Call(method, path, body, headers={"Content-Type": JSON_TYPE}, again=again)


def _first_reason(error: ValueError) -> str:
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return "not JSON"
    first = listed(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
