"""Blocks that are undone under a report and its settlement: included again, credited once, final only when it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from obbligato.client import OracleClient, State, Usage
from tests.onchain import ARTIST, split
from tests.oracle.environment import RATE, OracleEnv, write
from tests.scenario import OPEN

UNITS = (7, 5, 3)
TOTAL = 15 * RATE
FINALITY = 8
"""Deeper than any fork below."""


@pytest.fixture(scope="module")
def patient(whole_oracle_env: OracleEnv) -> Iterator[OracleEnv]:
    """The world with a leader for whom a block is final under eight others."""
    with whole_oracle_env.leader_with(OBBLIGATO_ORACLE_FINALITY=str(FINALITY)) as oracle_env:
        yield oracle_env


def mine(oracle_env: OracleEnv, blocks: int) -> None:
    oracle_env.acts.node("anvil_mine", hex(blocks))


def fork(oracle_env: OracleEnv, depth: int) -> None:
    """The newest blocks give way to empty ones; what was in them is lost."""
    oracle_env.acts.node("anvil_reorg", depth, [])


def wait_without_blocks(
    oracle_env: OracleEnv, client: OracleClient, identity: str, state: State
) -> None:
    """Wait for a state that needs no further block, and see that it is not called final."""

    def is_there() -> bool:
        found = client.status(identity)
        assert not any(part.final for part in found.reports)
        return found.state is state

    oracle_env.until(is_there)


@pytest.mark.parametrize("depth", [1, 6])
def test_a_report_and_its_settlement_survive_forks_and_are_credited_once(
    patient: OracleEnv, tmp_path: Path, depth: int
) -> None:
    oracle_env, model = patient, patient.model()
    pays = split((Account.create(), 1_000_000))
    license_id = oracle_env.acts.mint(ARTIST, OPEN, pays, f"Under forks of {depth}")
    start, end = oracle_env.acts.now(), oracle_env.acts.wait(1)
    mine(oracle_env, FINALITY + 1)  # a fork takes nothing of the tests before
    with oracle_env.client() as client:
        events = oracle_env.events(model, UNITS, license_id=license_id, occurred_at=start)
        uploaded = (client.upload(write(tmp_path / "forks.jsonl", events)),)
        sent = oracle_env.submit(client, Usage(model, start, end, files=uploaded))
        wait_without_blocks(oracle_env, client, sent.id, State.CHALLENGEABLE)
        (before,) = oracle_env.happened(model)
        mine(oracle_env, depth - 1)
        fork(oracle_env, depth)
        wait_without_blocks(oracle_env, client, sent.id, State.CHALLENGEABLE)
        oracle_env.until(lambda: len(oracle_env.happened(model)) == 1)
        (after,) = oracle_env.happened(model)
        assert (after["reportId"], after["rows"]) == (before["reportId"], before["rows"])
        # The same for its settlement.
        mine(oracle_env, FINALITY + 1)
        oracle_env.pass_window()
        wait_without_blocks(oracle_env, client, sent.id, State.SETTLED)
        assert oracle_env.settled(after["reportId"]) == [TOTAL]
        mine(oracle_env, depth - 1)
        fork(oracle_env, depth)
        oracle_env.until(lambda: oracle_env.settled(after["reportId"]) == [TOTAL])
        wait_without_blocks(oracle_env, client, sent.id, State.SETTLED)
        done = oracle_env.settle(client, sent.id)
    assert [part.final for part in done.reports] == [True]
    assert len(oracle_env.happened(model)) == 1
    assert oracle_env.settled(after["reportId"]) == [TOTAL]
    split_id = oracle_env.protocol.chain.license(license_id).split_id
    assert oracle_env.protocol.chain.received_units(split_id) == TOTAL
