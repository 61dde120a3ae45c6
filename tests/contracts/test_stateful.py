"""The whole system under random acts, every one of which a model in plain Python foretells.

Settings (environment): OBBLIGATO_ACTIONS how many, OBBLIGATO_SEED which. A failure names its seed and the shortest
sequence of actions found; the same seed and number fail again.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from brownie import project, web3
from hypothesis import HealthCheck
from hypothesis import strategies as st

from tests.contracts.protocol import DEPLOYER, DOLLAR, DeployedProtocol, new_protocol
from tests.contracts.stateful.actions import ACTIONS, Deployment
from tests.contracts.stateful.node import Node
from tests.contracts.stateful.run import Runner, describe

SOAK = bool(os.environ.get("OBBLIGATO_SOAK"))
NUMBER = int(os.environ.get("OBBLIGATO_ACTIONS") or (10_000 if SOAK else 600))
SEED = os.environ.get("OBBLIGATO_SEED") or (secrets.token_hex(4) if SOAK else "obbligato")
ENOUGH_FOR_EVERYTHING = 3_000
NEVER_ACCEPTED = {"trespass", "hostile"}
ONLY_READ = {"divide"}


@pytest.fixture(scope="module")
def small_house() -> DeployedProtocol:
    """Odd bonds, so that their halves do not come out even; small ones, so that platforms run out of money."""
    return new_protocol(minimum_bond=40 * DOLLAR + 1, minimum_challenge_bond=DOLLAR + 1)


@pytest.fixture(scope="module")
def lens(small_house: DeployedProtocol) -> Any:
    return project.get_loaded_projects()[0].Lens.deploy({"from": DEPLOYER})


@pytest.fixture(scope="module")
def node(lens: Any) -> Iterator[Node]:
    node = Node(web3.provider.endpoint_uri)
    yield node
    node.close()


def test_random_acts_end_as_the_model_foretells(
    small_house: DeployedProtocol, node: Node, lens: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    runner = Runner(small_house, node, lens)
    runner.run(SEED, NUMBER)
    with capsys.disabled():
        seconds = time.monotonic() - started
        print(f"\n{NUMBER} random actions, seed {SEED}: all invariants hold ({seconds:.0f} s)")
        if SOAK:
            print(describe(runner.deployment))
    accepted = {
        name for (name, answer), n in runner.deployment.outcomes.items() if not answer and n
    }
    assert not accepted & NEVER_ACCEPTED
    if NUMBER >= ENOUGH_FOR_EVERYTHING:
        assert set(ACTIONS) - accepted - NEVER_ACCEPTED - ONLY_READ == set()


class Acts:
    """The same actions under hypothesis, which shortens by itself what fails."""

    st_name = st.sampled_from(sorted(ACTIONS))
    st_chance = st.integers(min_value=0, max_value=2**32)

    def __init__(cls, protocol: DeployedProtocol, node: Node, lens: Any) -> None:  # noqa: N805 - Brownie gives it the class
        cls.place = (protocol, node, lens)

    def setup(self) -> None:
        # Brownie has set the chain back.
        self.deployment = Deployment(*self.place)

    def rule_act(self, st_name: str, st_chance: int) -> None:
        self.deployment.act(st_name, random.Random(st_chance))


@pytest.mark.skipif(SOAK, reason="the soak is one long run")
def test_short_sequences_end_as_the_model_foretells(
    small_house: DeployedProtocol, node: Node, lens: Any, state_machine: Any
) -> None:
    settings = {
        "max_examples": 4,
        "stateful_step_count": 12,
        "deadline": None,
        "suppress_health_check": HealthCheck.all(),
    }
    state_machine(Acts, small_house, node, lens, settings=settings)
