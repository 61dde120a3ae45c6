"""Logs to events: what a node may not make of them."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from obbligato.chain.events import event_of
from obbligato.errors import ChainError

PAYEES = [("0x" + "0" * 38 + "aa", 400_000, 1), ("0x" + "0" * 38 + "bb", 600_000, 9)]
SPLIT_INTERNED = keccak(b"SplitInterned(uint32,bytes32,(address,uint32,uint8)[])")
DEPOSITED = keccak(b"Deposited(uint32,address,uint64)")


def log(topics: list[bytes], data: bytes) -> dict[str, Any]:
    return {
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockNumber": "0x10",
        "logIndex": "0x2",
        "transactionHash": "0x" + "ab" * 32,
    }


def interned(data: bytes) -> dict[str, Any]:
    return log([SPLIT_INTERNED, (7).to_bytes(32, "big"), b"\x05" * 32], data)


def deposited(data: bytes, *, account: bytes = bytes(31) + b"\x01") -> dict[str, Any]:
    return log([DEPOSITED, (7).to_bytes(32, "big"), account], data)


def test_a_list_of_structs_is_read_as_it_was_encoded() -> None:
    event = event_of("RoyaltyVault", interned(encode(["(address,uint32,uint8)[]"], [PAYEES])), 99)
    assert (event.name, event.block, event.index, event.timestamp) == ("SplitInterned", 16, 2, 99)
    assert event["splitId"] == 7
    assert [(p["account"].lower(), p["share"], p["role"]) for p in event["payees"]] == PAYEES


@pytest.mark.parametrize(
    "broken",
    [
        interned(encode(["(address,uint32,uint8)[]"], [PAYEES])[:-32]),
        interned(b""),
        interned(b"\xff" * 64),
        deposited(b""),
        deposited((2**64).to_bytes(32, "big")),
        deposited((1).to_bytes(32, "big"), account=b"\x01" * 32),
        log([DEPOSITED, bytes(32)], (1).to_bytes(32, "big")),
    ],
    ids=["short", "empty", "far away", "no data", "65 bits", "21 bytes", "a topic less"],
)
def test_a_log_that_is_not_what_the_abi_says_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ChainError, match=r"the node garbled RoyaltyVault\."):
        event_of("RoyaltyVault", broken, 0)


@pytest.mark.parametrize("topics", [[], [b"\x11" * 32]])
def test_an_event_of_another_version_is_refused(topics: list[bytes]) -> None:
    with pytest.raises(ChainError, match="this version cannot read"):
        event_of("RoyaltyVault", log(topics, b""), 0)


def test_the_largest_numbers_are_read_whole() -> None:
    data = (2**64 - 1).to_bytes(32, "big")
    assert event_of("RoyaltyVault", deposited(data), 0)["amount"] == 2**64 - 1
