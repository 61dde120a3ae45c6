"""The ABIs in the package: current, and every event of them decodes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from obbligato.chain.abis import DEPLOYED, abi, canonical_type, refusal, signature
from obbligato.chain.decoding import decode_log
from scripts.brownie_env import compile_once
from scripts.toolchain import ROOT, environment

EVENTS = [
    pytest.param(entry, id=f"{contract}.{entry['name']}")
    for contract in DEPLOYED
    for entry in abi(contract)
    if entry["type"] == "event"
]
SAMPLES: dict[str, Any] = {
    "address": "0x00000000000000000000000000000000000000Ab",
    "bool": True,
    "bytes32": bytes(range(32)),
    "bytes": b"any bytes",
    "string": "text",
}


def sample(argument: dict[str, Any], number: int) -> Any:
    """A value of the argument's type, as the ledger is to show it."""
    kind: str = argument["type"]
    if kind.endswith("[]"):
        return [sample({**argument, "type": kind[:-2]}, number + i) for i in range(2)]
    if kind == "tuple":
        members = enumerate(argument["components"], start=number)
        return {member["name"]: sample(member, i) for i, member in members}
    if kind in SAMPLES:
        return to_checksum_address(SAMPLES[kind]) if kind == "address" else SAMPLES[kind]
    assert kind.startswith("uint")
    return number + 1


def packed(argument: dict[str, Any], value: Any) -> Any:
    """The value as the codec wants it: structs as tuples."""
    kind: str = argument["type"]
    if kind.endswith("[]"):
        return [packed({**argument, "type": kind[:-2]}, item) for item in value]
    if kind == "tuple":
        return tuple(packed(member, value[member["name"]]) for member in argument["components"])
    return value


@pytest.mark.parametrize("entry", EVENTS)
def test_every_event_decodes_to_what_was_emitted(entry: dict[str, Any]) -> None:
    emitted = {a["name"]: sample(a, i) for i, a in enumerate(entry["inputs"])}
    plain = [a for a in entry["inputs"] if not a["indexed"]]
    data = encode(
        [canonical_type(a) for a in plain], [packed(a, emitted[a["name"]]) for a in plain]
    )
    topics = [keccak(signature(entry).encode())] + [
        encode([canonical_type(a)], [emitted[a["name"]]]) for a in entry["inputs"] if a["indexed"]
    ]
    assert decode_log(entry, topics, data) == emitted


@pytest.mark.parametrize("contract", DEPLOYED)
def test_no_two_events_of_a_contract_have_one_signature(contract: str) -> None:
    signatures = [signature(entry) for entry in abi(contract) if entry["type"] == "event"]
    assert len(set(signatures)) == len(signatures)


def test_the_abis_are_those_of_the_compiled_contracts() -> None:
    assert compile_once() == 0
    done = subprocess.run(
        [sys.executable, "-m", "scripts.export_abi", "--check"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_revert_data_that_no_abi_knows_is_shown_as_it_is() -> None:
    assert refusal(bytes.fromhex("deadbeef01")).arguments == {"data": "0xdeadbeef01"}
    assert refusal(b"").error == "unknown error"


def test_the_compiler_s_own_errors_are_named() -> None:
    panic = keccak(b"Panic(uint256)")[:4] + (17).to_bytes(32, "big")
    assert (refusal(panic).error, refusal(panic).arguments) == ("Panic", {"code": 17})
    # Cut off: the name is still right.
    assert refusal(panic[:20]).error == "Panic"
