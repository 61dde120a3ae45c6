"""What may happen to a leader that runs: nodes that fail, escrow that is short, rotations, a second process."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from obbligato.client import Expected, State, Usage
from scripts.demo.cast import ATTESTERS, GUARDIAN, METERED_PLATFORM, POOL_PLATFORM
from scripts.stack import LEADER
from tests.onchain import DOLLARS
from tests.oracle.world import PATIENCE, RATE, World

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
    world: World, tmp_path: Path, fault: dict[str, object]
) -> None:
    before, model = world.block(), world.model()
    with world.client() as client:
        usage = world.usage(client, model, tmp_path, (7, 5, 3))
        metered = client.wait(client.submit(usage).id, State.VALIDATED, timeout_seconds=PATIENCE)
        rows = client.all_rows(metered)
        calls = len(world.proxy.calls)
        client.sign(metered, Expected(world.platform_id, usage), rows)
        with world.proxy.having(**fault):
            world.until(lambda: len(world.proxy.calls) > calls + 12)
        world.settle(client, metered.id)
    (report,) = world.happened(model)
    assert world.settled(report["reportId"]) == [15 * RATE]
    assert world.wasted(before) == []


def test_escrow_that_is_short_is_shown_and_the_report_goes_on_after_a_deposit(
    world: World, tmp_path: Path
) -> None:
    model = world.model()
    with world.client(world.poor_id) as client:
        usage = world.usage(client, model, tmp_path, (POOR_UNITS,))
        sent = world.submit(client, usage)
        found = world.reach(client, sent.id, State.UNFUNDED)
        assert found.waiting is not None
        assert str(POOR_UNITS * RATE) in found.waiting
        world.acts.deposit(POOL_PLATFORM.admin, world.poor_id, 10 * DOLLARS)
        world.settle(client, sent.id)
    (report,) = world.happened(model)
    assert world.settled(report["reportId"]) == [POOR_UNITS * RATE]


def test_an_attester_that_the_guardian_removes_is_replaced_by_another_in_the_next_report(
    world: World, tmp_path: Path
) -> None:
    before, after = world.model(), world.model()
    fourth = world.stack.attesters[3]
    chain = world.house.chain
    fourth.start()
    fourth.ready()
    try:
        with world.client() as client:
            first = world.submit(client, world.usage(client, before, tmp_path, (1,)))
            world.reach(client, first.id, State.CHALLENGEABLE)
            chain.transact(GUARDIAN, "UsageOracle", "removeAttester", ATTESTERS[0].address)
            second = world.submit(client, world.usage(client, after, tmp_path, (2,)))
            world.settle(client, second.id)
            world.settle(client, first.id)  # judged by the set it came in under
        (one,), (two,) = world.happened(before), world.happened(after)
        assert two["configVersion"] == one["configVersion"] + 1
        assert world.settled(one["reportId"]) == [RATE]
        assert world.settled(two["reportId"]) == [2 * RATE]
    finally:
        fourth.stop()
        ascending = sorted((each.address for each in ATTESTERS), key=lambda a: int(a, 16))
        world.acts.govern("UsageOracle", "setAttesters", ascending)


def test_a_second_process_with_the_same_key_waits_and_says_so(world: World, tmp_path: Path) -> None:
    second = dataclasses.replace(
        world.leader,
        name="the second leader",
        url="http://127.0.0.1:" + str(int(world.leader.url.rsplit(":", 1)[1]) + 4),
        settings={
            **world.leader.settings,
            "OBBLIGATO_ORACLE_FOLDER": str(tmp_path / "second"),
            "OBBLIGATO_ORACLE_PORT": str(int(world.leader.url.rsplit(":", 1)[1]) + 4),
        },
        log=tmp_path / "second.log",
        process=None,
        _file=None,
    )
    model = world.model()
    second.start()
    try:
        second.answers()
        second.until(lambda: second.get("/readyz") == 503, PATIENCE, "waiting")
        with world.client(url=second.url) as client:
            sent = world.submit(client, world.usage(client, model, tmp_path, (3,)))
            client.wait(sent.id, State.ATTESTED, timeout_seconds=PATIENCE)
            assert world.happened(model) == []
            world.leader.kill()
            second.ready()
            world.reach(client, sent.id, State.CHALLENGEABLE)
    finally:
        second.stop()
    assert len(world.happened(model)) == 1


def test_a_leader_without_gas_money_queues_and_goes_on_when_it_gets_some(
    world: World, tmp_path: Path
) -> None:
    model = world.model()
    balance = world.acts.node("eth_getBalance", LEADER.address, "latest")
    world.acts.node("anvil_setBalance", LEADER.address, "0x1")
    try:
        with world.client() as client:
            sent = world.submit(client, world.usage(client, model, tmp_path, (3,)))
            found = world.wait_for(client, sent.id, lambda one: "gas money" in (one.waiting or ""))
            assert found.state is State.ATTESTED
            assert world.happened(model) == []
            world.acts.node("anvil_setBalance", LEADER.address, balance)
            world.reach(client, sent.id, State.CHALLENGEABLE)
    finally:
        world.acts.node("anvil_setBalance", LEADER.address, balance)


def test_a_period_that_leaves_a_gap_is_refused_and_the_next_one_is_taken(world: World) -> None:
    model, (start, end) = world.model(), world.period
    half = (start + end) // 2
    with world.client() as client:
        first = world.submit(client, Usage(model, start, half))
        world.reach(client, first.id, State.SETTLED)
        late = client.submit(Usage(model, half + 60, end))
        found = client.wait(late.id, State.VALIDATED, timeout_seconds=PATIENCE)
        assert found.state is State.REJECTED
        assert found.problem is not None
        assert f"reported until {half}" in found.problem.detail
        follows = world.submit(client, Usage(model, half, end))
        world.reach(client, follows.id, State.SETTLED)
    assert [event["report"]["sequence"] for event in world.happened(model)] == [1, 2]


def test_the_log_and_the_status_page_hold_no_secret(world: World) -> None:
    key = LEADER.key.hex().removeprefix("0x")
    reporter = METERED_PLATFORM.reporter.key.hex().removeprefix("0x")
    with world.client() as client:
        shown = str(client.oracle_status())
    for text in (shown, world.leader.log.read_text()):
        assert key not in text
        assert reporter not in text
        assert "play money" not in text


def test_a_store_that_fails_while_reporting_leaves_nothing_half_done_and_is_tried_again(
    world: World, tmp_path: Path
) -> None:
    model = world.model()
    partial, away = world.house.folder / "partial", world.house.folder / "away"
    with world.client() as client:
        usage = world.usage(client, model, tmp_path, (7, 5, 3))
        partial.rename(away)
        try:
            sent = client.submit(usage)
            found = world.wait_for(client, sent.id, lambda one: one.waiting is not None)
            assert found.state is State.RECEIVED
            assert "cannot write block" in (found.waiting or "")
            assert found.reports == ()
        finally:
            away.rename(partial)
        metered = client.wait(sent.id, State.VALIDATED, timeout_seconds=PATIENCE)
        client.sign(metered, Expected(world.platform_id, usage))
        world.reach(client, sent.id, State.CHALLENGEABLE)
    assert len(world.happened(model)) == 1
