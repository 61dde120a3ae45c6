"""Standing alerts: what is wrong right now and since when, for the log, the status page, metrics and a URL."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import httpx
import structlog
from prometheus_client import Counter

from obbligato.server.database import now
from obbligato.times import moment_text

POSTS: Final = Counter("obbligato_alert_posts", "Alerts sent to the alert URL", ["outcome"])

TIMEOUT_SECONDS: Final = 5.0
PAUSES: Final = (1.0, 5.0)
"""Seconds between the attempts to post one alert."""
MOST_QUEUED: Final = 100
LONGEST_TEXT: Final = 500
REPEAT_SECONDS: Final = 300
"""An alert whose text changes while it stands is posted again, at most so often."""
END_SECONDS: Final = 5.0
"""How long a process that ends waits for its last alerts to be posted."""

_URL: Final = re.compile(
    r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/?#'\"<>@]*@)?([^\s/?#'\"<>@]*)[^\s'\"<>]*"
)

_log = structlog.get_logger("obbligato.alerts")

State = Literal["standing", "over"]


def public_text(text: str) -> str:
    """A text that anybody may read: at most 500 characters, and of URLs only scheme, host and port.

    Names, passwords, paths and queries of URLs may be secrets: the keys of RPC providers are.
    """
    return _URL.sub(r"\1\3", text)[:LONGEST_TEXT]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at."""

    key: str
    words: str
    since: int
    """Seconds since 1970."""


class AlertPoster:
    """Posts alerts as JSON to a URL from a thread of its own: whoever raises an alert never waits for it.

    Alerts that find the queue full are dropped, and the log says so; the log has every alert. The URL may be a
    secret and is never logged. `Alerts` calls `post` from one thread at a time.
    """

    def __init__(
        self, url: str, process: str, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """`process` names what raises the alerts."""
        self._url = url
        self._process = process
        self._wait = wait
        self._queue: queue.Queue[dict[str, str] | None] = queue.Queue(MOST_QUEUED)
        self._thread: threading.Thread | None = None

    def post(self, alert: Alert, state: State) -> None:
        """Queue one alert. The first one starts the thread: a process may open alerts and fork before it has any."""
        body = {
            "process": self._process,
            "key": alert.key,
            "state": state,
            "since": moment_text(alert.since),
            "text": f"{self._process}: {alert.key}: "
            + (alert.words if state == "standing" else f"over. It was: {alert.words}"),
        }
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alert poster", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(body)
        except queue.Full:
            POSTS.labels("dropped").inc()
            _log.error("too many alerts wait to be posted: one is dropped", key=alert.key)

    def close(self) -> None:
        """Post what waits, for some seconds at most, and end."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=END_SECONDS)
        except queue.Full:
            return
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
            while (body := self._queue.get()) is not None:
                self._post(http, body)

    def _post(self, http: httpx.Client, body: dict[str, str]) -> None:
        for pause in (*PAUSES, None):
            try:
                response = http.post(self._url, json=body)
                problem = None if response.is_success else f"status {response.status_code}"
            except Exception as error:  # nothing about one alert may end the thread
                problem = type(error).__name__
            if problem is None:
                POSTS.labels("posted").inc()
                return
            if pause is not None:
                self._wait(pause)
        POSTS.labels("failed").inc()
        _log.error("an alert could not be posted", key=body["key"], problem=problem)


class Alerts:
    """What stands. Each change is logged once; saying the same again is not. Safe between threads."""

    def __init__(self, poster: AlertPoster | None = None) -> None:
        self._standing: dict[str, Alert] = {}
        self._posted_at: dict[str, int] = {}
        self._lock = threading.Lock()
        self._poster = poster

    def stand(self, key: str, words: str) -> None:
        """This is wrong, until cleared; other words replace what was said, not since when it stands."""
        words = public_text(words)
        with self._lock:
            before = self._standing.get(key)
            if before is not None and before.words == words:
                return
            alert = Alert(key, words, before.since if before else now())
            self._standing[key] = alert
            due = now() - self._posted_at.get(key, 0) >= REPEAT_SECONDS
            if self._poster is not None and (before is None or due):
                self._posted_at[key] = now()
                self._poster.post(alert, "standing")
        _log.warning("alert", key=key, words=words)

    def clear(self, key: str) -> None:
        """This is no longer wrong, if it ever was."""
        with self._lock:
            before = self._standing.pop(key, None)
            self._posted_at.pop(key, None)
            if before is not None and self._poster is not None:
                self._poster.post(before, "over")
        if before is not None:
            _log.info("alert over", key=key, since=before.since)

    def standing(self) -> tuple[Alert, ...]:
        """What is wrong now, by key."""
        with self._lock:
            return tuple(self._standing[key] for key in sorted(self._standing))

    def words(self, key: str) -> str | None:
        """What stands under a key."""
        with self._lock:
            alert = self._standing.get(key)
        return None if alert is None else alert.words

    def close(self) -> None:
        """Post what waits to be posted."""
        if self._poster is not None:
            self._poster.close()


def open_alerts(url: str | None, process: str) -> Alerts:
    """The alerts of a process, posted to a URL where there is one."""
    return Alerts(None if url is None else AlertPoster(url, process))
