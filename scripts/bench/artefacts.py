"""Compiled contracts: the project's own as Brownie built them, the bench's helpers and the peers'."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts import brownie_env, toolchain
from scripts.bench.chain import Artefact
from scripts.solc.install import binary
from scripts.solc.standard_json import standard_json
from scripts.toolchain import ROOT

BUILD: Final = ROOT / "build" / "contracts"
HELPERS: Final = Path("scripts/bench/contracts/Batch.sol")
DISTRIBUTOR: Final = ROOT / "node_modules/@uniswap/merkle-distributor/build/MerkleDistributor.json"
DEPLOYED: Final = ("RoyaltyVault", "LicenseRegistry", "Grants", "UsageOracle", "Disputes")


@dataclass(frozen=True)
class Artefacts:
    """The project's artefacts, by name."""

    folder: Path = BUILD

    def __getitem__(self, name: str) -> Artefact:
        return Artefact.read(self.folder / f"{name}.json")

    def compiler(self) -> dict[str, Any]:
        """The compiler and settings they were built with."""
        described: dict[str, Any] = json.loads((self.folder / "UsageOracle.json").read_text())
        return described["compiler"]  # type: ignore[no-any-return]  # JSON

    def code_bytes(self, name: str) -> int:
        """Size of the deployed code."""
        described = json.loads((self.folder / f"{name}.json").read_text())
        return len(described["deployedBytecode"].removeprefix("0x")) // 2


def built() -> Artefacts:
    """The project's artefacts, brought up to date first. Raises ToolchainError."""
    if brownie_env.compile_once() != 0:
        raise toolchain.ToolchainError("the contracts do not compile: see above")
    return Artefacts()


def helpers() -> dict[str, Artefact]:
    """`Batch` and OpenZeppelin's `PaymentSplitter`, compiled with the project's settings. Raises ToolchainError."""
    sources = {HELPERS.as_posix(): (ROOT / HELPERS).read_text()}
    outputs = ["abi", "evm.bytecode"]
    done = subprocess.run(
        [binary(), "--standard-json"],
        input=json.dumps(standard_json(sources, outputs=outputs)),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=toolchain.environment(),
    )
    answer = json.loads(done.stdout)
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    if errors:
        raise toolchain.ToolchainError("\n".join(errors))
    artefacts = {}
    for contracts in answer["contracts"].values():
        for name, contract in contracts.items():
            code = contract["evm"]["bytecode"]["object"]
            artefacts[name] = Artefact(abi=contract["abi"], bytecode=code)
    return artefacts


def distributor() -> Artefact:
    """Uniswap's MerkleDistributor, the bytecode they published."""
    return Artefact.read(DISTRIBUTOR)
