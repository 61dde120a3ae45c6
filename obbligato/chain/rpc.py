"""Several nodes of one chain behind one web3 provider: the next is asked where one fails."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.exceptions import BadResponseFormat, Web3Exception
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from obbligato.errors import ChainError, InputError

RPC_TIMEOUT_SECONDS: Final = 30
ROUNDS: Final = 3
"""How often all nodes are asked, where there are several."""
TOTAL_SECONDS: Final = 60.0
"""No new attempt is begun after that."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0

_CHAIN_ID: Final = RPCEndpoint("eth_chainId")
_log = logging.getLogger(__name__)

Reply = TypeVar("Reply")


class WrongChain(ChainError):  # noqa: N818 -- says what happened
    """A node is of another chain than the one expected: nothing it says is of use."""


class FailoverProvider(JSONBaseProvider):
    """JSON-RPC over several URLs of one chain.

    A node that answers 429 or 5xx, with a page, out of time or not at all is left for the next one;
    once all have failed they are asked again after a pause that grows, with jitter. JSON-RPC errors
    (reverts, "already known") are answers. A single URL is asked once: whoever asks decides about more.

    The same raw transaction may so reach two nodes, or one node twice; it is still one transaction.

    Each node's chain id is compared before its first use and after each of its failures. A node of
    another chain is never asked again; where no other is left, WrongChain is raised.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        *,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises InputError for what is no http(s) URL, or no URL at all."""
        super().__init__()
        if not urls:
            raise InputError("give the URL of at least one RPC endpoint", field="rpc")
        self.chain_id = chain_id
        self._nodes = [_Node(url, timeout_seconds) for url in urls]
        self._total_seconds = total_seconds
        self._pause = pause
        self._lock = threading.Lock()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The first answer a node gives. Raises what the last one failed with, or WrongChain."""
        return self._ask_around(lambda node: _answer(node, method, params))

    def make_batch_request(
        self, batch_requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        """The first answers a node gives to a batch."""
        return self._ask_around(lambda node: node.provider.make_batch_request(batch_requests))

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any node answers."""
        try:
            self.make_request(_CHAIN_ID, [])
        except (ChainError, requests.RequestException, ValueError, Web3Exception):
            if show_traceback:
                raise
            return False
        return True

    def _ask_around(self, question: Callable[[_Node], Reply]) -> Reply:
        """The answer of the current node, else of the others, round by round."""
        end = time.monotonic() + self._total_seconds
        rounds = ROUNDS if len(self._nodes) > 1 else 1
        failure: Exception | None = None
        for turn in range(rounds):
            for node in self._in_order():
                if failure is not None and time.monotonic() > end:
                    raise failure
                try:
                    return self._ask(node, question)
                except WrongChain as error:
                    failure = failure or error
                except (requests.RequestException, ValueError, Web3Exception) as error:
                    failure = error
                    self._put_last(node)
            if turn < rounds - 1 and self._in_order():
                self._pause(_pause_before(turn + 1))
        raise failure or self._wrong_chain()

    def _ask(self, node: _Node, question: Callable[[_Node], Reply]) -> Reply:
        if not node.checked:
            self._check(node)
        try:
            return question(node)
        except Exception:
            node.checked = False
            raise

    def _check(self, node: _Node) -> None:
        found = _chain_id_of(node)
        if found == self.chain_id:
            node.checked = True
            return
        node.refused = (
            f"{node.host} is chain {found}, the deployment is on chain {self.chain_id}: "
            "give the RPC endpoint of the right network"
        )
        _log.error("%s; it is not asked again", node.refused)
        raise WrongChain(node.refused)

    def check_again(self) -> None:
        """Compare the chain id of the node asked first, now. Raises WrongChain, or what it fails with."""
        for node in self._in_order():
            node.checked = False
        self.make_request(_CHAIN_ID, [])

    def _in_order(self) -> list[_Node]:
        with self._lock:
            return [node for node in self._nodes if not node.refused]

    def _put_last(self, node: _Node) -> None:
        if len(self._nodes) > 1:
            _log.warning("%s failed: asking the next node", node.host)
        with self._lock:
            self._nodes.remove(node)
            self._nodes.append(node)

    def _wrong_chain(self) -> WrongChain:
        return WrongChain(next(node.refused for node in self._nodes))


class _Node:
    """One URL; `refused` says why it is never asked again."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self.host = host_of(url)
        self.provider = HTTPProvider(
            url,
            request_kwargs={"timeout": timeout_seconds},
            exception_retry_configuration=None,
        )
        self.checked = False
        self.refused = ""


def _answer(node: _Node, method: RPCEndpoint, params: Any) -> RPCResponse:
    """A result or an error, as JSON-RPC has them. Raises what `requests` raises, BadResponseFormat."""
    reply: object = node.provider.make_request(method, params)
    if not isinstance(reply, dict) or not ("result" in reply or "error" in reply):
        raise BadResponseFormat("not the answer of a node")
    return cast("RPCResponse", reply)


def _chain_id_of(node: _Node) -> int:
    reply = _answer(node, _CHAIN_ID, [])
    try:
        return int(str(reply["result"]), 16)
    except (ValueError, LookupError):
        raise BadResponseFormat("not the answer of a node") from None


def _pause_before(turn: int) -> float:
    longest: float = min(FIRST_PAUSE_SECONDS * 2**turn, LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- spreads load; no secret


def host_of(url: str) -> str:
    """The host of an RPC URL, which is all of it that may be shown. Raises InputError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("is not the URL of an RPC endpoint: give http(s)://host…", field="rpc")
    return f"{host}:{port}" if port else host
