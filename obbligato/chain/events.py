"""Reading a deployment's events: logs of blocks as a node gives them, checked and decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from web3.types import TxReceipt

from obbligato.chain import blocks
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.blocks import Header, NodeRefused, to_bytes
from obbligato.chain.client import Chain
from obbligato.chain.decoding import RawLog, decode_event
from obbligato.errors import ChainError

BLOCKS_PER_QUERY: Final = 2_000
"""Blocks whose logs are asked for at once, while the node does not refuse that many."""


@dataclass(frozen=True, slots=True)
class Event:
    """One log of one of the five contracts. Digests are bytes, addresses checksummed, structs dicts."""

    contract: str
    name: str
    arguments: dict[str, Any]
    block: int
    timestamp: int
    index: int
    transaction: str

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]


class Logs(NamedTuple):
    """Events in order, and the headers of the blocks that hold them."""

    events: list[Event]
    headers: list[Header]


class EventReader:
    """Reads the events of a deployment's contracts. Every method raises ChainError."""

    def __init__(self, chain: Chain, contracts: Sequence[str] = DEPLOYED) -> None:
        self._chain = chain
        self._names = {chain.deployment.address(name).lower(): name for name in contracts}
        self._range = BLOCKS_PER_QUERY

    def between(self, first: int, last: int) -> tuple[Logs, int]:
        """The events from block `first` on, and the last block they cover: at most `last`.

        Ranges become smaller where the node refuses them. The blocks must be final: nothing here
        notices one that is replaced while it is read.
        """
        while True:
            end = min(last, first + self._range - 1)
            query = {
                "address": list(self._names),
                "fromBlock": hex(first),
                "toBlock": hex(end),
            }
            try:
                (logs,) = blocks.send(self._chain, [("eth_getLogs", [query])])
            except NodeRefused:
                if end == first:
                    raise
                self._range = max(1, (end - first + 1) // 2)
                continue
            self._range = min(self._range * 2, BLOCKS_PER_QUERY)
            if any(not first <= int(log["blockNumber"], 16) <= end for log in logs):
                raise _unrequested()
            return self._read(logs, {}), end

    def of(self, headers: Sequence[Header]) -> Logs:
        """The events of just these blocks, asked for by hash: a node that lacks one says so."""
        queries = [
            ("eth_getLogs", [{"address": list(self._names), "blockHash": header.hex}])
            for header in headers
        ]
        logs: list[RawLog] = []
        for result, header in zip(blocks.send(self._chain, queries), headers, strict=True):
            if result is None:  # some nodes answer so, others refuse
                raise ChainError(f"block {header.number} went while it was read: read it again")
            if any(to_bytes(log["blockHash"]) != header.hash for log in result):
                raise _unrequested()
            logs += result
        return self._read(logs, {header.number: header for header in headers})

    def check_complete(self, headers: Sequence[Header], events: Sequence[Event]) -> None:
        """Compare the events of blocks with their blooms and, where a bloom allows more, their receipts.

        A node that lags behind its own head answers with no logs and no error.
        """
        held = {(event.block, event.contract) for event in events}
        doubtful = [
            header
            for header in headers
            if header.bloom
            and any(
                (header.number, name) not in held and header.may_hold(to_bytes(address))
                for address, name in self._names.items()
            )
        ]
        for header in doubtful:
            try:
                (receipts,) = blocks.send(self._chain, [("eth_getBlockReceipts", [header.hex])])
            except NodeRefused:
                continue  # a node without this method: what the contracts count is compared as well
            if receipts is None or None in receipts:
                raise ChainError(
                    f"the node lacks receipts of block {header.number}: ask another one"
                )
            in_receipts = sum(
                log["address"].lower() in self._names
                for receipt in receipts
                for log in receipt["logs"]
            )
            in_logs = sum(event.block == header.number for event in events)
            if in_receipts != in_logs:
                raise ChainError(
                    f"the receipts of block {header.number} hold {in_receipts} events, the node's logs "
                    f"{in_logs}: it left some out, ask another one"
                )

    def _read(self, logs: list[RawLog], known: dict[int, Header]) -> Logs:
        """The events of logs, in order, with the headers of their blocks."""
        logs.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
        headers = self._headers_of(logs, known)
        events = []
        for log in logs:
            contract = self._names.get(log["address"].lower())
            header = headers[int(log["blockNumber"], 16)]
            if contract is None or to_bytes(log["blockHash"]) != header.hash:
                raise _unrequested()
            events.append(event_of(contract, log, header.timestamp))
        return Logs(events, list(headers.values()))

    def _headers_of(self, logs: list[RawLog], known: dict[int, Header]) -> dict[int, Header]:
        """The blocks that hold the logs. Where logs carry their block's time, no block is asked for."""
        headers: dict[int, Header] = {}
        unknown: dict[int, None] = {}
        for log in logs:
            number = int(log["blockNumber"], 16)
            if number in known:
                headers[number] = known[number]
            elif "blockTimestamp" in log:
                if number not in headers:
                    stamp = int(log["blockTimestamp"], 16)
                    headers[number] = Header(number, to_bytes(log["blockHash"]), timestamp=stamp)
            else:
                unknown[number] = None
        for header in blocks.headers(self._chain, unknown):
            headers[header.number] = header
        return headers


def read_events(
    chain: Chain,
    *,
    since: int | None = None,
    until: int | None = None,
    contracts: Sequence[str] = DEPLOYED,
) -> Iterator[Event]:
    """All events of these contracts in blocks `since..until` (the deployment's first to the latest).

    Raises ChainError if the node does not hold block `until`: a node that lags answers with no logs at
    all, which would look like no usage.
    """
    first = chain.deployment.block if since is None else since
    last = blocks.latest(chain).number if until is None else until
    if first > last:
        return
    blocks.headers(chain, [last])
    reader, start = EventReader(chain, contracts), first
    while start <= last:
        logs, end = reader.between(start, last)
        yield from logs.events
        start = end + 1


def events_in(chain: Chain, receipt: TxReceipt) -> Iterator[Event]:
    """The deployment's events in a receipt. It does not hold the time of its block: theirs is 0. Raises ChainError."""
    names = {chain.deployment.address(name).lower(): name for name in DEPLOYED}
    for log in receipt["logs"]:
        contract = names.get(log["address"].lower())
        if contract is not None:
            raw = {
                "topics": ["0x" + bytes(topic).hex() for topic in log["topics"]],
                "data": "0x" + bytes(log["data"]).hex(),
                "blockNumber": hex(log["blockNumber"]),
                "logIndex": hex(log["logIndex"]),
                "transactionHash": "0x" + bytes(log["transactionHash"]).hex(),
            }
            yield event_of(contract, raw, timestamp=0)


def event_of(contract: str, log: RawLog, timestamp: int) -> Event:
    """The event that a log of this contract stands for. Raises ChainError for what is none."""
    name, arguments = decode_event(contract, log)
    return Event(
        contract=contract,
        name=name,
        arguments=arguments,
        block=int(log["blockNumber"], 16),
        timestamp=timestamp,
        index=int(log["logIndex"], 16),
        transaction=log["transactionHash"],
    )


def _unrequested() -> ChainError:
    return ChainError("the node answered with logs that were not asked for: ask another one")
