"""`kill -9` at each step of a report's life: after the restart there is exactly one report, paid once.

A row of the table names the call to the node at which the leader is killed, and whether the node still gets it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from obbligato.client import Expected, OracleUnreachable, State
from tests.oracle.environment import PATIENCE, RATE, OracleEnv

UNITS = (7, 5, 3)
"""Events of licences 1, 2 and 1 again: 10 and 5 generations."""
TOTAL = 15 * RATE

BEFORE_SIGNING = [
    ("while it meters", "eth_getLogs", 1, False),
    ("while it prices", "eth_call", 6, False),
    ("while it makes the header", "eth_call", 9, True),
]
AFTER_SIGNING = [
    ("while it gathers signatures", "eth_call", 6, False),
    ("before it signs the transaction", "eth_estimateGas", 1, False),
    ("after it signed, before it sent", "eth_sendRawTransaction", 1, False),
    ("after it sent, before the answer", "eth_sendRawTransaction", 1, True),
    ("before the receipt is stored", "eth_getTransactionReceipt", 1, True),
]
SETTLING = [
    ("before it signs the settlement", "eth_estimateGas", 1, False),
    ("after it signed the settlement, before it sent", "eth_sendRawTransaction", 1, False),
    ("after it sent the settlement, before the answer", "eth_sendRawTransaction", 1, True),
    ("before the settlement's receipt is stored", "eth_getTransactionReceipt", 1, True),
]


def check_paid_once(oracle_env: OracleEnv, model: bytes, before: int) -> None:
    """One report, one settlement of its whole total, and no transaction that failed."""
    (report,) = oracle_env.happened(model)
    assert report["report"]["total"] == TOTAL
    assert oracle_env.settled(report["reportId"]) == [TOTAL]
    assert oracle_env.wasted(before) == []


@pytest.mark.parametrize(
    ("method", "nth", "forward"),
    [row[1:] for row in BEFORE_SIGNING],
    ids=[r[0] for r in BEFORE_SIGNING],
)
def test_killed_before_the_platform_signs(
    oracle_env: OracleEnv, tmp_path: Path, method: str, nth: int, forward: bool
) -> None:
    before, model = oracle_env.block(), oracle_env.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, UNITS)
        held = oracle_env.proxy.hold(method, nth, forward=forward)
        sent = client.submit(usage)
        held.wait()
        oracle_env.leader.kill()
        held.abandon()
        oracle_env.leader.start()
        oracle_env.leader.ready()
        assert client.submit(usage).id == sent.id
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        client.sign(metered, Expected(oracle_env.platform_id, usage))
        oracle_env.settle(client, sent.id)
    check_paid_once(oracle_env, model, before)


@pytest.mark.parametrize(
    ("method", "nth", "forward"),
    [row[1:] for row in AFTER_SIGNING],
    ids=[r[0] for r in AFTER_SIGNING],
)
def test_killed_between_the_platforms_signature_and_the_receipt(
    oracle_env: OracleEnv, tmp_path: Path, method: str, nth: int, forward: bool
) -> None:
    before, model = oracle_env.block(), oracle_env.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, UNITS)
        sent = client.submit(usage)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        rows = client.all_rows(metered)
        held = oracle_env.proxy.hold(method, nth, forward=forward)
        client.sign(metered, Expected(oracle_env.platform_id, usage), rows)
        held.wait()
        oracle_env.leader.kill()
        held.abandon()
        oracle_env.leader.start()
        oracle_env.leader.ready()
        oracle_env.settle(client, sent.id)
    check_paid_once(oracle_env, model, before)


@pytest.mark.parametrize(
    ("method", "nth", "forward"), [row[1:] for row in SETTLING], ids=[r[0] for r in SETTLING]
)
def test_killed_while_it_settles(
    oracle_env: OracleEnv, tmp_path: Path, method: str, nth: int, forward: bool
) -> None:
    before, model = oracle_env.block(), oracle_env.model()
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, oracle_env.usage(client, model, tmp_path, UNITS))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
        for _ in range(3):  # until the submission is final, and asks nothing of its own any more
            oracle_env.acts.node("evm_mine")
        held = oracle_env.proxy.hold(method, nth, forward=forward)
        oracle_env.pass_window()
        held.wait()
        oracle_env.leader.kill()
        held.abandon()
        oracle_env.leader.start()
        oracle_env.leader.ready()
        oracle_env.settle(client, sent.id)
    check_paid_once(oracle_env, model, before)


def test_killed_in_the_middle_of_an_upload_nothing_is_half_there(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    path = tmp_path / "events.jsonl"
    path.write_text("x" * 3_000_000)  # its content does not matter: it never arrives whole

    def die(what: str, done: int, total: int) -> None:
        if done >= total // 3 and what.startswith("send") and not died:
            died.append(done)
            oracle_env.leader.kill()

    died: list[int] = []
    with oracle_env.client() as client, pytest.raises(OracleUnreachable):
        client.upload(path, progress=die)
    assert died
    oracle_env.leader.start()
    oracle_env.leader.ready()
    folder = Path(oracle_env.leader.settings["OBBLIGATO_ORACLE_FOLDER"]) / "uploads"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [found.name for found in folder.glob(f"*/{sha256}")] == []
    with oracle_env.client() as client:
        sent = oracle_env.submit(client, oracle_env.usage(client, model, tmp_path, UNITS))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
