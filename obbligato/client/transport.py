"""Requests to one backend: sent again where that is harmless, with the pauses it asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from obbligato.client.errors import BackendUnreachable, pause_asked_for, problem_of
from obbligato.client.steps import ATTEMPTS, LOOPBACK, RETRIED_STATUS, Reply, delay_seconds
from obbligato.errors import InputError

TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
LONGEST_WAIT_SECONDS: Final = 60
"""Where the backend asks for a longer pause (tomorrow, say) it is not waited for."""
HARMLESS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Done twice they come to the same."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

Pause = Callable[[float], None]


class Transport:
    """One backend's address. Raises InputError for what is no URL, or one that would show tokens to others."""

    def __init__(
        self,
        url: str,
        *,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("is not the URL of a backend: give http(s)://host", field="url")
        if parts.path.strip("/") or parts.query or parts.username or parts.password:
            raise InputError("give scheme, host and port alone: http(s)://host:port", field="url")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise InputError("sign-ins are sent over https only", field="url")
        self.url = url.rstrip("/")
        self.host = parts.netloc
        """What of the URL messages show, and what people sign in to."""
        self._pause = pause
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> httpx.Response:
        """The answer, whatever its status.

        `again`: it may be sent again where nobody knows what became of it. What harms nobody and what carries
        an idempotency key always may; a 429 always is. Raises BackendUnreachable.
        """
        harmless = again or method in HARMLESS or IDEMPOTENCY_KEY in (headers or {})
        for attempt in range(1, ATTEMPTS + 1):
            answer, failure = self._sent(method, path, params, json, content, headers)
            status = 0 if answer is None else answer.status_code
            passing = answer is None or status in RETRIED_STATUS
            if not passing or not (harmless or status == 429) or attempt == ATTEMPTS:
                break
            asked = None if answer is None else pause_asked_for(answer)
            if asked is not None and asked > LONGEST_WAIT_SECONDS:
                break
            found = {} if answer is None else answer.headers
            self._pause(delay_seconds(attempt, Reply(status, found, b"", failure)))
        if answer is None:
            raise BackendUnreachable(f"the backend at {self.host} {failure}: try again later")
        return answer

    def ask(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of an answer; None where it has none. Raises BackendProblem, BackendUnreachable."""
        return self.json_of(self.send(method, path, **given))

    def json_of(self, answer: httpx.Response) -> Any:
        """The JSON of an answer; None where it has none. Raises BackendProblem, BackendUnreachable."""
        if not answer.is_success:
            raise problem_of(answer)
        if answer.status_code == 204:
            return None
        try:
            return answer.json()
        except ValueError:
            raise self.strange("not JSON") from None

    def strange(self, reason: str) -> BackendUnreachable:
        """An answer that is none of a backend's."""
        return BackendUnreachable(
            f"{self.host} did not answer as a backend does ({reason}): check the URL, and that client and "
            "backend are of one version"
        )

    def _sent(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[httpx.Response | None, str | None]:
        try:
            answer = self._http.request(
                method, path, params=params, json=json, content=content, headers=headers
            )
        except httpx.TimeoutException:
            return None, "did not answer in time"
        except httpx.TransportError:
            return None, "cannot be reached, or broke off"
        return answer, None
