"""A service over the story with a store and records of the test's own, and servers for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backend.db.service_db import ServiceDatabase
from backend.services import Services
from obbligato.server.alerts import Alerts
from obbligato.store import ContentStore, EmbeddedStore
from tests.scenario import Scenario


@dataclass
class Clock:
    """It stands still until it is moved."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Keeping:
    """What pinning and serving need; every block of the story is in `blocks`."""

    services: Services
    blocks: EmbeddedStore
    folder: Path
    clock: Clock
    alerts: Alerts

    def over(self, store: ContentStore) -> Services:
        """The same service over another store."""
        return replace(self.services, store=store)

    def file(self, cid: str) -> Path:
        """Where the block folder has a block."""
        return self.folder / "blocks" / cid[-3:-1] / cid


@pytest.fixture
def keeping(scenario: Scenario, story_services: Services, tmp_path: Path) -> Iterator[Keeping]:
    folder = tmp_path / "store"
    shutil.copytree(scenario.protocol.folder, folder)
    blocks, clock = EmbeddedStore(folder), Clock()
    records = ServiceDatabase(f"sqlite:///{tmp_path}/records.db")
    settings = story_services.settings.model_copy(update={"folder": tmp_path})
    services = replace(
        story_services, settings=settings, store=blocks, service_db=records, clock=clock
    )
    yield Keeping(services, blocks, folder, clock, Alerts())
    records.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Services], str]]:
    """The API of services on a real port; its base URL."""
    from tests.backend.ipfs.serving import Server

    running: list[Server] = []

    def start(services: Services) -> str:
        running.append(Server(services))
        return running[-1].url

    yield start
    for each in running:
        each.stop()
