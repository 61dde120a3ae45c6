"""The deployment manifest: which contracts a chain holds, and from what they were made.

One file a chain, `deployments/<chainId>.json`, written by the deploy script after its own checks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from obbligato.errors import ChainError, InputError, NotFound
from obbligato.protocol.types import Address, Strict, as_tuple

CONTRACTS: Final = ("RoyaltyVault", "LicenseRegistry", "Grants", "UsageOracle", "Disputes")
"""The five contracts, in the order they are deployed in."""

MANIFEST_VERSION: Final = 1

Hash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class DeployedContract(Strict):
    """One contract. Hashes and arguments are 0x hexadecimal; `block` is where it was created."""

    address: Address
    block: Count
    transaction: Hash
    constructor_arguments: Annotated[str, Field(pattern=r"^0x([0-9a-f]{2})*$")]
    runtime_code_hash: Hash


class Compiler(Strict):
    """What the bytecode was made with; `input_hash` is the sha-256 of `inputs` as canonical JSON."""

    version: str
    evm_version: str
    via_ir: bool
    optimizer_runs: int
    input_hash: Hash


class Roles(Strict):
    """The four keys that govern, each another account, and the token's address."""

    governor: Address
    guardian: Address
    arbiter: Address
    attesters: Annotated[tuple[Address, ...], BeforeValidator(as_tuple)]
    deployer: Address
    proposer: Address | None = None
    """Who may propose to the governor, where the governor is a TimelockController."""


class Deployment(Strict):
    """A deployment on one chain. `block` is the first block that can hold one of its events."""

    manifest_version: Literal[1] = MANIFEST_VERSION
    chain_id: Count
    network: str
    block: Count
    token: Address
    contracts: dict[str, DeployedContract]
    roles: Roles
    parameters: dict[str, int]
    compiler: Compiler

    @model_validator(mode="after")
    def _has_all_five(self) -> Self:
        missing = [name for name in CONTRACTS if name not in self.contracts]
        if missing:
            raise InputError(f"lacks {', '.join(missing)}", field="contracts")
        return self

    def address(self, contract: str) -> str:
        """The address of one of the five contracts. Raises NotFound for another name."""
        if contract not in self.contracts:
            raise NotFound(f"the deployment on chain {self.chain_id} has no {contract}")
        return self.contracts[contract].address

    def write(self, folder: Path) -> Path:
        """Write `<chainId>.json` into the folder, whole or not at all; the path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.chain_id}.json"
        temporary = path.with_suffix(".json.new")
        temporary.write_text(
            json.dumps(self.model_dump(mode="json", by_alias=True), indent=2) + "\n"
        )
        temporary.replace(path)
        return path


def read_deployment(path: Path) -> Deployment:
    """Read a manifest. Raises NotFound if there is none, ChainError if it is not a manifest."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise NotFound(
            f"{path}: no deployment manifest; deploy first, or name the right file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ChainError(f"{path} is not a deployment manifest: {error}") from error
    try:
        return Deployment.read(json.loads(text))
    except (InputError, json.JSONDecodeError) as error:
        raise ChainError(f"{path} is not a deployment manifest: {error}") from error
