"""A chain to measure on: one anvil, blocks one second apart, the gas of every transaction as the node counted it.

The clock is the chain's own, so that calldata (which carries times) and so gas are the same in every run.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from scripts import toolchain

GENESIS: Final = 1_767_225_600
"""2026-01-01, UTC."""

TRANSACTION_GAS_CAP: Final = 16_777_216
"""The most gas one transaction may use (EIP-7825)."""

_SEND_GAS: Final = 59_000_000
_POLL_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 60.0


class BenchError(RuntimeError):
    """An act of the bench failed; the message names the function's selector and the revert data."""


@dataclass(frozen=True)
class Function:
    """How to call a function and read its answer."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Artefact:
    """A compiled contract."""

    abi: list[dict[str, Any]]
    bytecode: str

    @classmethod
    def read(cls, path: Path) -> Artefact:
        """From a JSON file with `abi` and `bytecode`, as Brownie and most others write it."""
        raw = json.loads(path.read_text())
        return cls(abi=raw["abi"], bytecode=raw["bytecode"].removeprefix("0x"))

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By name; no contract here overloads a function that the bench calls."""
        by_name = {}
        for entry in self.abi:
            if entry["type"] == "function":
                inputs, outputs = (
                    tuple(map(canonical, entry[side])) for side in ("inputs", "outputs")
                )
                selector = keccak(f"{entry['name']}({','.join(inputs)})".encode())[:4]
                by_name[entry["name"]] = Function(selector, inputs, outputs)
        return by_name

    def creation(self, *arguments: Any) -> bytes:
        """The data that deploys it."""
        inputs: list[dict[str, Any]] = next(
            (e["inputs"] for e in self.abi if e["type"] == "constructor"), []
        )
        return bytes.fromhex(self.bytecode) + encode([canonical(i) for i in inputs], arguments)


def canonical(parameter: dict[str, Any]) -> str:
    """The ABI type of a parameter, tuples spelled out."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(canonical, parameter['components']))}){kind.removeprefix('tuple')}"


class Chain:
    """JSON-RPC to a local node whose accounts are unlocked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.accounts: list[str] = [
            to_checksum_address(account) for account in self.rpc("eth_accounts")
        ]

    def rpc(self, method: str, *params: Any) -> Any:
        return toolchain.rpc(self.url, method, *params)

    def send(self, data: bytes, *, sender: str, to: str | None = None) -> dict[str, Any]:
        """Mine one transaction; its receipt. Raises BenchError."""
        request = {"from": sender, "data": f"0x{data.hex()}", "gas": hex(_SEND_GAS)}
        if to is not None:
            request["to"] = to
        transaction = self.rpc("eth_sendTransaction", request)
        receipt = self._awaited(lambda: self.rpc("eth_getTransactionReceipt", transaction))
        if int(receipt["status"], 16) != 1:
            trace = self.rpc("debug_traceTransaction", transaction, {"tracer": "callTracer"})
            raise BenchError(
                f"0x{data[:4].hex()} to {to}: {trace.get('output', trace.get('error'))}"
            )
        receipt_data: dict[str, Any] = receipt
        return receipt_data

    def deploy(self, artefact: Artefact, *arguments: Any, sender: str | None = None) -> Contract:
        receipt = self.send(artefact.creation(*arguments), sender=sender or self.accounts[0])
        address = to_checksum_address(receipt["contractAddress"])
        return Contract(self, address, artefact, gas=int(receipt["gasUsed"], 16))

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def wait(self, seconds: int) -> int:
        """Let time pass; the new time of the chain."""
        then = self.now() + seconds
        self.rpc("evm_setNextBlockTimestamp", then)
        self.rpc("evm_mine")
        return then

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever happens in the block has not happened after it."""
        snapshot = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            # A transaction still in the pool, although mined, would be mined again after the return.
            self._awaited(lambda: self.rpc("txpool_status")["pending"] == "0x0")
            self.rpc("evm_revert", snapshot)

    @staticmethod
    def _awaited(answer: Callable[[], Any]) -> Any:
        """The first answer that is not empty. Raises BenchError."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (value := answer()):
            if time.monotonic() > deadline:
                raise BenchError(f"the node mined nothing in {_PATIENCE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
        return value


@dataclass(frozen=True)
class Contract:
    """A contract at its address. `gas` is what deploying it took."""

    chain: Chain
    address: str
    artefact: Artefact
    gas: int

    def data(self, function: str, *arguments: Any) -> bytes:
        """The calldata of a call."""
        how = self.artefact.functions[function]
        return how.selector + encode(how.inputs, arguments)

    def act(self, function: str, *arguments: Any, sender: str | None = None) -> int:
        """Send a transaction; the gas it used as a whole. Raises BenchError."""
        receipt = self.chain.send(
            self.data(function, *arguments),
            sender=sender or self.chain.accounts[0],
            to=self.address,
        )
        return int(receipt["gasUsed"], 16)

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call without a transaction; the answer, a tuple where there is more than one."""
        request = {"to": self.address, "data": f"0x{self.data(function, *arguments).hex()}"}
        answer = bytes.fromhex(self.chain.rpc("eth_call", request, "latest")[2:])
        values = decode(self.artefact.functions[function].outputs, answer)
        return values[0] if len(values) == 1 else values


def slope(points: Sequence[tuple[int, int]]) -> int:
    """Gas of each further item between the first and the last (count, gas), rounded up."""
    (low, at_low), (high, at_high) = points[0], points[-1]
    return -(-(at_high - at_low) // (high - low))


@contextlib.contextmanager
def new_chain() -> Iterator[Chain]:
    """A fresh chain; every run of the same acts on it costs the same."""
    with toolchain.anvil("--timestamp", str(GENESIS)) as node:
        chain = Chain(node.url)
        chain.rpc("anvil_setBlockTimestampInterval", 1)
        yield chain
