"""What the index asks of a node: blocks, the logs of blocks, what is final, and how many there are of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from eth_hash.auto import keccak
from web3.types import RPCEndpoint

from backend.indexer.decoding import RawLog, event_of
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.client import Chain, answered
from obbligato.chain.events import Event
from obbligato.errors import ChainError

ASKED_AT_ONCE: Final = 100
"""Requests in one batch."""

Finality = int | Literal["finalized"]
"""When a block is final: the node's `finalized` tag, or so many blocks on top of it."""

COUNTED: Final = {
    "LicenseMinted": ("LicenseRegistry", "licenseCount"),
    "TermsInterned": ("LicenseRegistry", "termsCount"),
    "SplitInterned": ("RoyaltyVault", "splitCount"),
    "PlatformRegistered": ("RoyaltyVault", "platformCount"),
    "Challenged": ("Disputes", "challengeCount"),
    "RecordingClaimed": ("Disputes", "claimCount"),
}
"""What the contracts count, by the event that each is told of with."""


class NodeRefused(ChainError):  # noqa: N818 -- says what happened
    """The node answered with an error: it cannot, or does not want to, answer this."""


class Header(NamedTuple):
    """A block; `timestamp` in seconds since 1970."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int


class Logs(NamedTuple):
    """Events in order, and the blocks that hold them."""

    events: list[Event]
    blocks: list[Header]


class Node:
    """One deployment as a node tells of it. Everything raises ChainError where the node cannot be asked."""

    def __init__(self, chain: Chain, finality: Finality) -> None:
        self._chain = chain
        self._finality = finality
        self._names = {chain.deployment.address(name).lower(): name for name in DEPLOYED}

    # ---- blocks

    def latest(self) -> Header:
        """The newest block."""
        return self._known(self.header("latest"), "latest")

    def final(self, latest: Header) -> Header:
        """The newest block that is final."""
        if self._finality == "finalized":
            return self._known(self.header("finalized"), "finalized")
        number = max(0, latest.number - self._finality)
        return self._known(self.header(number), number)

    def header(self, block: int | str) -> Header | None:
        """A block by number or tag; None where the node has none."""
        named = hex(block) if isinstance(block, int) else block
        (found,) = self._ask([("eth_getBlockByNumber", [named, False])])
        return None if found is None else _header(found)

    def headers(self, numbers: Iterable[int]) -> list[Header]:
        """Blocks by number. Raises ChainError where the node does not hold them all."""
        asked = list(numbers)
        found = self._ask([("eth_getBlockByNumber", [hex(number), False]) for number in asked])
        return [
            self._known(None if each is None else _header(each), number)
            for each, number in zip(found, asked, strict=True)
        ]

    def _known(self, header: Header | None, block: int | str) -> Header:
        if header is None or (isinstance(block, int) and header.number != block):
            raise ChainError(f"the node does not hold block {block}: ask another one")
        return header

    # ---- logs

    def logs_between(self, first: int, last: int) -> Logs:
        """The events of the blocks `first..last`."""
        (found,) = self._ask([("eth_getLogs", [self._query(first, last)])])
        if any(not first <= int(log["blockNumber"], 16) <= last for log in found):
            raise _not_asked_for()
        return self._read(found, {})

    def logs_of(self, headers: Sequence[Header]) -> Logs:
        """The events of just these blocks, asked for by hash: a node that lacks one says so."""
        asked = [
            ("eth_getLogs", [{"address": list(self._names), "blockHash": "0x" + header.hash.hex()}])
            for header in headers
        ]
        logs = []
        for found, header in zip(self._ask(asked), headers, strict=True):
            if found is None:  # some nodes say so, others refuse
                raise ChainError(f"block {header.number} went while it was read: read it again")
            if any(_bytes(log["blockHash"]) != header.hash for log in found):
                raise _not_asked_for()
            logs += found
        return self._read(logs, {header.number: header for header in headers})

    def _query(self, first: int, last: int) -> dict[str, Any]:
        return {"address": list(self._names), "fromBlock": hex(first), "toBlock": hex(last)}

    def _read(self, logs: list[RawLog], known: dict[int, Header]) -> Logs:
        """The events of logs, in order, with the headers of their blocks."""
        logs.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
        blocks = self._blocks_of(logs, known)
        events = []
        for log in logs:
            contract = self._names.get(log["address"].lower())
            header = blocks[int(log["blockNumber"], 16)]
            if contract is None or _bytes(log["blockHash"]) != header.hash:
                raise _not_asked_for()
            events.append(event_of(contract, log, header.timestamp))
        return Logs(events, list(blocks.values()))

    def _blocks_of(self, logs: list[RawLog], known: dict[int, Header]) -> dict[int, Header]:
        """The blocks that hold the logs; nodes that stamp their logs are not asked again."""
        blocks: dict[int, Header] = {}
        unknown: dict[int, None] = {}
        for log in logs:
            number = int(log["blockNumber"], 16)
            if number in known:
                blocks[number] = known[number]
            elif "blockTimestamp" in log:
                if number not in blocks:
                    blocks[number] = _stamped(log, number)
            else:
                unknown[number] = None
        for header in self.headers(unknown):
            blocks[header.number] = header
        return blocks

    # ---- counts

    def counts(self, block: Header) -> dict[str, int]:
        """How many of each there are after a block, by the event that tells of it.

        Raises NodeRefused where the node no longer has the state of that block.
        """
        at = {"blockHash": "0x" + block.hash.hex()}
        asked = [
            (
                "eth_call",
                [{"to": self._chain.deployment.address(contract), "data": _selector(function)}, at],
            )
            for contract, function in COUNTED.values()
        ]
        # A contract that was not deployed yet answers with nothing.
        found = [int(answer, 16) if answer != "0x" else 0 for answer in self._ask(asked)]
        return dict(zip(COUNTED, found, strict=True))

    # ---- asking

    def _ask(self, asked: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of requests, in order."""
        provider: Any = self._chain.web3.provider
        found: list[Any] = []
        for start in range(0, len(asked), ASKED_AT_ONCE):
            some = [(RPCEndpoint(method), given) for method, given in asked[start:][:ASKED_AT_ONCE]]
            if len(some) == 1:
                replies: Any = [answered(partial(provider.make_request, *some[0]))]
            else:
                replies = answered(partial(provider.make_batch_request, some))
            found += [_result(reply) for reply in _in_order(replies, len(some))]
        return found


def _in_order(replies: Any, count: int) -> list[Any]:
    """The replies to a batch in the order of its requests, which is that of their ids."""
    if not isinstance(replies, list) or len(replies) != count:
        raise ChainError("the node did not answer every request of a batch: ask another one")
    return replies if count == 1 else sorted(replies, key=lambda reply: int(reply["id"]))


def _result(reply: Any) -> Any:
    if "error" in reply:
        message = str(reply["error"].get("message", "an error"))
        raise NodeRefused(f"the node refused: {message}")
    return reply["result"]


def _header(found: dict[str, Any]) -> Header:
    return Header(
        number=int(found["number"], 16),
        hash=_bytes(found["hash"]),
        parent=_bytes(found["parentHash"]),
        timestamp=int(found["timestamp"], 16),
    )


def _stamped(log: RawLog, number: int) -> Header:
    """A block as far as a log tells of it: not its parent, which only unread blocks are asked for."""
    return Header(number, _bytes(log["blockHash"]), b"", int(log["blockTimestamp"], 16))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _selector(function: str) -> str:
    return "0x" + keccak(f"{function}()".encode())[:4].hex()


def _not_asked_for() -> ChainError:
    return ChainError("the node answered with logs that were not asked for: ask another one")
