"""Blocks that are undone under a report and its settlement: included again, credited once, final only when it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from obbligato.client import OracleClient, State, Usage
from tests.onchain import ARTIST, split
from tests.oracle.world import RATE, World, write
from tests.story import OPEN

UNITS = (7, 5, 3)
TOTAL = 15 * RATE
FINALITY = 8
"""Deeper than any fork below."""


@pytest.fixture(scope="module")
def patient(whole_world: World) -> Iterator[World]:
    """The world with a leader for whom a block is final under eight others."""
    with whole_world.leader_with(OBBLIGATO_ORACLE_FINALITY=str(FINALITY)) as world:
        yield world


def mine(world: World, blocks: int) -> None:
    world.acts.node("anvil_mine", hex(blocks))


def fork(world: World, depth: int) -> None:
    """The newest blocks give way to empty ones; what was in them is lost."""
    world.acts.node("anvil_reorg", depth, [])


def wait_without_blocks(world: World, client: OracleClient, identity: str, state: State) -> None:
    """Wait for a state that needs no further block, and see that it is not called final."""

    def is_there() -> bool:
        found = client.status(identity)
        assert not any(part.final for part in found.reports)
        return found.state is state

    world.until(is_there)


@pytest.mark.parametrize("depth", [1, 6])
def test_a_report_and_its_settlement_survive_forks_and_are_credited_once(
    patient: World, tmp_path: Path, depth: int
) -> None:
    world, model = patient, patient.model()
    pays = split((Account.create(), 1_000_000))
    license_id = world.acts.mint(ARTIST, OPEN, pays, f"Under forks of {depth}")
    start, end = world.acts.now(), world.acts.wait(1)
    mine(world, FINALITY + 1)  # a fork takes nothing of the tests before
    with world.client() as client:
        events = world.events(model, UNITS, license_id=license_id, occurred_at=start)
        uploaded = (client.upload(write(tmp_path / "forks.jsonl", events)),)
        sent = world.submit(client, Usage(model, start, end, files=uploaded))
        wait_without_blocks(world, client, sent.id, State.CHALLENGEABLE)
        (before,) = world.happened(model)
        mine(world, depth - 1)
        fork(world, depth)
        wait_without_blocks(world, client, sent.id, State.CHALLENGEABLE)
        world.until(lambda: len(world.happened(model)) == 1)
        (after,) = world.happened(model)
        assert (after["reportId"], after["rows"]) == (before["reportId"], before["rows"])
        # The same for its settlement.
        mine(world, FINALITY + 1)
        world.pass_window()
        wait_without_blocks(world, client, sent.id, State.SETTLED)
        assert world.settled(after["reportId"]) == [TOTAL]
        mine(world, depth - 1)
        fork(world, depth)
        world.until(lambda: world.settled(after["reportId"]) == [TOTAL])
        wait_without_blocks(world, client, sent.id, State.SETTLED)
        done = world.settle(client, sent.id)
    assert [part.final for part in done.reports] == [True]
    assert len(world.happened(model)) == 1
    assert world.settled(after["reportId"]) == [TOTAL]
    split_id = world.house.chain.call("LicenseRegistry", "licenseOf", license_id)[6]
    assert world.house.chain.call("RoyaltyVault", "receivedOf", split_id) == TOTAL
