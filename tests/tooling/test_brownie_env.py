"""Brownie's surroundings: ports that nobody else has, networks written for each run."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import brownie_env
from scripts.toolchain import CHAIN_ID, Anvil, ToolchainError, anvil, free_ports, rpc


@pytest.fixture
def chain() -> Iterator[Anvil]:
    with anvil() as running:
        yield running


def networks(folder: Path, arguments: list[str]) -> dict[str, list[dict[str, object]]]:
    brownie_env.write_networks(folder, 20_000, arguments)
    written: dict[str, list[dict[str, object]]] = json.loads(
        (folder / "network-config.yaml").read_text()
    )
    return written


def test_a_reserved_port_is_not_given_to_a_second_run() -> None:
    with free_ports(3) as first, free_ports(3) as second:
        assert abs(first - second) >= 3


def test_a_port_in_use_is_not_given_to_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("scripts.toolchain._PORTS", range(port, port + 2))
        with pytest.raises(ToolchainError, match="no 1 free ports"), free_ports():
            pass


def test_the_development_chain_has_the_project_rules(tmp_path: Path) -> None:
    (development,) = networks(tmp_path, ["test"])["development"]
    assert development["cmd"] == "anvil"
    assert development["cmd_settings"] == {
        "port": 20_000,
        "chain_id": 31337,
        "evm_version": "prague",
        "gas_limit": 60_000_000,
        "accounts": 20,
        "default_balance": 1_000_000,
        "base_fee": 0,
    }


def test_only_coverage_traces_steps_and_lifts_the_code_size_limit(tmp_path: Path) -> None:
    (development,) = networks(tmp_path, ["test", "--coverage"])["development"]
    assert development["cmd"] == "anvil --disable-code-size-limit"
    assert development["cmd_settings"]["steps_tracing"] is True  # type: ignore[index]  # written as JSON above


def test_a_named_network_is_the_node_at_the_given_address(
    tmp_path: Path, chain: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBBLIGATO_RPC_URL", chain.url)
    (group,) = networks(tmp_path, ["run", "deploy", "--network", "local"])["live"]
    assert group["networks"] == [
        {
            "id": "local",
            "name": "local",
            "host": chain.url,
            "chainid": str(CHAIN_ID),
            "timeout": 120,
        }
    ]


def test_a_node_of_another_chain_is_refused(
    tmp_path: Path, chain: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBBLIGATO_RPC_URL", chain.url)
    monkeypatch.setenv("OBBLIGATO_CHAIN_ID", "1")
    with pytest.raises(ToolchainError, match="is chain 31337, but OBBLIGATO_CHAIN_ID says 1"):
        networks(tmp_path, ["run", "deploy", "--network", "local"])


def test_a_named_network_without_an_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OBBLIGATO_RPC_URL", raising=False)
    with pytest.raises(ToolchainError, match="set OBBLIGATO_RPC_URL"):
        networks(tmp_path, ["run", "deploy", "--network=sepolia"])


def test_the_chain_keeps_the_code_size_limit_of_public_networks(chain: Anvil) -> None:
    """A contract of 24 577 bytes: one more than EIP-170 allows."""
    initcode = "0x61600180600b5f395ff3"  # PUSH2 0x6001, return that many zero bytes
    sender = rpc(chain.url, "eth_accounts")[0]
    with pytest.raises(ToolchainError, match="SizeLimit"):
        rpc(chain.url, "eth_estimateGas", {"from": sender, "data": initcode})
