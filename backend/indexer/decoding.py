"""Logs as a node gives them to events, fast enough for a backfill.

Each kind of event is read by a plan that is made from the ABI once. What is nested deeper than a list of structs is
left to the ABI's own codec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from obbligato.chain.abis import abi, signature
from obbligato.chain.events import Event, decode_log
from obbligato.errors import ChainError

WORD: Final = 32
ADDRESSES_KEPT: Final = 65_536

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
    """The event that a log of this contract tells of. Raises ChainError for what is none."""
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
    found = {name: part.read(data, at) for name, at, part in plan.plain}
    for (name, part), topic in zip(plan.indexed, topics[1:], strict=True):
        found[name] = part.read(topic, 0)
    return found


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
