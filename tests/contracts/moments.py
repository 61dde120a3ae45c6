"""Blocks at chosen seconds: what a licence answers turns on the second of a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
from brownie import web3

from tests.contracts.protocol import Refusal, decode_error


def rpc(method: str, *arguments: Any) -> Any:
    """Ask the node; raises AssertionError with its answer if it refuses."""
    answer = web3.provider.make_request(method, list(arguments))
    assert "error" not in answer, f"{method}{arguments}: {answer['error']}"
    return answer["result"]


def next_at(moment: int) -> int:
    """The next block, so the next transaction, has this time: the last block's at the earliest."""
    rpc("evm_setNextBlockTimestamp", moment)
    return moment


def mine_at(moment: int) -> int:
    """Mine an empty block with this time: calls see it as now."""
    next_at(moment)
    rpc("evm_mine")
    return moment


def ask_all(questions: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[Any]:
    """Call many (method, arguments) of views at once, as one JSON-RPC batch: the values, or a Refusal each."""
    calls = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "eth_call",
            "params": [{"to": method._address, "data": method.encode_input(*arguments)}, "latest"],
        }
        for number, (method, arguments) in enumerate(questions)
    ]
    if not calls:
        return []
    answers = httpx.post(str(web3.provider.endpoint_uri), json=calls, timeout=60).json()
    found: list[Any] = [None] * len(calls)
    for answer in answers:
        method = questions[answer["id"]][0]
        if "error" in answer:
            found[answer["id"]] = Refusal(*decode_error(answer["error"]["data"]))
        else:
            found[answer["id"]] = method.decode_output(answer["result"])
    return found
