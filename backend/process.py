"""The backend's process: what it opens, what it runs, when it is ready."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import structlog
from fastapi import FastAPI
from prometheus_client import Gauge
from sqlalchemy import select

from backend.actions.relay import Relay, open_relay
from backend.app import create_app
from backend.db.index_db import Following
from backend.events.webhooks import WebhookWorker
from backend.http.limits import SharedCounts
from backend.imports.worker import CatalogueWorker
from backend.indexer.sync import Index
from backend.indexer.worker import IndexWorker
from backend.ipfs.pins import PinWorker
from backend.services import Services
from backend.settings import PARTS, BackendSettings, Part
from obbligato.chain import blocks
from obbligato.documents.cid import cid_of
from obbligato.errors import ChainError, InputError, ObbligatoError
from obbligato.server import process as server
from obbligato.server.alerts import Alerts, open_alerts
from obbligato.server.http import stopped_by
from obbligato.server.processes import (
    PARENT,
    PROCESSES,
    REPORT_SECONDS,
    Child,
    Processes,
    Report,
    shared_folder,
)
from obbligato.server.supervisor import Supervisor, Worker
from obbligato.store import StoreError
from obbligato.transactions.gas_money import GasMoney

LAG = Gauge(
    "obbligato_index_lag_blocks",
    "Blocks of the node that the index has not read yet",
    multiprocess_mode="livemostrecent",
)

WORKERS: Final = "workers"
"""The process of everything but the API, where several processes answer requests."""
COUNTS: Final = "counts"
"""The file in which they count requests together."""


_log = structlog.get_logger(__name__)

Role = Literal["all", "api", "workers"]
"""What a process does: everything, the API of several processes, or the workers beside it."""


@dataclass
class Backend:
    """Everything of one process."""

    settings: BackendSettings
    services: Services
    stop: threading.Event
    role: Role = "all"
    folder: Path | None = None
    """What the processes have in common, where there are several: see `obbligato.server.processes`."""
    alerts: Alerts = field(default_factory=Alerts)
    index: IndexWorker | None = None
    relay: Relay | None = None
    supervisor: Supervisor = field(init=False)

    @classmethod
    def open(
        cls,
        settings: BackendSettings,
        stop: threading.Event,
        role: Role = "all",
        folder: Path | None = None,
    ) -> Backend:
        """Open what the parts need. Raises InputError naming the setting, ChainError, DatabaseError, StoreError."""
        _check_parts(settings)
        alerts = open_alerts(settings.alert_url, "backend")
        services = Services.open(settings, migrate=role == "all")
        made = cls(settings, services, stop, role, folder, alerts)
        if made.runs("index"):
            index = Index(
                services.index_db, services.chain, services.store, finality=settings.finality
            )
            made.index = IndexWorker(index, alerts)
        if made.runs("relay"):
            made.relay = open_relay(services, alerts)
        made.supervisor = Supervisor(alerts, stop, made.workers())
        return made

    def runs(self, part: Part) -> bool:
        """Whether this process does it."""
        here = self.role == "all" or (part == "api") == (self.role == "api")
        return here and part in self.settings.parts

    def api(self) -> FastAPI:
        """The application: the whole API, or health and metrics alone."""
        worker_problem: Callable[[str], str | None] = (
            Report(self.folder, WORKERS).problem
            if self.folder is not None and has_workers(self.settings)
            else lambda name: self.worker_problems().get(name)
        )
        checks: dict[str, Callable[[], str | None]] = {
            "process": stopped_by(self.stop),
            "workers": lambda: worker_problem("workers"),
            "database": self._database_problem,
            "rpc": self._rpc_problem,
            "ipfs": self._store_problem,
            "index": lambda: worker_problem("index") or self._index_problem(),
        }
        if self.folder is not None:
            parent = Report(self.folder, PARENT)
            checks["processes"] = lambda: parent.problem(PROCESSES)
        if "relay" in self.settings.parts:
            checks["relay"] = lambda: worker_problem("relay")
        return create_app(
            self.services,
            checks=checks,
            stop=self.stop,
            whole=self.runs("api"),
            counts=None if self.folder is None else self.folder / COUNTS,
        )

    def close(self) -> None:
        """Close the databases."""
        self.services.close()

    def worker_problems(self) -> dict[str, str | None]:
        """What is wrong with the workers of this process, by the name of the check."""
        return {
            "workers": self.supervisor.ready(),
            "index": None if self.index is None else self.index.broken,
            "relay": None if self.relay is None else self.relay.sender.waiting,
        }

    def run_workers(self) -> None:
        """Run the workers alone and report how they do, until `stop` is set."""
        assert self.folder is not None
        report = Report(self.folder, WORKERS)
        self.supervisor.start()
        _log.info("working")
        while not self.stop.wait(REPORT_SECONDS):
            report.write(self.worker_problems())
        self.supervisor.join()
        _log.info("stopped")

    def workers(self) -> list[Worker]:
        """The workers of this process, in the order in which they end."""
        services, alerts, every = self.services, self.alerts, self.settings.poll_seconds
        workers: list[Worker] = []
        if self.runs("catalogues"):
            catalogues = CatalogueWorker(services, alerts)
            workers.append(Worker("catalogues", lambda: catalogues.step(self.stop), every, 3_600))
        if self.relay is not None:
            workers.append(Worker("relay", self.relay.follower.step, every))
            workers.append(self.relay.sender.worker())
            address, least = self.relay.sender.address, self.settings.low_gas_ether
            workers.append(GasMoney(services.chain, address, least, alerts).worker())
        if self.runs("webhooks"):
            workers.append(Worker("webhooks", WebhookWorker(services, alerts).step, every, 3_600))
        if self.runs("pins"):
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
        return blocks.latest(self.services.chain).number


def serve(settings: BackendSettings) -> None:
    """Run everything until SIGTERM or SIGINT, in one process or in several. Raises as `Backend.open` does."""
    if settings.workers == 1:
        server.run_service(settings, Backend.open)
        return
    _check_processes(settings)
    server.start_log(as_json=settings.json_logs, process="parent")
    stop = threading.Event()
    # Whatever is wrong with the settings is said here, and the databases are migrated before anybody uses them.
    Backend.open(settings, stop).close()
    with server.bind(settings.host, settings.port) as listener, shared_folder() as shared:
        folder = Path(shared)
        SharedCounts.make(folder / COUNTS)
        children = [
            Child(name, _serve_api, (settings, name, folder, listener))
            for name in (f"api {number}" for number in range(1, settings.workers + 1))
        ]
        if has_workers(settings):
            children.append(Child(WORKERS, _run_workers, (settings, folder)))
        server.stop_on_signals(stop)
        alerts = open_alerts(settings.alert_url, "backend")
        Processes(children, folder, stop, alerts=alerts).run()
        alerts.close()


def _serve_api(
    settings: BackendSettings, process: str, folder: Path, listener: socket.socket
) -> None:
    """The whole life of one of several processes that answer requests."""
    open_api = partial(Backend.open, role="api", folder=folder)
    server.run_service(settings, open_api, process, listener)


def _run_workers(settings: BackendSettings, folder: Path) -> None:
    """The whole life of the process of the workers, beside those that answer requests."""
    open_workers = partial(Backend.open, role="workers", folder=folder)
    with server.opened(settings, open_workers, WORKERS) as backend:
        server.stop_on_signals(backend.stop)
        backend.run_workers()


def has_workers(settings: BackendSettings) -> bool:
    """Whether there is anything to run beside the API."""
    return set(settings.parts) != {"api"}


def _check_processes(settings: BackendSettings) -> None:
    if "api" not in settings.parts:
        raise InputError(
            "only the part `api` can have several processes: every other part runs once",
            field="OBBLIGATO_BACKEND_WORKERS",
        )
    if "relay" in settings.parts and settings.keystore and settings.password_file is None:
        raise InputError(
            "is needed with several processes: one that is started anew can ask nobody for the password",
            field="OBBLIGATO_BACKEND_PASSWORD_FILE",
        )


def _check_parts(settings: BackendSettings) -> None:
    unknown = set(settings.parts) - set(PARTS)
    if unknown or not settings.parts:
        raise InputError(
            f"{', '.join(sorted(unknown)) or 'nothing'} is no part: use {', '.join(PARTS)}",
            field="OBBLIGATO_BACKEND_PARTS",
        )
