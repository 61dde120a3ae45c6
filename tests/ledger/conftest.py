"""The story's events and the ledger they make."""

from __future__ import annotations

import pytest

from obbligato.ledger.events import Event, read_events
from obbligato.ledger.recompute import Recomputed, recompute
from tests.story import Told


@pytest.fixture(scope="session")
def events(told: Told) -> list[Event]:
    """Every event of the story, in order."""
    return list(read_events(told.house.chain))


@pytest.fixture(scope="session")
def recomputed(told: Told) -> Recomputed:
    """The story recomputed. Tests that change its ledger copy it first."""
    return recompute(told.house.chain, told.house.store)
