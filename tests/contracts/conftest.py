"""Fixtures of the contract tests: one deployment a module, undone to its start for each test."""

from __future__ import annotations

import pytest

from tests.contracts.protocol import DeployedProtocol, new_protocol


@pytest.fixture(scope="module")
def protocol() -> DeployedProtocol:
    """The deployment."""
    return new_protocol()


@pytest.fixture(autouse=True)
def isolation(fn_isolation: None) -> None:
    """Every test starts from the state its module's fixtures made."""


@pytest.fixture(scope="module", autouse=True)
def shared(module_isolation: None) -> None:
    """Every module starts from an empty chain."""
