"""What can go wrong while the index follows: killed processes, nodes that leave out, refuse, garble or lag."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from backend.db.index_db import IndexDatabase
from backend.indexer.sync import Index, Synced
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.client import Chain
from obbligato.chain.events import event_of
from obbligato.errors import ChainError
from scripts.demo.cast import POOL_PLATFORM
from scripts.toolchain import ROOT
from tests.chain.proxy import served
from tests.onchain import Acts
from tests.scenario import Scenario

FINALITY = 30

KILLED = """
import os, signal, sys
from pathlib import Path
from backend.db.index_db import IndexDatabase
from backend.indexer import Index, sync
from backend.indexer.state import State
from obbligato.chain import events, follower
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment

events.BLOCKS_PER_QUERY = follower.BLOCKS_BY_HASH = 7
url, node, manifest, place, nth = sys.argv[1:]
owner, name = {"reading": (follower.Follower, "_read"), "applying": (Index, "_apply"),
    "writing": (State, "write"), "moving": (sync, "_move"), "finality": (sync, "make_final")}[place]
whole, calls = getattr(owner, name), 0

def killed(*arguments):
    global calls
    found = whole(*arguments)
    calls += 1
    if calls == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(owner, name, killed)
Index(IndexDatabase(url), Chain.connect(node, read_deployment(Path(manifest))), finality=30).sync()
"""
"""A process that ends itself right after the nth call of one of its functions; 7 blocks a batch."""


@pytest.mark.parametrize(
    ("new_database", "place", "nth"),
    [
        *(
            ("sqlite", place, nth)
            for place in ("reading", "applying", "writing", "moving", "finality")
            for nth in (1, 4)
        ),
        ("postgres", "writing", 4),
        ("postgres", "finality", 1),
    ],
    indirect=["new_database"],
)
def test_a_process_that_is_killed_leaves_whole_batches_and_the_next_one_goes_on(
    new_database: Callable[[], IndexDatabase], scenario: Scenario, place: str, nth: int
) -> None:
    database = new_database()
    url = database.engine.url.render_as_string(hide_password=False)
    command = [
        sys.executable,
        "-c",
        KILLED,
        url,
        scenario.protocol.url,
        str(scenario.protocol.manifest),
    ]
    ended = subprocess.run([*command, place, str(nth)], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    chain = scenario.protocol.chain
    index = Index(database, chain, finality=FINALITY)
    partly, same = index.dump(), Index(new_database(), chain, finality=FINALITY)
    before = json.loads(next(line for line in partly.splitlines() if b'"following"' in line))
    if before["head_number"] >= chain.deployment.block:
        same.sync(until=before["head_number"])
        assert partly == same.dump()
    assert index.sync().block > before["head_number"]
    same.sync()
    assert index.dump() == same.dump()


def test_two_processes_may_follow_into_one_database(
    new_database: Callable[[], IndexDatabase], scenario: Scenario
) -> None:
    database = new_database()
    indexes = [Index(database, scenario.protocol.chain, finality=FINALITY) for _ in range(3)]
    reached: list[Synced] = []
    threads = [threading.Thread(target=lambda i=i: reached.append(i.sync())) for i in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(reached) == 3
    alone = Index(new_database(), scenario.protocol.chain, finality=FINALITY)
    assert sum(each.events for each in reached) == alone.sync().events
    assert indexes[0].dump() == alone.dump()


def test_processes_that_take_turns_do_not_go_by_what_they_remember(
    new_database: Callable[[], IndexDatabase], scenario: Scenario
) -> None:
    chain, database = scenario.protocol.chain, new_database()
    turns = [Index(database, chain, finality=1_000) for _ in range(2)]
    last = chain.web3.eth.block_number
    for block in range(chain.deployment.block, last + 1, 3):
        turns[block % 2].sync(until=block)
    turns[0].sync(until=last)
    alone = Index(new_database(), chain, finality=1_000)
    alone.sync(until=last)
    assert turns[0].dump() == alone.dump()


# ---- nodes


Change = Callable[[str, list[Any], Any], Any]
"""Gives what a node answers instead, from (method, parameters, true result)."""


@contextmanager
def between(
    scenario: Scenario, change: Change, before: Callable[[str, list[Any]], None] = lambda *_: None
) -> Iterator[Chain]:
    """The deployed protocol by way of a node whose answers are changed; `before` is called before each is given."""
    provider: Any = scenario.protocol.chain.web3.provider

    def one(request: dict[str, Any]) -> dict[str, Any]:
        method, given = request["method"], request["params"]
        before(method, given)
        reply = provider.make_request(method, given)
        found = change(method, given, reply.get("result"))
        kept = {"jsonrpc": "2.0", "id": request["id"]}
        return {**kept, **(found if isinstance(found, Refusal) else {"result": found})}

    def answer(request: Any) -> Any:
        if isinstance(request, dict):
            return json.dumps(one(request), default=bytes.hex).encode()
        return json.dumps([one(each) for each in request]).encode()

    with served(answer) as url:
        yield Chain.connect(url, scenario.protocol.chain.deployment)


class Refusal(dict[str, Any]):
    """An error of a node."""

    def __init__(self, message: str) -> None:
        super().__init__(error={"code": -32005, "message": message})


def without_logs(method: str, given: list[Any], result: Any) -> Any:
    return [] if method == "eth_getLogs" else result


@pytest.mark.parametrize("finality", [0, 100_000])
def test_a_node_that_leaves_all_logs_out_is_noticed(
    sqlite: IndexDatabase, scenario: Scenario, finality: int
) -> None:
    with between(scenario, without_logs) as chain:
        index = Index(sqlite, chain, finality=finality)
        before = index.dump()
        with pytest.raises(ChainError, match="left some out"):
            index.sync()
        assert index.dump() == before
    assert Index(sqlite, scenario.protocol.chain, finality=finality).sync().events > 100


@pytest.mark.parametrize(
    "left_out",
    [
        "SplitInterned", "TermsInterned", "LicenseMinted", "PlatformRegistered", "Deposited", "ReportSubmitted",
        "Reserved", "HandedOver", "Challenged",
    ],
)  # fmt: skip
def test_a_node_that_leaves_one_log_out_is_noticed(
    sqlite: IndexDatabase, scenario: Scenario, left_out: str
) -> None:
    names = {scenario.protocol.chain.deployment.address(n).lower(): n for n in DEPLOYED}
    dropped: list[str] = []

    def change(method: str, given: list[Any], result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        kept = []
        for log in result:
            name = event_of(names[log["address"].lower()], log, 0).name
            if name == left_out and not dropped:
                dropped.append(name)
            else:
                kept.append(log)
        return kept

    with between(scenario, change) as chain:
        index = Index(sqlite, chain, finality=0)
        before = index.dump()
        with pytest.raises(ChainError, match="ask another"):
            index.sync()
        assert dropped
        assert index.dump() == before


def test_a_node_that_refuses_large_ranges_is_asked_for_smaller_ones(
    sqlite: IndexDatabase, new_database: Callable[[], IndexDatabase], scenario: Scenario
) -> None:
    asked: list[int] = []

    def change(method: str, given: list[Any], result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        width = int(given[0]["toBlock"], 16) - int(given[0]["fromBlock"], 16) + 1
        asked.append(width)
        return Refusal("query returned more than 10000 results") if width > 10 else result

    with between(scenario, change) as chain:
        index = Index(sqlite, chain, finality=0)
        index.sync()
    assert max(asked) > 10
    alone = Index(new_database(), scenario.protocol.chain, finality=0)
    alone.sync()
    assert index.dump() == alone.dump()


def test_a_node_without_times_in_its_logs_and_without_old_states_is_enough(
    sqlite: IndexDatabase, new_database: Callable[[], IndexDatabase], scenario: Scenario
) -> None:
    head = scenario.protocol.chain.web3.eth.block_number

    def change(method: str, given: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            for log in result:
                log.pop("blockTimestamp", None)
        if method == "eth_call" and "blockHash" in given[1]:
            known = scenario.protocol.chain.web3.eth.get_block(given[1]["blockHash"])
            if known["number"] < head:
                return Refusal("missing trie node")
        return result

    with between(scenario, change) as chain:
        index = Index(sqlite, chain, finality=0)
        index.sync(until=head // 2)
        index.sync()
    alone = Index(new_database(), scenario.protocol.chain, finality=0)
    alone.sync()
    assert index.dump() == alone.dump()


@pytest.mark.parametrize(
    ("field", "value"),
    [("data", "0x01"), ("topics", ["0x" + "11" * 32]), ("blockHash", "0x" + "22" * 32)],
)
def test_a_garbled_log_is_refused(
    sqlite: IndexDatabase, scenario: Scenario, field: str, value: Any
) -> None:
    def change(method: str, given: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and result:
            result[-1][field] = value
        return result

    with between(scenario, change) as chain:
        index = Index(sqlite, chain, finality=100_000)
        before = index.dump()
        with pytest.raises(ChainError, match=r"garbled|cannot read|not asked for"):
            index.sync()
        assert index.dump() == before


@pytest.mark.parametrize(
    ("method", "raises"), [("eth_getBlockByNumber", False), ("eth_getLogs", True)]
)
def test_a_chain_that_changes_while_it_is_read_is_read_again(
    sqlite: IndexDatabase,
    new_database: Callable[[], IndexDatabase],
    acts: Acts,
    scenario: Scenario,
    method: str,
    raises: bool,
) -> None:
    """The reorg takes the newest blocks away between the answer that names them and the one about them."""
    admin = POOL_PLATFORM.admin
    index = Index(sqlite, acts.chain, finality=1_000)
    index.sync()
    fork, last = acts.node("evm_snapshot"), acts.chain.web3.eth.block_number
    acts.deposit(admin, 2, 5)  # three blocks
    index.sync()
    acts.deposit(admin, 2, 6)
    reorged: list[bool] = []

    def before(asked: str, given: list[Any]) -> None:
        if (
            asked == method
            and (asked == "eth_getLogs" or given[0] == hex(last + 4))
            and not reorged
        ):
            reorged.append(True)
            acts.node("evm_revert", fork)
            acts.deposit(admin, 2, 7)
            acts.deposit(admin, 2, 8)

    with between(scenario, lambda _method, _given, result: result, before) as chain:
        index = Index(sqlite, chain, finality=1_000)
        if raises:
            with pytest.raises(ChainError, match="went while it was read"):
                index.sync()
            assert index.sync().undone == 3
        else:
            assert index.sync().undone == 3
    assert reorged
    alone = Index(new_database(), acts.chain, finality=1_000)
    alone.sync()
    assert index.dump() == alone.dump()
