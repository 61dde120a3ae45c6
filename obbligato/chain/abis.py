"""The contracts' ABIs, and what their errors say."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from obbligato.errors import ContractRefused

DEPLOYED: Final = ("RoyaltyVault", "LicenseRegistry", "Grants", "UsageOracle", "Disputes")
DOLLAR: Final = "TestDollar"
"""Its ABI is ERC-20 with permit, plus `mint`, which only the dollar of development chains has."""
GOVERNOR: Final = "Governor"
"""The timelock that governs a public deployment."""


@cache
def abi(name: str) -> list[dict[str, Any]]:
    """The ABI of a contract by its name."""
    found: list[dict[str, Any]] = json.loads(
        resources.files("obbligato.chain").joinpath("abi", f"{name}.json").read_text()
    )
    return found


def canonical_type(argument: dict[str, Any]) -> str:
    """The type of an argument as signatures and codecs write it: tuples spelled out."""
    kind: str = argument["type"]
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(canonical_type(member) for member in argument["components"])
    return f"({members}){kind.removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    """`name(type,type)` of a function, event or error."""
    return f"{entry['name']}({','.join(canonical_type(argument) for argument in entry['inputs'])})"


@cache
def _errors() -> dict[bytes, dict[str, Any]]:
    known = [
        {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
        {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
    ]
    for name in (*DEPLOYED, DOLLAR, GOVERNOR):
        known += [entry for entry in abi(name) if entry["type"] == "error"]
    return {keccak(signature(entry).encode())[:4]: entry for entry in known}


def refusal(data: bytes) -> ContractRefused:
    """The refusal that revert data stands for, with its arguments by name."""
    entry = _errors().get(data[:4])
    if entry is None:
        return ContractRefused("unknown error", {"data": "0x" + data.hex()})
    types = [canonical_type(argument) for argument in entry["inputs"]]
    try:
        values = decode(types, data[4:])
    except DecodingError:
        return ContractRefused(entry["name"], {"data": "0x" + data[4:].hex()})
    shown = {
        argument["name"]: "0x" + value.hex() if isinstance(value, bytes) else value
        for argument, value in zip(entry["inputs"], values, strict=True)
    }
    return ContractRefused(entry["name"], shown)
