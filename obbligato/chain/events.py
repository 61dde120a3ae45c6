"""Reading a deployment's events: logs of blocks as a node gives them, decoded fast enough for a backfill.

Each kind of event is decoded by a plan that is made from the ABI once. What is nested deeper than a list of
structs is left to the ABI's own codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from obbligato.chain import blocks
from obbligato.chain.abis import DEPLOYED, abi, canonical_type, signature
from obbligato.chain.blocks import Header, NodeRefused, to_bytes
from obbligato.chain.client import Chain
from obbligato.errors import ChainError

BLOCKS_PER_QUERY: Final = 2_000
"""Blocks whose logs are asked for at once, while the node does not refuse that many."""
WORD: Final = 32
ADDRESSES_KEPT: Final = 65_536

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""


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
    progress: Progress | None = None,
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
        if progress is not None:
            progress(end - first + 1, last - first + 1)
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


def _unrequested() -> ChainError:
    return ChainError("the node answered with logs that were not asked for: ask another one")


# ---- decoding

RawLog = dict[str, Any]
"""A log of `eth_getLogs`, as JSON."""

Argument = dict[str, Any]
"""One argument, as the ABI describes it."""


class _Part(NamedTuple):
    """How one value is read: the words it takes in place, and a reader of (data, position)."""

    size: int
    read: Callable[[bytes, int], Any]


class _Plan(NamedTuple):
    """How one kind of event is read. Without `plain`, it is left to the ABI's codec."""

    entry: dict[str, Any]
    indexed: list[tuple[str, _Part]]
    plain: list[tuple[str, int, _Part]] | None
    """Name, position in the data and reader of each."""
    least: int
    """The bytes that the data has at least."""


def event_of(contract: str, log: RawLog, timestamp: int) -> Event:
    """The event that a log of this contract stands for. Raises ChainError for what is none."""
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    block = int(log["blockNumber"], 16)
    plan = _plans(contract).get(topics[0]) if topics else None
    if plan is None:
        raise ChainError(f"{contract} has an event in block {block} that this version cannot read")
    try:
        arguments = _arguments(plan, topics, bytes.fromhex(log["data"][2:]))
    except (DecodingError, ValueError) as error:
        raise ChainError(f"the node garbled {contract}.{plan.entry['name']}: {error}") from error
    return Event(
        contract=contract,
        name=plan.entry["name"],
        arguments=arguments,
        block=block,
        timestamp=timestamp,
        index=int(log["logIndex"], 16),
        transaction=log["transactionHash"],
    )


def _arguments(plan: _Plan, topics: list[bytes], data: bytes) -> dict[str, Any]:
    if plan.plain is None:
        return decode_log(plan.entry, topics, data)
    if len(data) < plan.least or len(topics) != 1 + len(plan.indexed):
        raise ValueError("it has another length")
    arguments = {name: part.read(data, at) for name, at, part in plan.plain}
    for (name, part), topic in zip(plan.indexed, topics[1:], strict=True):
        arguments[name] = part.read(topic, 0)
    return arguments


# ---- plans


@cache
def _plans(contract: str) -> dict[bytes, _Plan]:
    return {
        keccak(signature(entry).encode()): _plan(entry)
        for entry in abi(contract)
        if entry["type"] == "event"
    }


def _plan(entry: dict[str, Any]) -> _Plan:
    indexed = [
        (each["name"], part)
        for each in entry["inputs"]
        if each["indexed"] and (part := _static(each)) is not None
    ]
    parts = [(each["name"], _part(each)) for each in entry["inputs"] if not each["indexed"]]
    plain: list[tuple[str, int, _Part]] = []
    at = 0
    for name, part in parts:
        if part is None:
            return _Plan(entry, indexed, None, 0)
        plain.append((name, at, part))
        at += WORD * part.size
    return _Plan(entry, indexed, plain, at)


