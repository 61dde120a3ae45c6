"""The story's events and the ledger they make."""

from __future__ import annotations

import pytest

from obbligato.audit.recompute import Recomputed, recompute
from obbligato.chain.events import Event, read_events
from tests.scenario import Scenario


@pytest.fixture(scope="session")
def events(scenario: Scenario) -> list[Event]:
    """Every event of the story, in order."""
    return list(read_events(scenario.protocol.chain))


@pytest.fixture(scope="session")
def recomputed(scenario: Scenario) -> Recomputed:
    """The story recomputed. Tests that change its ledger copy it first."""
    return recompute(scenario.protocol.chain, scenario.protocol.store)
