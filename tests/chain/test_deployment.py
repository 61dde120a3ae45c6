"""The manifest of a deployment: written whole, read strictly, and checked against the contracts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from obbligato.chain.client import Chain
from obbligato.chain.deployment import CONTRACTS, read_deployment
from obbligato.chain.inspection import Check, Verdict, inspect
from obbligato.errors import ChainError, NotFound
from tests.onchain import ARTIST, DeployedProtocol

Plain = dict[str, Any]
HASH = "0x" + "ab" * 32


def account(number: int) -> str:
    return to_checksum_address(f"0x{number:040x}")


def manifest() -> Plain:
    """A manifest as its file holds it."""
    contract = {
        "block": 3,
        "transaction": HASH,
        "constructorArguments": "0x",
        "runtimeCodeHash": HASH,
    }
    return {
        "manifestVersion": 1,
        "chainId": 31337,
        "network": "local",
        "block": 3,
        "token": account(1),
        "contracts": {
            name: {**contract, "address": account(number)}
            for number, name in enumerate(CONTRACTS, start=2)
        },
        "roles": {
            "governor": account(10),
            "guardian": account(11),
            "arbiter": account(12),
            "attesters": [account(13)],
            "deployer": account(14),
            "proposer": None,
        },
        "parameters": {"challenge_window": 604_800},
        "compiler": {
            "version": "0.8.30",
            "evmVersion": "prague",
            "viaIr": True,
            "optimizerRuns": 200,
            "inputHash": HASH,
        },
    }


def written(folder: Path, data: object) -> Path:
    path = folder / "31337.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    read = read_deployment(written(tmp_path, manifest()))
    path = read.write(tmp_path / "again")
    assert path.name == "31337.json"
    assert json.loads(path.read_text()) == manifest()
    assert read_deployment(path) == read
    assert list(path.parent.iterdir()) == [path]  # nothing half-written is left


def test_the_deploy_script_s_manifest_is_one(onchain: DeployedProtocol) -> None:
    deployment = read_deployment(onchain.manifest)
    assert deployment.chain_id == 31337
    assert set(deployment.contracts) == set(CONTRACTS)
    assert deployment.parameters["challenge_window"] == 7 * 86_400
    assert deployment.block == min(c.block for c in deployment.contracts.values())


def test_no_manifest_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no deployment manifest"):
        read_deployment(tmp_path / "1.json")


def without(name: str) -> Callable[[Plain], object]:
    def change(data: Plain) -> None:
        del data["contracts"][name]

    return change


def having(path: str, value: object) -> Callable[[Plain], object]:
    def change(data: Plain) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            data = data[parent]
        data[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (having("manifestVersion", 2), "manifestVersion"),
        (having("chainId", "31337"), "chainId"),
        (having("chainId", -1), "chainId"),
        (having("token", "0x12"), "token"),
        (having("token", "0xFABB0ac9d68B0B445fB7357272Ff202C5651694A"), "checksum"),
        (having("contracts.Grants.runtimeCodeHash", "0xAB"), "runtimeCodeHash"),
        (having("contracts.Grants.constructorArguments", "0x123"), "constructorArguments"),
        (having("parameters", {"challenge_window": 1.5}), "challenge_window"),
        (having("surprise", 1), "surprise"),
        (without("Disputes"), "contracts: lacks Disputes"),
    ],
)
def test_a_manifest_with_something_wrong_is_refused_by_its_place(
    tmp_path: Path, change: Callable[[Plain], object], reason: str
) -> None:
    data = manifest()
    change(data)
    with pytest.raises(ChainError, match=reason):
        read_deployment(written(tmp_path, data))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "\udcff"])
def test_what_is_no_manifest_at_all_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "31337.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ChainError, match="is not a deployment manifest"):
        read_deployment(path)


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match="is not a deployment manifest"):
        read_deployment(tmp_path)


def verdicts(chain: Chain) -> dict[str, Check]:
    return {check.what: check for check in inspect(chain)}


def test_a_fresh_deployment_passes_every_check(onchain: DeployedProtocol) -> None:
    checks = verdicts(onchain.chain)
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert checks["Disputes.usageOracle"].found == onchain.chain.deployment.address("UsageOracle")
    assert checks["RoyaltyVault.thawPeriod"].found == str(28 * 86_400)


def test_another_parameter_than_the_manifest_s_is_wrong(onchain: DeployedProtocol) -> None:
    deployment = onchain.chain.deployment
    parameters = {**deployment.parameters, "challenge_window": 1}
    other = deployment.model_copy(update={"parameters": parameters})
    check = verdicts(Chain(onchain.chain.web3, other))["UsageOracle.challengeWindow"]
    assert (check.verdict, check.expected, check.found) == (Verdict.WRONG, "1", "604800")


def test_a_role_that_moved_is_changed_and_not_wrong(onchain: DeployedProtocol) -> None:
    deployment = onchain.chain.deployment
    roles = deployment.roles.model_copy(update={"guardian": ARTIST.address})
    other = deployment.model_copy(update={"roles": roles})
    assert verdicts(Chain(onchain.chain.web3, other))["guardian"].verdict is Verdict.CHANGED


def test_one_key_for_two_roles_is_wrong(onchain: DeployedProtocol) -> None:
    deployment = onchain.chain.deployment
    roles = deployment.roles.model_copy(update={"proposer": deployment.roles.arbiter})
    other = deployment.model_copy(update={"roles": roles})
    check = verdicts(Chain(onchain.chain.web3, other))["accounts with two roles"]
    assert (check.verdict, check.found) == (Verdict.WRONG, deployment.roles.arbiter)
