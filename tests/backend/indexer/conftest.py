"""Empty databases for indexes, of both kinds, and the story to follow into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.db.index_db import IndexDatabase
from backend.indexer.sync import Index
from tests import postgres
from tests.onchain import Acts
from tests.scenario import Scenario


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], IndexDatabase]]:
    """Opens a new, empty database each time it is called."""
    opened: list[IndexDatabase] = []

    def make() -> IndexDatabase:
        if request.param == "sqlite":
            opened.append(IndexDatabase(f"sqlite:///{tmp_path}/{len(opened)}.db"))
        else:
            with postgres.database(request.getfixturevalue("postgres_server")) as url:
                opened.append(IndexDatabase(url))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[IndexDatabase]:
    database = IndexDatabase(f"sqlite:///{tmp_path}/index.db")
    yield database
    database.close()


@pytest.fixture
def acts(scenario: Scenario) -> Iterator[Acts]:
    """What the test does after the story is undone after it."""
    acts = Acts(scenario.protocol)
    with acts.undone():
        yield acts


@pytest.fixture(scope="session")
def story_database(
    scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IndexDatabase]:
    """The story once followed, with its documents, to read only."""
    database = IndexDatabase(f"sqlite:///{tmp_path_factory.mktemp('story')}/index.db")
    Index(database, scenario.protocol.chain, scenario.protocol.store, finality=3).sync()
    yield database
    database.close()


@pytest.fixture(scope="session")
def earnings_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexDatabase]:
    """For examples that clear what they use."""
    database = IndexDatabase(f"sqlite:///{tmp_path_factory.mktemp('earnings')}/index.db")
    yield database
    database.close()
