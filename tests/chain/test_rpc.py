"""Several nodes of one chain: the next is asked where one fails, and a node of another chain never again."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from web3 import Web3

from obbligato.chain.client import Chain, answered
from obbligato.chain.rpc import FailoverProvider, WrongChain
from obbligato.errors import ChainError, ContractRefused, InputError
from scripts.toolchain import CHAIN_ID, free_ports
from tests.onchain import ARTIST, DeployedProtocol
from tests.oracle.proxy import SEND, Proxy, proxy

SECRET = "s3cr3t-key"


@pytest.fixture
def nodes(onchain: DeployedProtocol) -> Iterator[tuple[Proxy, Proxy]]:
    with proxy(onchain.url) as first, proxy(onchain.url) as second:
        yield first, second


class Pauses(list[float]):
    """The pauses that a provider would have made, in seconds."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def over(*urls: str, pause: Any = None, timeout_seconds: float = 30) -> Web3:
    provider = FailoverProvider(
        urls, CHAIN_ID, timeout_seconds=timeout_seconds, pause=Pauses() if pause is None else pause
    )
    return Web3(provider)


FAULTS: list[dict[str, Any]] = [
    {"status": 429},
    {"status": 500},
    {"status": 503},
    {"html": True},
    {"reset": True},
    {"hang": True},
]


@pytest.mark.parametrize("fault", FAULTS)
def test_where_a_node_fails_the_next_one_answers(
    nodes: tuple[Proxy, Proxy], fault: dict[str, Any]
) -> None:
    first, second = nodes
    web3 = over(first.url, second.url, timeout_seconds=1)
    assert web3.eth.block_number > 0
    assert second.calls == []
    with first.having(**fault):
        assert web3.eth.block_number > 0
    assert second.methods == ["eth_chainId", "eth_blockNumber"]


def test_the_node_that_answered_last_is_asked_first(nodes: tuple[Proxy, Proxy]) -> None:
    first, second = nodes
    web3 = over(first.url, second.url)
    with first.having(status=429):
        for _ in range(3):
            assert web3.eth.block_number > 0
    assert len(first.calls) == 1
    assert second.methods.count("eth_blockNumber") == 3


def test_a_node_that_nobody_runs_is_passed_over(nodes: tuple[Proxy, Proxy]) -> None:
    with free_ports() as port:
        assert over(f"http://127.0.0.1:{port}", nodes[0].url).eth.block_number > 0


def test_where_all_fail_they_are_asked_again_after_growing_pauses(
    nodes: tuple[Proxy, Proxy],
) -> None:
    first, second = nodes
    pauses = Pauses()
    with first.having(status=500), second.having(status=429), pytest.raises(requests.HTTPError):
        over(first.url, second.url, pause=pauses).eth.get_block("latest")
    assert len(first.calls) == len(second.calls) == 3
    assert len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0


def test_a_node_that_comes_back_while_others_fail_answers(nodes: tuple[Proxy, Proxy]) -> None:
    first, second = nodes

    def heals(seconds: float) -> None:
        first.heal()

    first.have(status=500)
    with second.having(status=500):
        assert over(first.url, second.url, pause=heals).eth.block_number > 0


def test_no_attempt_is_begun_when_the_time_is_over(nodes: tuple[Proxy, Proxy]) -> None:
    first, second = nodes
    provider = FailoverProvider([first.url, second.url], CHAIN_ID, total_seconds=0)
    with first.having(status=500), pytest.raises(requests.HTTPError):
        Web3(provider).eth.get_block("latest")
    assert (len(first.calls), len(second.calls)) == (1, 0)


def test_a_single_node_is_asked_once(nodes: tuple[Proxy, Proxy]) -> None:
    with nodes[0].having(status=429), pytest.raises(requests.HTTPError):
        over(nodes[0].url).eth.get_block("latest")
    assert len(nodes[0].calls) == 1


def test_a_refusal_is_an_answer_and_no_other_node_is_asked(
    onchain: DeployedProtocol, nodes: tuple[Proxy, Proxy]
) -> None:
    chain = Chain.connect([node.url for node in nodes], onchain.chain.deployment)
    with pytest.raises(ContractRefused, match="NotPayee"):
        chain.call("RoyaltyVault", "claimable", ARTIST.address, [99])
    assert nodes[1].calls == []


def test_an_error_about_a_transaction_is_an_answer(nodes: tuple[Proxy, Proxy]) -> None:
    first, second = nodes
    web3 = over(first.url, second.url)
    with (
        first.having(error="already known", methods=[SEND]),
        pytest.raises(ChainError, match="already known"),
    ):
        answered(lambda: web3.eth.send_raw_transaction(b"\x02"))
    assert second.calls == []


def test_a_node_of_another_chain_is_said_to_be_one_and_never_asked_again(
    nodes: tuple[Proxy, Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = nodes
    first.have(chain_id=1)
    web3 = over(f"{first.url}/{SECRET}", second.url)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert web3.eth.chain_id == CHAIN_ID
    assert first.methods == ["eth_chainId"]
    assert "is chain 1, the deployment is on chain 31337" in caplog.text
    assert SECRET not in caplog.text


def test_where_every_node_is_of_another_chain_nothing_is_asked(
    nodes: tuple[Proxy, Proxy],
) -> None:
    for node in nodes:
        node.have(chain_id=1)
    web3 = over(*(node.url for node in nodes))
    for _ in range(2):
        with pytest.raises(WrongChain, match="is chain 1"):
            web3.eth.get_block("latest")
    assert [node.methods for node in nodes] == [["eth_chainId"]] * 2


def test_a_node_that_was_gone_is_checked_again_before_it_is_used(
    nodes: tuple[Proxy, Proxy],
) -> None:
    web3 = over(nodes[0].url)
    assert web3.eth.block_number > 0
    with nodes[0].having(reset=True), pytest.raises(requests.ConnectionError):
        web3.eth.get_block("latest")
    with nodes[0].having(chain_id=1), pytest.raises(WrongChain):
        web3.eth.get_block("latest")


def test_failures_name_hosts_and_no_paths(
    onchain: DeployedProtocol, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.ExitStack() as stack, caplog.at_level(logging.DEBUG, logger="obbligato"):
        failing = [stack.enter_context(proxy(onchain.url)) for _ in range(2)]
        for node in failing:
            node.have(status=401)
        urls = [f"{node.url}/v3/{SECRET}" for node in failing]
        with pytest.raises(ChainError, match="answered with status 401") as caught:
            Chain.connect(urls, onchain.chain.deployment)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "asking the next node" in caplog.text
    assert SECRET not in caplog.text


def test_no_url_at_all_is_refused(onchain: DeployedProtocol) -> None:
    with pytest.raises(InputError, match="rpc: give the URL"):
        Chain.connect([], onchain.chain.deployment)
