"""What may happen to a leader that runs: nodes that fail, escrow that is short, rotations, a second process."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from obbligato.client import Expected, State, Usage
from scripts.demo.cast import ATTESTERS, GUARDIAN, METERED_PLATFORM, POOL_PLATFORM
from scripts.stack import LEADER
from tests.onchain import DOLLARS
from tests.oracle.environment import PATIENCE, RATE, OracleEnv

POOR_UNITS = 1_000
"""2.40 dollars of use, and the poor platform has one."""


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429},
        {"status": 500},
        {"html": True},
        {"reset": True},
        {"lose_answers": True, "methods": ["eth_sendRawTransaction"]},
        {"send_twice": True},
        {"hide_receipts": True},
        {"lag": 2},
    ],
    ids=[
        "429",
        "500",
        "a page",
        "no connection",
        "a lost answer",
        "sent twice",
        "no receipts",
        "lag",
    ],
)
def test_a_node_that_fails_for_a_while_costs_time_and_nothing_else(
    oracle_env: OracleEnv, tmp_path: Path, fault: dict[str, object]
) -> None:
    before, model = oracle_env.block(), oracle_env.model()
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, (7, 5, 3))
        metered = client.wait(client.submit(usage).id, State.VALIDATED, timeout_seconds=PATIENCE)
        rows = client.all_rows(metered)
        calls = len(oracle_env.proxy.calls)
        client.sign(metered, Expected(oracle_env.platform_id, usage), rows)
        with oracle_env.proxy.having(**fault):
            oracle_env.until(lambda: len(oracle_env.proxy.calls) > calls + 12)
        oracle_env.settle(client, metered.id)
    (report,) = oracle_env.happened(model)
    assert oracle_env.settled(report["reportId"]) == [15 * RATE]
    assert oracle_env.wasted(before) == []


def test_escrow_that_is_short_is_shown_and_the_report_goes_on_after_a_deposit(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    with oracle_env.client(oracle_env.poor_id) as client:
        usage = oracle_env.usage(client, model, tmp_path, (POOR_UNITS,))
        sent = oracle_env.submit(client, usage)
        found = oracle_env.reach(client, sent.id, State.UNFUNDED)
        assert found.waiting is not None
        assert str(POOR_UNITS * RATE) in found.waiting
        oracle_env.acts.deposit(POOL_PLATFORM.admin, oracle_env.poor_id, 10 * DOLLARS)
        oracle_env.settle(client, sent.id)
    (report,) = oracle_env.happened(model)
    assert oracle_env.settled(report["reportId"]) == [POOR_UNITS * RATE]


def test_an_attester_that_the_guardian_removes_is_replaced_by_another_in_the_next_report(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    before, after = oracle_env.model(), oracle_env.model()
    fourth = oracle_env.stack.attesters[3]
    chain = oracle_env.protocol.chain
    fourth.start()
    fourth.ready()
    try:
        with oracle_env.client() as client:
            first = oracle_env.submit(client, oracle_env.usage(client, before, tmp_path, (1,)))
            oracle_env.reach(client, first.id, State.CHALLENGEABLE)
            chain.transact(GUARDIAN, "UsageOracle", "removeAttester", ATTESTERS[0].address)
            second = oracle_env.submit(client, oracle_env.usage(client, after, tmp_path, (2,)))
            oracle_env.settle(client, second.id)
            oracle_env.settle(client, first.id)  # judged by the set it came in under
        (one,), (two,) = oracle_env.happened(before), oracle_env.happened(after)
        assert two["configVersion"] == one["configVersion"] + 1
        assert oracle_env.settled(one["reportId"]) == [RATE]
        assert oracle_env.settled(two["reportId"]) == [2 * RATE]
    finally:
        fourth.stop()
        ascending = sorted((each.address for each in ATTESTERS), key=lambda a: int(a, 16))
        oracle_env.acts.govern("UsageOracle", "setAttesters", ascending)


def test_a_second_process_with_the_same_key_waits_and_says_so(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    second = dataclasses.replace(
        oracle_env.leader,
        name="the second leader",
        url="http://127.0.0.1:" + str(int(oracle_env.leader.url.rsplit(":", 1)[1]) + 4),
        settings={
            **oracle_env.leader.settings,
            "OBBLIGATO_ORACLE_FOLDER": str(tmp_path / "second"),
            "OBBLIGATO_ORACLE_PORT": str(int(oracle_env.leader.url.rsplit(":", 1)[1]) + 4),
        },
        log=tmp_path / "second.log",
        process=None,
        _file=None,
    )
    model = oracle_env.model()
    second.start()
    try:
        second.answers()
        second.until(lambda: second.get("/readyz") == 503, PATIENCE, "waiting")
        with oracle_env.client(url=second.url) as client:
            sent = oracle_env.submit(client, oracle_env.usage(client, model, tmp_path, (3,)))
            client.wait(sent.id, State.ATTESTED, timeout_seconds=PATIENCE)
            assert oracle_env.happened(model) == []
            oracle_env.leader.kill()
            second.ready()
            oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
    finally:
        second.stop()
    assert len(oracle_env.happened(model)) == 1


def test_a_leader_without_gas_money_queues_and_goes_on_when_it_gets_some(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    balance = oracle_env.acts.node("eth_getBalance", LEADER.address, "latest")
    oracle_env.acts.node("anvil_setBalance", LEADER.address, "0x1")
    try:
        with oracle_env.client() as client:
            sent = oracle_env.submit(client, oracle_env.usage(client, model, tmp_path, (3,)))
            found = oracle_env.wait_for(
                client, sent.id, lambda one: "gas money" in (one.waiting or "")
            )
            assert found.state is State.ATTESTED
            assert oracle_env.happened(model) == []
            oracle_env.acts.node("anvil_setBalance", LEADER.address, balance)
            oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
    finally:
        oracle_env.acts.node("anvil_setBalance", LEADER.address, balance)


def test_a_period_that_leaves_a_gap_is_refused_and_the_next_one_is_taken(
    oracle_env: OracleEnv,
) -> None:
    model, (start, end) = oracle_env.model(), oracle_env.period
    half = (start + end) // 2
    with oracle_env.client() as client:
        first = oracle_env.submit(client, Usage(model, start, half))
        oracle_env.reach(client, first.id, State.SETTLED)
        late = client.submit(Usage(model, half + 60, end))
        found = client.wait(late.id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert found.state is State.REJECTED
        assert found.problem is not None
        assert f"reported until {half}" in found.problem.detail
        follows = oracle_env.submit(client, Usage(model, half, end))
        oracle_env.reach(client, follows.id, State.SETTLED)
    assert [event["report"]["sequence"] for event in oracle_env.happened(model)] == [1, 2]


def test_the_log_and_the_status_page_hold_no_secret(oracle_env: OracleEnv) -> None:
    key = LEADER.key.hex().removeprefix("0x")
    reporter = METERED_PLATFORM.reporter.key.hex().removeprefix("0x")
    with oracle_env.client() as client:
        shown = str(client.oracle_status())
    for text in (shown, oracle_env.leader.log.read_text()):
        assert key not in text
        assert reporter not in text
        assert "play money" not in text


def test_a_store_that_fails_while_reporting_leaves_nothing_half_done_and_is_tried_again(
    oracle_env: OracleEnv, tmp_path: Path
) -> None:
    model = oracle_env.model()
    partial, away = oracle_env.protocol.folder / "partial", oracle_env.protocol.folder / "away"
    with oracle_env.client() as client:
        usage = oracle_env.usage(client, model, tmp_path, (7, 5, 3))
        partial.rename(away)
        try:
            sent = client.submit(usage)
            found = oracle_env.wait_for(client, sent.id, lambda one: one.waiting is not None)
            assert found.state is State.RECEIVED
            assert "cannot write block" in (found.waiting or "")
            assert found.reports == ()
        finally:
            away.rename(partial)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        client.sign(metered, Expected(oracle_env.platform_id, usage))
        oracle_env.reach(client, sent.id, State.CHALLENGEABLE)
    assert len(oracle_env.happened(model)) == 1
