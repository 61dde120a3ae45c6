"""A running anvil without Brownie in between: one keep-alive connection, a millisecond a transaction."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

GAS = hex(30_000_000)
MOST_BYTES = 100_000
"""Of one call: the node refuses requests of more than 2 MB, and calls of more gas than a block has."""


class NodeError(RuntimeError):
    """The node answered with an error of its own."""


@dataclass(frozen=True)
class Log:
    address: str
    topics: tuple[int, ...]
    data: tuple[int, ...]
    """Words."""


@dataclass(frozen=True)
class Receipt:
    hash: str
    ok: bool
    time: int
    logs: tuple[Log, ...]


def words(raw: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32))


class Node:
    """JSON-RPC to one anvil, whose accounts need neither keys nor ether here."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self.rpc("anvil_autoImpersonateAccount", True)
        self.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")

    def close(self) -> None:
        # On a new connection: a request that was refused may have spoilt this one.
        self._connection.close()
        self.rpc("anvil_autoImpersonateAccount", False)
        self._connection.close()

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" in answer:
            raise NodeError(f"{method}: {answer['error']}")
        return answer["result"]

    @property
    def time(self) -> int:
        """Of the latest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def snapshot(self) -> str:
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        if not self.rpc("evm_revert", snapshot):
            raise NodeError(f"there is no snapshot {snapshot}")

    def send(self, sender: str, to: str, data: str, time: int) -> Receipt:
        """Mine one transaction in a block of its own with this time, whether it succeeds or not."""
        self.rpc("evm_setNextBlockTimestamp", time)
        transaction = {"from": sender, "to": to, "data": data, "gas": GAS, "gasPrice": "0x0"}
        found = self.rpc("eth_sendTransactionSync", transaction)
        logs = tuple(
            Log(
                address=log["address"],
                topics=tuple(int(topic, 16) for topic in log["topics"]),
                data=words(bytes.fromhex(log["data"][2:])),
            )
            for log in found["logs"]
        )
        return Receipt(found["transactionHash"], found["status"] == "0x1", time, logs)

    def revert_data(self, receipt: Receipt) -> str:
        """What a refused transaction answered with."""
        trace = self.rpc("debug_traceTransaction", receipt.hash, {"tracer": "callTracer"})
        return str(trace.get("output", "0x"))

    def call(self, to: str, data: str) -> bytes:
        """A reading at the latest block."""
        return bytes.fromhex(self.rpc("eth_call", {"to": to, "data": data}, "latest")[2:])

    def read(self, lens: str, selector: str, readings: Iterable[bytes]) -> list[tuple[int, ...]]:
        """The words that each reading answers with; a reading is as `Lens.read` takes it."""
        answers: list[tuple[int, ...]] = []
        batch = b""
        for reading in readings:
            if len(batch) > MOST_BYTES:
                answers += self._read(lens, selector, batch)
                batch = b""
            batch += reading
        return answers + self._read(lens, selector, batch)

    def _read(self, lens: str, selector: str, packed: bytes) -> list[tuple[int, ...]]:
        data = f"{selector}{32:064x}{len(packed):064x}{packed.hex()}{'00' * (-len(packed) % 32)}"
        raw = self.call(lens, data)
        answers = []
        for i in range(int.from_bytes(raw[32:64], "big")):
            at = 64 + int.from_bytes(raw[64 + 32 * i : 96 + 32 * i], "big")
            length = int.from_bytes(raw[at : at + 32], "big")
            answers.append(words(raw[at + 32 : at + 32 + length]))
        return answers
