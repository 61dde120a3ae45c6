"""Catalogues, worked on for as long as the process runs: lines are prepared, mints are found."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from backend.catalogues.minted import MintFollower
from backend.catalogues.preparing import Preparer
from backend.records import Catalogue, CatalogueState
from backend.services import Services
from obbligato.errors import ObbligatoError
from obbligato.sending.alerts import Alerts

CATALOGUES: Final = "catalogues"
LONGEST_PAUSE_SECONDS: Final = 30.0

MINTED = Counter("obbligato_catalogue_mints", "Lines of catalogues that became licences")

_log = structlog.get_logger(__name__)


class CatalogueWorker:
    """Goes on where it was, whenever it was stopped; waits longer while store, node or database fail."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._alerts = alerts
        self._every = services.settings.poll_seconds
        self._mints = MintFollower(services)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        pause = self._every
        while not stop.is_set():
            try:
                self.step(stop)
            except (ObbligatoError, SQLAlchemyError) as error:
                self._alerts.stand(CATALOGUES, f"catalogues do not move on: {error}"[:500])
                pause = min(max(pause, 0.5) * 2, LONGEST_PAUSE_SECONDS)
            else:
                self._alerts.clear(CATALOGUES)
                pause = self._every
            stop.wait(pause)

    def step(self, stop: threading.Event) -> None:
        """Prepare all that waits, and see what was minted. Raises StoreError, ChainError, NotFound."""
        preparers: dict[str, Preparer] = {}
        while not stop.is_set() and (reading := self._reading()):
            for catalogue in reading:  # in turns: a short one need not wait for a long one
                preparer = preparers.get(catalogue.id) or Preparer(self._services, catalogue)
                preparers[catalogue.id] = preparer
                if not preparer.step():
                    del preparers[catalogue.id]
                    _log.info("catalogue read", catalogue=catalogue.id, lines=catalogue.lines)
        MINTED.inc(self._mints.step())

    def _reading(self) -> Sequence[Catalogue]:
        with self._services.records.reading() as session:
            return session.scalars(
                select(Catalogue)
                .where(Catalogue.state == CatalogueState.READING)
                .order_by(Catalogue.created_at, Catalogue.id)
            ).all()
