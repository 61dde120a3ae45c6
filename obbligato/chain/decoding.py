"""Decoding the logs of a deployment's contracts, fast enough for a backfill.

Each kind of event is decoded by a plan that is made from the ABI once. What is nested deeper than a list of
structs is left to the ABI's own codec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from obbligato.chain.abis import abi, canonical_type, signature
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


def decode_event(contract: str, log: RawLog) -> tuple[str, dict[str, Any]]:
    """The name and arguments of a log of this contract. Raises ChainError for what is no event of it."""
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    block = int(log["blockNumber"], 16)
    plan = _plans(contract).get(topics[0]) if topics else None
    if plan is None:
        raise ChainError(f"{contract} has an event in block {block} that this version cannot read")
    name = plan.entry["name"]
    try:
        return name, _arguments(plan, topics, bytes.fromhex(log["data"][2:]))
    except (DecodingError, ValueError) as error:
        raise ChainError(f"the node garbled {contract}.{name}: {error}") from error


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
