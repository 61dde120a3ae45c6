"""Reading a deployment's events, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_typing import BlockNumber
from eth_utils.address import to_checksum_address
from web3.types import FilterParams, LogReceipt

from obbligato.chain.abis import DEPLOYED, abi, canonical_type, signature
from obbligato.chain.client import Chain, answered
from obbligato.errors import ChainError

BLOCKS_PER_QUERY: Final = 2_000

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


def read_events(
    chain: Chain,
    *,
    since: int | None = None,
    until: int | None = None,
    contracts: Sequence[str] = DEPLOYED,
    progress: Progress | None = None,
) -> Iterator[Event]:
    """All events of these contracts in blocks `since..until` (the deployment's first to the latest).

    Raises ChainError if the node does not hold the blocks it was asked for: a node that lags
    answers with no logs at all, which would look like no usage.
    """
    first = chain.deployment.block if since is None else since
    last = answered(lambda: chain.web3.eth.block_number) if until is None else until
    names = {chain.deployment.address(name): name for name in contracts}
    times: dict[int, int] = {}
    for start in range(first, last + 1, BLOCKS_PER_QUERY):
        end = min(start + BLOCKS_PER_QUERY - 1, last)
        _check_held(chain, end)
        for log in _logs(chain, list(names), start, end):
            yield _event(chain, _contract_of(log, names, start, end), log, times)
        if progress is not None:
            progress(end - first + 1, last - first + 1)


def _logs(chain: Chain, addresses: list[str], start: int, end: int) -> list[LogReceipt]:
    asked: FilterParams = {
        "address": [to_checksum_address(address) for address in addresses],
        "fromBlock": BlockNumber(start),
        "toBlock": BlockNumber(end),
    }
    logs = answered(lambda: chain.web3.eth.get_logs(asked))
    return sorted(logs, key=lambda log: (log["blockNumber"], log["logIndex"]))


def _contract_of(log: LogReceipt, names: dict[str, str], start: int, end: int) -> str:
    """Whose log it is. Raises ChainError for one that was not asked for."""
    name = names.get(to_checksum_address(log["address"]))
    if name is None or not start <= log["blockNumber"] <= end:
        raise ChainError("the node answered with logs that were not asked for: ask another one")
    return name


def _check_held(chain: Chain, block: int) -> None:
    found = answered(lambda: chain.web3.eth.get_block(block))
    if found["number"] != block:
        raise ChainError(f"the node does not hold block {block}: ask another one")


def _event(chain: Chain, contract: str, log: LogReceipt, times: dict[int, int]) -> Event:
    topics = [bytes(topic) for topic in log["topics"]]
    block = log["blockNumber"]
    entry = _entries(contract).get(topics[0]) if topics else None
    if entry is None:
        # The code of the contract was compared: the ABI here is another version's.
        raise ChainError(f"{contract} has an event in block {block} that this version cannot read")
    if block not in times:
        stamped: Any = log.get("blockTimestamp")
        times[block] = (
            int(stamped, 16)
            if isinstance(stamped, str)
            else answered(lambda: chain.web3.eth.get_block(block))["timestamp"]
        )
    try:
        arguments = decode_log(entry, topics, bytes(log["data"]))
    except (DecodingError, ValueError) as error:
        raise ChainError(f"the node garbled {contract}.{entry['name']}: {error}") from error
    return Event(
        contract=contract,
        name=entry["name"],
        arguments=arguments,
        block=block,
        timestamp=times[block],
        index=log["logIndex"],
        transaction="0x" + bytes(log["transactionHash"]).hex(),
    )


@cache
def _entries(contract: str) -> dict[bytes, dict[str, Any]]:
    return {
        keccak(signature(entry).encode()): entry
        for entry in abi(contract)
        if entry["type"] == "event"
    }


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
