"""What every part of the backend is given: settings, chain, store, the two databases, a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.db.index_db import IndexDatabase
from backend.db.service_db import ServiceDatabase
from backend.settings import BackendSettings
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.store import ContentStore, EmbeddedStore, GatewayStore, KuboStore, LayeredStore


@dataclass(frozen=True, slots=True)
class Services:
    """Opened once a process."""

    settings: BackendSettings
    chain: Chain
    store: ContentStore
    index_db: IndexDatabase
    service_db: ServiceDatabase
    clock: Callable[[], float] = time.time

    @classmethod
    def open(cls, settings: BackendSettings, *, migrate: bool = True) -> Services:
        """Open everything the settings name. Raises InputError, ChainError, StoreError, DatabaseError.

        Not `migrate`: another process has just brought the databases to their newest migrations.
        """
        settings.folder.mkdir(parents=True, exist_ok=True)
        return cls(
            settings=settings,
            chain=Chain.connect(settings.rpc_urls, read_deployment(settings.deployment)),
            store=open_store(settings),
            index_db=IndexDatabase(settings.index_url, migrate=migrate),
            service_db=ServiceDatabase(settings.database_url, migrate=migrate),
        )

    def now(self) -> int:
        """The time in whole seconds. What the index says is as of its head instead."""
        return int(self.clock())

    def close(self) -> None:
        """Close the databases."""
        self.index_db.close()
        self.service_db.close()


def open_store(settings: BackendSettings) -> ContentStore:
    """A Kubo node or the block folder, with gateways behind it. Raises StoreError, InputError."""
    own: ContentStore = (
        KuboStore(settings.kubo)
        if settings.kubo
        else EmbeddedStore(settings.store or settings.folder / "blocks")
    )
    return LayeredStore(own, [GatewayStore(settings.gateways)]) if settings.gateways else own
