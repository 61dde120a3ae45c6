"""The service over the told story, for tests of what it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from backend.database import Database
from backend.index import Index
from backend.records import Records
from backend.services import Services
from backend.settings import BackendSettings
from tests.story import Told


@pytest.fixture(scope="session")
def story_services(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Everything over the story, followed once; the records are empty at first."""
    folder = tmp_path_factory.mktemp("service")
    house = told.house
    index = Database(f"sqlite:///{folder}/index.db")
    Index(index, house.chain, house.store, finality=3).sync()
    services = Services(
        settings=BackendSettings(
            rpc_urls=(house.url,), deployment=house.manifest, folder=folder, finality=3
        ),
        chain=house.chain,
        store=house.store,
        index=index,
        records=Records(f"sqlite:///{folder}/records.db"),
        clock=lambda: told.acts.now(),
    )
    yield services
    services.close()


@pytest.fixture(scope="session")
def story_client(story_services: Services) -> Iterator[TestClient]:
    """The API over the story. Errors are answers here as they are outside."""
    from backend.api.app import create_app

    with TestClient(create_app(story_services), raise_server_exceptions=False) as client:
        yield client
