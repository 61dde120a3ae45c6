"""Connecting to a deployment, and what becomes of refusals and of nodes that are none."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from obbligato.chain.client import Chain
from obbligato.errors import ChainError, ContractRefused, InputError
from scripts.demo.cast import RELAY
from scripts.toolchain import free_ports
from tests.chain.proxy import PASS, served
from tests.onchain import ARTIST, STRANGER, Acts, DeployedProtocol

SECRET = "s3cr3t-key"
SOMEBODY = "0x" + "0" * 39 + "7"


def shown(error: BaseException) -> str:
    """Everything a log would show of an error, causes included."""
    return "".join(traceback.format_exception(error)) + str(error)


def test_another_chain_is_refused_before_anything_is_signed(onchain: DeployedProtocol) -> None:
    asked: list[str] = []

    def answer(request: dict[str, Any]) -> Any:
        asked.append(request["method"])
        return "0x1" if request["method"] == "eth_chainId" else PASS

    with (
        served(answer, node=onchain.url) as url,
        pytest.raises(ChainError, match="is chain 1, the deployment is on chain 31337"),
    ):
        Chain.connect(url, onchain.chain.deployment)
    assert asked == ["eth_chainId"]


def test_other_code_at_an_address_is_refused_by_the_contract_s_name(
    onchain: DeployedProtocol,
) -> None:
    deployment = onchain.chain.deployment
    contracts = dict(deployment.contracts)
    contracts["Grants"] = contracts["Grants"].model_copy(
        update={"address": deployment.address("Disputes")}
    )
    forged = deployment.model_copy(update={"contracts": contracts})
    with pytest.raises(ChainError, match="is not the Grants of the deployment"):
        Chain.connect(onchain.url, forged)


def test_an_empty_address_is_refused_as_other_code(onchain: DeployedProtocol) -> None:
    def answer(request: dict[str, Any]) -> Any:
        return "0x" if request["method"] == "eth_getCode" else PASS

    with (
        served(answer, node=onchain.url) as url,
        pytest.raises(ChainError, match="is not the RoyaltyVault"),
    ):
        Chain.connect(url, onchain.chain.deployment)


def test_a_refusal_carries_the_error_s_name_and_arguments(onchain: DeployedProtocol) -> None:
    with pytest.raises(ContractRefused) as caught:
        onchain.chain.call("RoyaltyVault", "claimable", ARTIST.address, [99])
    assert caught.value.error == "NotPayee"
    assert caught.value.arguments == {"splitId": 99, "account": ARTIST.address.lower()}
    assert "NotPayee(splitId=99" in str(caught.value)


def test_a_transaction_that_would_be_refused_is_never_sent(onchain: DeployedProtocol) -> None:
    before = onchain.chain.web3.eth.get_transaction_count(STRANGER.address)
    with pytest.raises(ContractRefused) as caught:
        onchain.chain.transact(STRANGER, "UsageOracle", "pause")
    assert caught.value.error == "NotPauser"
    assert onchain.chain.web3.eth.get_transaction_count(STRANGER.address) == before


def test_a_transaction_that_reverts_once_mined_says_why(onchain: DeployedProtocol) -> None:
    with Acts(onchain).undone(), pytest.raises(ContractRefused, match="NotPauser"):
        onchain.chain.transact(STRANGER, "UsageOracle", "pause", gas=200_000)


def test_an_act_returns_its_receipt(onchain: DeployedProtocol) -> None:
    acts = Acts(onchain)
    with acts.undone():
        receipt = onchain.chain.transact(RELAY, "TestDollar", "mint", SOMEBODY, 5)
        assert receipt["status"] == 1
        assert onchain.chain.call("TestDollar", "balanceOf", SOMEBODY) == 5


def test_a_node_that_is_down_is_named_by_its_host_alone(onchain: DeployedProtocol) -> None:
    with free_ports() as port:
        url = f"http://user:{SECRET}@127.0.0.1:{port}/v3/{SECRET}?key={SECRET}"
        with pytest.raises(ChainError) as caught:
            Chain.connect(url, onchain.chain.deployment)
    assert str(caught.value).startswith(f"127.0.0.1:{port} cannot be reached")
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>login at /v3/s3cr3t-key</html>", "did not answer with JSON"),
        (403, b"<html>/v3/s3cr3t-key</html>", "answered with status 403"),
        (502, b"", "answered with status 502"),
        (200, b"[]", "did not answer"),
        (200, b'"s3cr3t-key"', "did not answer"),
    ],
)
def test_a_server_that_is_no_node_is_said_to_be_none_without_its_key(
    onchain: DeployedProtocol, status: int, body: bytes, reason: str
) -> None:
    with served(lambda request: body, status=status) as url, pytest.raises(ChainError) as caught:
        Chain.connect(f"{url}/v3/{SECRET}", onchain.chain.deployment)
    assert reason in str(caught.value)
    assert SECRET not in shown(caught.value)


def test_calls_of_a_connected_client_hide_the_key_as_well(onchain: DeployedProtocol) -> None:
    with served(lambda request: PASS, node=onchain.url) as url:
        chain = Chain.connect(f"{url}/v3/{SECRET}", onchain.chain.deployment)
    with pytest.raises(ChainError) as caught:  # the server is gone
        chain.call("LicenseRegistry", "licenseCount")
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8545", "ws://host", "http://", "http://[", "file:///x"]
)
def test_what_is_no_url_of_a_node_is_refused(onchain: DeployedProtocol, url: str) -> None:
    with pytest.raises(InputError, match="rpc: is not the URL of an RPC endpoint"):
        Chain.connect(url, onchain.chain.deployment)
