"""The service over the told story, for tests of what it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from backend.db.index_db import IndexDatabase
from backend.db.service_db import ServiceDatabase
from backend.indexer.sync import Index
from backend.services import Services
from backend.settings import BackendSettings
from tests import postgres
from tests.scenario import Scenario


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of this process; each test takes databases of its own from it."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def story_services(
    scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Everything over the story, followed once; the records are empty at first."""
    folder = tmp_path_factory.mktemp("service")
    protocol = scenario.protocol
    index = IndexDatabase(f"sqlite:///{folder}/index.db")
    Index(index, protocol.chain, protocol.store, finality=3).sync()
    services = Services(
        settings=BackendSettings(
            rpc_urls=(protocol.url,), deployment=protocol.manifest, folder=folder, finality=3
        ),
        chain=protocol.chain,
        store=protocol.store,
        index_db=index,
        service_db=ServiceDatabase(f"sqlite:///{folder}/records.db"),
        clock=lambda: scenario.acts.now(),
    )
    yield services
    services.close()


@pytest.fixture(scope="session")
def story_client(story_services: Services) -> Iterator[TestClient]:
    """The API over the story. Errors are answers here as they are outside."""
    from backend.app import create_app

    with TestClient(create_app(story_services), raise_server_exceptions=False) as client:
        yield client
