"""Standing alerts: what is wrong right now and since when, for the log, the status page and the metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from obbligato.server.database import now


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at."""

    key: str
    words: str
    since: int
    """Seconds since 1970."""


class Alerts:
    """What stands. Each change is logged once; saying the same again is not. Safe between threads."""

    def __init__(self) -> None:
        self._standing: dict[str, Alert] = {}
        self._lock = threading.Lock()
        self._log = structlog.get_logger("obbligato.alerts")

    def stand(self, key: str, words: str) -> None:
        """This is wrong, until cleared; other words replace what was said, not since when it stands."""
        with self._lock:
            before = self._standing.get(key)
            if before is not None and before.words == words:
                return
            self._standing[key] = Alert(key, words, before.since if before else now())
        self._log.warning("alert", key=key, words=words)

    def clear(self, key: str) -> None:
        """This is no longer wrong, if it ever was."""
        with self._lock:
            before = self._standing.pop(key, None)
        if before is not None:
            self._log.info("alert over", key=key, since=before.since)

    def standing(self) -> tuple[Alert, ...]:
        """What is wrong now, by key."""
        with self._lock:
            return tuple(self._standing[key] for key in sorted(self._standing))

    def words(self, key: str) -> str | None:
        """What stands under a key."""
        with self._lock:
            alert = self._standing.get(key)
        return None if alert is None else alert.words
