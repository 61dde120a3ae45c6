"""An index, a store, and licences whose documents are made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db.index_db import IndexDatabase
from backend.indexer.sync import Index
from obbligato.store import EmbeddedStore
from tests.backend.recordings.minting import Minting
from tests.onchain import Acts
from tests.scenario import Scenario


@pytest.fixture
def minting(scenario: Scenario, tmp_path: Path) -> Iterator[Minting]:
    """What is minted is undone afterwards."""
    acts = Acts(scenario.protocol)
    database = IndexDatabase(f"sqlite:///{tmp_path}/index.db")
    with acts.undone():
        store = EmbeddedStore(tmp_path / "blocks")
        index = Index(database, acts.chain, store, clock=lambda: 1_000.0)
        yield Minting(acts, store, database, index)
    database.close()