def _part(argument: Argument) -> _Part | None:
    """The reader of an argument; None for one that is nested too deep."""
    kind: str = argument["type"]
    if kind == "bytes":
        return _Part(1, lambda data, at: _tail(data, at, 1))
    if kind.endswith("[]"):
        element = _static({**argument, "type": kind[:-2]})
        return None if element is None else _Part(1, lambda data, at: _list(data, at, element))
    return _static(argument)


def _static(argument: Argument) -> _Part | None:
    """The reader of what is fixed in length; None for what is not."""
    kind: str = argument["type"]
    if kind == "tuple":
        members = [(each["name"], _static(each)) for each in argument["components"]]
        return _struct([(name, part) for name, part in members if part], len(members))
    word = _word(kind)
    return None if word is None else _Part(1, lambda data, at: word(data[at : at + WORD]))


def _struct(members: Sequence[tuple[str, _Part]], count: int) -> _Part | None:
    if len(members) != count:
        return None
    placed: list[tuple[str, int, _Part]] = []
    size = 0
    for name, part in members:
        placed.append((name, WORD * size, part))
        size += part.size
    return _Part(
        size, lambda data, at: {name: part.read(data, at + place) for name, place, part in placed}
    )


def _list(data: bytes, at: int, element: _Part) -> list[Any]:
    size = WORD * element.size
    packed = _tail(data, at, size)
    return [element.read(packed, place) for place in range(0, len(packed), size)]


def _tail(data: bytes, at: int, size: int) -> bytes:
    """What lies where a position points to: its length, then so many items of `size` bytes."""
    start = int.from_bytes(data[at : at + WORD], "big") + WORD
    end = start + size * int.from_bytes(data[start - WORD : start], "big")
    if end > len(data):
        raise ValueError("it ends too early")
    return data[start:end]


# ---- words


def _word(kind: str) -> Callable[[bytes], Any] | None:
    """A reader of one word; None for a type that is not one word. It raises ValueError."""
    if kind == "address":
        return _address
    if kind == "bytes32":
        return bytes
    if kind == "bool":
        return lambda word: bool(_number(word, 1))
    if kind.startswith("uint") and kind[4:].isdigit():
        bits = int(kind[4:])
        return lambda word: _number(word, bits)
    return None


def _number(word: bytes, bits: int) -> int:
    number = int.from_bytes(word, "big")
    if number >> bits:
        raise ValueError(f"{number} has more than {bits} bits")
    return number


@lru_cache(ADDRESSES_KEPT)
def _address(word: bytes) -> str:
    if any(word[:12]):
        raise ValueError("an address has 20 bytes")
    return str(to_checksum_address(word[12:]))


# ---- the ABI's own codec


def decode_log(entry: dict[str, Any], topics: list[bytes], data: bytes) -> dict[str, Any]:
    """The arguments of a log by name. Indexed arguments are in the topics, the others in the data."""
    indexed = [argument for argument in entry["inputs"] if argument["indexed"]]
    plain = [argument for argument in entry["inputs"] if not argument["indexed"]]
    values = decode([canonical_type(argument) for argument in plain], data)
    found = {
        argument["name"]: _plain(argument, value)
        for argument, value in zip(plain, values, strict=True)
    }
    for argument, topic in zip(indexed, topics[1:], strict=True):
        (value,) = decode([canonical_type(argument)], topic)
        found[argument["name"]] = _plain(argument, value)
    return found


def _plain(argument: dict[str, Any], value: Any) -> Any:
    """A decoded value: structs as dicts by member, arrays as lists."""
    kind: str = argument["type"]
    if kind.endswith("[]"):
        element = {**argument, "type": kind[:-2]}
        return [_plain(element, item) for item in value]
    if kind == "tuple":
        members = argument["components"]
        return {
            member["name"]: _plain(member, item)
            for member, item in zip(members, value, strict=True)
        }
    if kind == "address":
        return to_checksum_address(value)
    return value
