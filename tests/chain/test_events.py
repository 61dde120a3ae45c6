"""Reading events from nodes that lag, lie or speak another version."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from obbligato.chain import events as reading
from obbligato.chain.client import Chain
from obbligato.chain.events import read_events
from obbligato.errors import ChainError
from tests.chain.proxy import PASS, Answer, served
from tests.scenario import Scenario


def read(scenario: Scenario, answer: Answer, **options: Any) -> list[reading.Event]:
    """The events through a node that answers so."""
    with served(answer, node=scenario.protocol.url) as url:
        return list(read_events(Chain.connect(url, scenario.protocol.chain.deployment), **options))


def logs_changed(change: dict[str, Any]) -> Answer:
    """The last log of an answer changed, by asking the node and editing what it says."""

    def answer(request: dict[str, Any]) -> Any:
        if request["method"] != "eth_getLogs":
            return PASS
        asked = urllib.request.Request(
            change["node"], json.dumps(request).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=10) as response:
            logs = json.load(response)["result"]
        logs[-1].update(change["log"])
        return logs

    return answer


def test_events_come_in_the_order_of_the_chain_with_the_time_of_their_block(
    scenario: Scenario,
) -> None:
    found = list(read_events(scenario.protocol.chain))
    places = [(event.block, event.index) for event in found]
    assert places == sorted(set(places))
    web3 = scenario.protocol.chain.web3
    for event in (found[0], found[-1]):
        assert event.timestamp == web3.eth.get_block(event.block)["timestamp"]


def test_any_size_of_query_gives_the_same_events(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(read_events(scenario.protocol.chain))
    monkeypatch.setattr(reading, "BLOCKS_PER_QUERY", 7)
    assert list(read_events(scenario.protocol.chain)) == whole


def test_a_range_gives_the_events_of_its_blocks(scenario: Scenario) -> None:
    whole = list(read_events(scenario.protocol.chain))
    middle = whole[len(whole) // 2].block
    part = list(read_events(scenario.protocol.chain, since=middle, until=middle))
    assert part == [event for event in whole if event.block == middle]


def test_a_node_that_lags_is_refused_and_not_read_as_silence(scenario: Scenario) -> None:
    behind = scenario.protocol.chain.deployment.block

    def answer(request: dict[str, Any]) -> Any:
        if request["method"] == "eth_getLogs":
            return []
        block = request["params"][0] if request["method"] == "eth_getBlockByNumber" else "latest"
        if block != "latest" and int(block, 16) > behind:
            return None
        return PASS

    with pytest.raises(ChainError, match=r"Block with id: .* not found|does not hold block"):
        read(scenario, answer)


def test_an_event_this_version_cannot_read_is_refused(scenario: Scenario) -> None:
    log = {"topics": ["0x" + "11" * 32]}
    with pytest.raises(ChainError, match=r"an event in block .* that this version cannot read"):
        read(scenario, logs_changed({"node": scenario.protocol.url, "log": log}))


def test_a_garbled_event_is_refused(scenario: Scenario) -> None:
    log = {"data": "0x01"}
    with pytest.raises(ChainError, match="the node garbled"):
        read(scenario, logs_changed({"node": scenario.protocol.url, "log": log}))


@pytest.mark.parametrize("log", [{"address": "0x" + "22" * 20}, {"blockNumber": "0xffffff"}])
def test_logs_that_were_not_asked_for_are_refused(scenario: Scenario, log: dict[str, Any]) -> None:
    with pytest.raises(ChainError, match="not asked for"):
        read(scenario, logs_changed({"node": scenario.protocol.url, "log": log}))
