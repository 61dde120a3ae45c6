"""Following the chain for as long as the process runs."""

from __future__ import annotations

import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from backend.indexer.sync import Index, Synced
from obbligato.audit.recompute import OnProgress
from obbligato.chain.follower import FinalityBroken
from obbligato.server.alerts import Alerts

LONGEST_PAUSE_SECONDS: Final = 10.0
FINALITY: Final = "finality"
LOG_SECONDS: Final = 5.0

HEAD = Gauge(
    "obbligato_index_block",
    "Newest block that the index has read",
    multiprocess_mode="livemostrecent",
)
FINAL = Gauge(
    "obbligato_index_final_block",
    "Newest block that the index holds for final",
    multiprocess_mode="livemostrecent",
)
EVENTS = Counter("obbligato_index_events", "Events that the index has read")
UNDONE = Counter("obbligato_index_blocks_undone", "Blocks that reorgs undid")

_log = structlog.get_logger(__name__)


class IndexWorker:
    """Reads the chain on, and says how far it is."""

    def __init__(self, index: Index, alerts: Alerts) -> None:
        self._index = index
        self._alerts = alerts
        self.broken: str | None = None
        """Why nothing is followed any more: what was final is not, and an operator has to decide."""

    def tick(self) -> float | None:
        """Read on to the node's newest block. Raises ObbligatoError, SQLAlchemyError."""
        try:
            synced = self._index.sync(watch=_progress())
        except FinalityBroken as error:
            # It may be one node that is wrong: the next may be asked, and nothing was undone.
            self.broken = str(error)
            self._alerts.stand(FINALITY, str(error))
            return LONGEST_PAUSE_SECONDS
        self.broken = None
        self._alerts.clear(FINALITY)
        _count(synced)
        return None


def _progress() -> OnProgress:
    """A watcher that says every few seconds how far it is."""
    logged_at = time.monotonic()

    def watch(what: str, done: int, total: int) -> None:
        nonlocal logged_at
        if time.monotonic() - logged_at >= LOG_SECONDS:
            logged_at = time.monotonic()
            _log.info(what, done=done, total=total)

    return watch


def _count(synced: Synced) -> None:
    HEAD.set(synced.block)
    FINAL.set(synced.final)
    EVENTS.inc(synced.events)
    UNDONE.inc(synced.undone)
    if synced.undone:
        _log.warning("a reorg undid blocks", blocks=synced.undone)
