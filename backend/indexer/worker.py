"""Following the chain for as long as the process runs."""

from __future__ import annotations

import threading
import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from backend.indexer.sync import FinalityBroken, Index, Synced
from obbligato.audit.recompute import OnProgress
from obbligato.errors import ObbligatoError
from obbligato.server.alerts import Alerts

LONGEST_PAUSE_SECONDS: Final = 30.0
INDEX: Final = "index"
FINALITY: Final = "finality"
TOLD_EVERY_SECONDS: Final = 5.0

HEAD = Gauge("obbligato_index_block", "Newest block that the index has read")
FINAL = Gauge("obbligato_index_final_block", "Newest block that the index holds for final")
EVENTS = Counter("obbligato_index_events", "Events that the index has read")
UNDONE = Counter("obbligato_index_blocks_undone", "Blocks that reorgs undid")

_log = structlog.get_logger(__name__)


class IndexWorker:
    """Syncs again and again; more slowly while the node, the store or the database fails."""

    def __init__(self, index: Index, alerts: Alerts, *, every: float) -> None:
        self._index = index
        self._alerts = alerts
        self._every = every
        self.broken: str | None = None
        """Why nothing is followed any more: what was final is not, and an operator has to decide."""

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        pause = self._every
        while not stop.is_set():
            well = self._sync()
            pause = self._every if well else min(max(pause, 0.5) * 2, LONGEST_PAUSE_SECONDS)
            stop.wait(pause)

    def _sync(self) -> bool:
        try:
            told = self._index.sync(watch=_progress())
        except FinalityBroken as error:
            # It may be one node that is wrong: the next may be asked, and nothing was undone.
            self.broken = str(error)
            self._alerts.stand(FINALITY, str(error))
            return False
        except (ObbligatoError, SQLAlchemyError) as error:
            self._alerts.stand(INDEX, f"the index does not move on: {error}"[:500])
            return False
        self.broken = None
        self._alerts.clear(INDEX)
        self._alerts.clear(FINALITY)
        _count(told)
        return True


def _progress() -> OnProgress:
    """A watcher that says every few seconds how far it is."""
    told_at = time.monotonic()

    def watch(what: str, done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TOLD_EVERY_SECONDS:
            told_at = time.monotonic()
            _log.info(what, done=done, total=total)

    return watch


def _count(told: Synced) -> None:
    HEAD.set(told.block)
    FINAL.set(told.final)
    EVENTS.inc(told.events)
    UNDONE.inc(told.undone)
    if told.undone:
        _log.warning("a reorg undid blocks", blocks=told.undone)
