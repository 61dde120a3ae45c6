"""Blocks as a node answers with them: the newest, those of a number, and which one is final."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple

from eth_hash.auto import keccak
from eth_typing import HexStr
from pydantic import Field
from web3.exceptions import TransactionNotFound
from web3.types import RPCEndpoint, TxReceipt

from obbligato.chain.client import Chain, answered
from obbligato.errors import ChainError

REQUESTS_IN_A_BATCH: Final = 100

Finality = Literal["finalized"] | Annotated[int, Field(ge=0, le=10_000)]
"""When a block is final: the node's `finalized` tag, or so many blocks on top of it."""


class NodeRefused(ChainError):  # noqa: N818 -- says what happened
    """The node answered with an error: it cannot, or does not want to, answer this request."""


class Header(NamedTuple):
    """A block without its transactions; `timestamp` in seconds since 1970.

    A header that is known from a log alone has no parent and no bloom. `base_fee` is in wei per gas,
    None on a chain without EIP-1559.
    """

    number: int
    hash: bytes
    parent: bytes = b""
    timestamp: int = 0
    bloom: bytes = b""
    base_fee: int | None = None

    @property
    def hex(self) -> str:
        """The hash as 0x hexadecimal."""
        return "0x" + self.hash.hex()

    @property
    def fee(self) -> int:
        """The base fee. Raises ChainError on a chain without EIP-1559."""
        if self.base_fee is None:
            raise ChainError("the chain's blocks have no base fee: it must know EIP-1559")
        return self.base_fee

    def may_hold(self, address: bytes) -> bool:
        """Whether the bloom allows a log of this contract. A bloom errs towards yes, never towards no."""
        digest, bits = keccak(address), int.from_bytes(self.bloom, "big")
        return all(
            bits >> (int.from_bytes(digest[at : at + 2], "big") % 2048) & 1 for at in (0, 2, 4)
        )


def latest(chain: Chain) -> Header:
    """The newest block. Raises ChainError."""
    return _held(header(chain, "latest"), "latest")


def final(chain: Chain, finality: Finality) -> Header:
    """The newest block that is final. Raises ChainError."""
    if finality == "finalized":
        return _held(header(chain, finality), finality)
    number = final_number(chain, finality)
    return _held(header(chain, number), number)


def final_number(chain: Chain, finality: Finality, newest: int | None = None) -> int:
    """The number of the newest final block; `newest` is that of the newest block where it is known.

    Raises ChainError.
    """
    if finality == "finalized":
        return final(chain, finality).number
    return max(0, (latest(chain).number if newest is None else newest) - finality)


def header(chain: Chain, block: int | str) -> Header | None:
    """A block by number or tag; None where the node has none. Raises ChainError."""
    named = hex(block) if isinstance(block, int) else block
    (found,) = send(chain, [("eth_getBlockByNumber", [named, False])])
    return None if found is None else _header(found)


def headers(chain: Chain, numbers: Iterable[int]) -> list[Header]:
    """Blocks by number. Raises ChainError where the node does not hold them all."""
    named = list(numbers)
    results = send(chain, [("eth_getBlockByNumber", [hex(number), False]) for number in named])
    return [
        _held(None if result is None else _header(result), number)
        for result, number in zip(results, named, strict=True)
    ]


def receipt(chain: Chain, transaction: str) -> TxReceipt | None:
    """The receipt of a transaction (0x hash) that is in a block of the chain as it is now; None for any other.

    Raises ChainError.
    """
    try:
        found = answered(lambda: chain.web3.eth.get_transaction_receipt(HexStr(transaction)))
    except TransactionNotFound:
        return None
    held = header(chain, found["blockNumber"])
    return found if held is not None and held.hash == bytes(found["blockHash"]) else None


def send(chain: Chain, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
    """The results of requests, in order, in as few HTTP requests as may be.

    Raises NodeRefused where the node answers one with an error, ChainError where it does not answer.
    """
    provider: Any = chain.web3.provider
    results: list[Any] = []
    for start in range(0, len(requests), REQUESTS_IN_A_BATCH):
        some = requests[start : start + REQUESTS_IN_A_BATCH]
        batch = [(RPCEndpoint(method), parameters) for method, parameters in some]
        if len(batch) == 1:
            responses: Any = [answered(partial(provider.make_request, *batch[0]))]
        else:
            responses = answered(partial(provider.make_batch_request, batch))
        results += [_result(response) for response in _in_order(responses, len(batch))]
    return results


def to_bytes(text: str) -> bytes:
    """The bytes of 0x hexadecimal."""
    return bytes.fromhex(text[2:])


def _held(found: Header | None, block: int | str) -> Header:
    if found is None or (isinstance(block, int) and found.number != block):
        raise ChainError(f"the node does not hold block {block}: ask another one")
    return found


def _in_order(responses: Any, count: int) -> list[Any]:
    """The responses to a batch in the order of its requests, which is that of their ids."""
    if not isinstance(responses, list) or len(responses) != count:
        raise ChainError("the node did not answer every request of a batch: ask another one")
    return responses if count == 1 else sorted(responses, key=lambda each: int(each["id"]))


def _result(response: Any) -> Any:
    if "error" in response:
        message = str(response["error"].get("message", "an error"))
        raise NodeRefused(f"the node refused: {message}")
    return response["result"]


def _header(found: dict[str, Any]) -> Header:
    fee = found.get("baseFeePerGas")
    return Header(
        number=int(found["number"], 16),
        hash=to_bytes(found["hash"]),
        parent=to_bytes(found["parentHash"]),
        timestamp=int(found["timestamp"], 16),
        bloom=to_bytes(found.get("logsBloom") or "0x"),
        base_fee=None if fee is None else int(fee, 16),
    )
