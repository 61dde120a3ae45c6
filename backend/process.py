"""The backend's process: what it opens, what it runs, when it is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import FastAPI
from prometheus_client import Gauge
from sqlalchemy import select

from backend.actions.relay import Relay, open_relay
from backend.app import create_app
from backend.db.index_db import Following
from backend.events.webhooks import WebhookWorker
from backend.imports.worker import CatalogueWorker
from backend.indexer.sync import Index
from backend.indexer.worker import IndexWorker
from backend.ipfs.pins import PinWorker
from backend.services import Services
from backend.settings import PARTS, BackendSettings
from obbligato.chain.client import answered
from obbligato.documents.cid import cid_of
from obbligato.errors import ChainError, InputError, ObbligatoError
from obbligato.server.alerts import Alerts
from obbligato.server.http import stopped_by
from obbligato.server.supervisor import Supervisor, Worker
from obbligato.store import StoreError

LAG = Gauge("obbligato_index_lag_blocks", "Blocks of the node that the index has not read yet")
ALERTS = Gauge("obbligato_alerts", "Alerts that stand")


@dataclass
class Backend:
    """Everything of one process."""

    settings: BackendSettings
    services: Services
    stop: threading.Event
    alerts: Alerts = field(default_factory=Alerts)
    index: IndexWorker | None = None
    relay: Relay | None = None
    supervisor: Supervisor = field(init=False)

    @classmethod
    def open(cls, settings: BackendSettings, stop: threading.Event) -> Backend:
        """Open what the parts need. Raises InputError naming the setting, ChainError, DatabaseError, StoreError."""
        _check_parts(settings)
        made = cls(settings, Services.open(settings), stop)
        services, alerts = made.services, made.alerts
        if "index" in settings.parts:
            index = Index(
                services.index_db, services.chain, services.store, finality=settings.finality
            )
            made.index = IndexWorker(index, alerts)
        if "relay" in settings.parts:
            made.relay = open_relay(services, alerts)
        made.supervisor = Supervisor(alerts, stop, made.workers())
        return made

    def api(self) -> FastAPI:
        """The application: the whole API, or health and metrics alone."""
        checks: dict[str, Callable[[], str | None]] = {
            "process": stopped_by(self.stop),
            "workers": self.supervisor.ready,
            "database": self._database_problem,
            "rpc": self._rpc_problem,
            "ipfs": self._store_problem,
            "index": self._index_problem,
        }
        if self.relay is not None:
            sender = self.relay.sender
            checks["relay"] = lambda: sender.waiting
        return create_app(
            self.services,
            checks=checks,
            alerts=self.alerts,
            stop=self.stop,
            whole="api" in self.settings.parts,
        )

    def workers(self) -> list[Worker]:
        """The workers of this process, in the order in which they end."""
        services, alerts, every = self.services, self.alerts, self.settings.poll_seconds
        workers: list[Worker] = []
        if "api" in self.settings.parts:
            catalogues = CatalogueWorker(services, alerts)
            workers.append(Worker("catalogues", lambda: catalogues.step(self.stop), every, 3_600))
        if self.relay is not None:
            workers.append(Worker("relay", self.relay.follower.step, every))
            workers.append(self.relay.sender.worker())
        if "webhooks" in self.settings.parts:
            workers.append(Worker("webhooks", WebhookWorker(services, alerts).step, every, 3_600))
        if "pins" in self.settings.parts:
            workers.append(Worker("pins", PinWorker(services, alerts).tick, every, 3_600))
        if self.index is not None:
            workers.append(Worker("index", self.index.tick, every, 86_400))  # a rebuild is one tick
        return workers

    # ---- whether it is ready

    def _database_problem(self) -> str | None:
        try:
            for database in (self.services.service_db, self.services.index_db):
                with database.reading() as session:
                    session.execute(select(1))
        except Exception as error:
            return f"the database does not answer: {type(error).__name__}"
        return None

    def _rpc_problem(self) -> str | None:
        try:
            self._node_block()
        except ChainError as error:
            return str(error)
        return None

    def _store_problem(self) -> str | None:
        try:
            self.services.store.status(cid_of(b""))
        except (StoreError, ObbligatoError) as error:
            return str(error)
        return None

    def _index_problem(self) -> str | None:
        if self.index is not None and self.index.broken:
            return self.index.broken
        try:
            latest = self._node_block()
        except ChainError:
            return "nobody knows how far behind it is: the node does not answer"
        with self.services.index_db.reading() as session:
            known = session.get(Following, 1)
        if known is None or not known.head_hash:
            return "it has not read its first block yet"
        lag = max(0, latest - known.head_number)
        LAG.set(lag)
        if lag > self.settings.late_blocks:
            return f"it is {lag} blocks behind the node"
        return None

    def _node_block(self) -> int:
        return answered(lambda: self.services.chain.web3.eth.block_number)


def _check_parts(settings: BackendSettings) -> None:
    unknown = set(settings.parts) - set(PARTS)
    if unknown or not settings.parts:
        raise InputError(
            f"{', '.join(sorted(unknown)) or 'nothing'} is no part: use {', '.join(PARTS)}",
            field="OBBLIGATO_BACKEND_PARTS",
        )
