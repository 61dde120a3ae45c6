"""A JSON-RPC proxy in front of a real node, with the faults of real nodes switched on and off by the test."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from eth_hash.auto import keccak

Request = dict[str, Any]
Reply = dict[str, Any]

PATIENCE_SECONDS: Final = 60
"""No test waits longer than that for anything a proxy holds back."""

SEND: Final = "eth_sendRawTransaction"
HTML: Final = b"<html><body>Please log in</body></html>"

_BLOCK_AT: Final = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
    "eth_getBlockByNumber": 0,
    "eth_feeHistory": 1,
}
"""Which parameter of a method says as of which block it asks."""


@dataclass(frozen=True)
class Faults:
    """What is wrong with the node. `status`, `html`, `hang` and `reset` concern `methods` (None: all)."""

    methods: frozenset[str] | None = None
    status: int | None = None
    """Every answer has this HTTP status and no JSON."""
    html: bool = False
    """A page with status 200."""
    hang: bool = False
    """No answer at all until the fault is over (then the connection is closed)."""
    reset: bool = False
    """The connection is closed before anything is forwarded."""
    lose_answers: bool = False
    """What is asked is forwarded, and the connection closed instead of an answer."""
    chain_id: int | None = None
    lag: int = 0
    """Answers are as of so many blocks ago."""
    swallow: bool = False
    """Transactions are answered with their hash and forwarded to nobody."""
    send_twice: bool = False
    """Transactions are forwarded twice; the first answer is given."""
    hide_receipts: bool = False
    base_fee_factor: int = 1
    error: str | None = None
    """A JSON-RPC error with this message."""

    def concerns(self, request: Request) -> bool:
        return self.methods is None or request["method"] in self.methods


class Held:
    """One call that is held back: `reached` is set once it is there."""

    def __init__(self, method: str, nth: int, *, forward: bool) -> None:
        self.reached = threading.Event()
        self.forward = forward
        self._method = method
        self._left = nth
        self._go = threading.Event()
        self._abandoned = False
        self._lock = threading.Lock()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until the call is there; AssertionError if it does not come."""
        assert self.reached.wait(seconds), f"no {self._method} came within {seconds} s"

    def release(self) -> None:
        """Let the call go on: it is forwarded, if it was held before that, and answered."""
        self._go.set()

    def abandon(self) -> None:
        """Close the connection; what was not forwarded never is."""
        self._abandoned = True
        self._go.set()

    def matches(self, request: Request) -> bool:
        """Whether this is the call that is meant; counts those before it."""
        if request["method"] != self._method:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def block(self) -> None:
        """Called by the proxy: stay here until released. Raises _Closed if abandoned."""
        self.reached.set()
        if not self._go.wait(PATIENCE_SECONDS) or self._abandoned:
            raise _Closed


class Proxy:
    """Forwards to `node`. Faults are switched by `having` (in a block), `have` and `heal`."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.url = ""
        self.calls: list[Request] = []
        """Every request, in the order in which they came: {"method", "params", …}."""
        self._faults = Faults()
        self._healed = threading.Event()
        self._held: list[Held] = []

    @property
    def methods(self) -> list[str]:
        """The methods called, in the order in which they came."""
        return [call["method"] for call in list(self.calls)]

    @property
    def sent(self) -> list[str]:
        """The raw transactions it was given, in the order in which they came."""
        return [call["params"][0] for call in list(self.calls) if call["method"] == SEND]

    def have(self, **faults: Any) -> None:
        """From now on the node has these faults (fields of `Faults`), besides those it has."""
        if faults.get("methods") is not None:
            faults["methods"] = frozenset(faults["methods"])
        self._become(replace(self._faults, **faults))

    def heal(self) -> None:
        """From now on nothing is wrong; whoever hangs is let go."""
        self._become(Faults())

    @contextlib.contextmanager
    def having(self, **faults: Any) -> Iterator[None]:
        """In this block the node has these faults as well."""
        before = self._faults
        self.have(**faults)
        try:
            yield
        finally:
            self._become(before)

    def hold(self, method: str, nth: int = 1, *, forward: bool = False) -> Held:
        """Hold back the nth call of `method` from now: before it is forwarded, or (`forward`) before its answer."""
        held = Held(method, nth, forward=forward)
        self._held.append(held)
        return held

    def close(self) -> None:
        """Let go of everybody who hangs or is held."""
        self.heal()
        for held in self._held:
            held.abandon()

    def _become(self, faults: Faults) -> None:
        healed, self._healed = self._healed, threading.Event()
        self._faults = faults
        healed.set()

    # ---- one HTTP request: (status, body), or _Closed

    def answer(self, body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        requests: list[Request] = asked if isinstance(asked, list) else [asked]
        self.calls.extend(requests)
        faults, healed = self._faults, self._healed
        if any(faults.concerns(request) for request in requests):
            if faults.hang:
                healed.wait(PATIENCE_SECONDS)
                raise _Closed
            if faults.reset:
                raise _Closed
            if faults.status is not None:
                return faults.status, b"busy"
            if faults.html:
                return 200, HTML
        replies = [self._held_reply(request, faults) for request in requests]
        if faults.lose_answers and any(faults.concerns(request) for request in requests):
            raise _Closed
        return 200, json.dumps(replies if isinstance(asked, list) else replies[0]).encode()

    def _held_reply(self, request: Request, faults: Faults) -> Reply:
        held = next((held for held in self._held if held.matches(request)), None)
        if held is not None and not held.forward:
            held.block()
        reply = self._reply(request, faults)
        if held is not None and held.forward:
            held.block()
        return reply

    def _reply(self, request: Request, faults: Faults) -> Reply:
        method, params = request["method"], request.get("params", [])
        if faults.error is not None and faults.concerns(request):
            return {**_head(request), "error": {"code": -32000, "message": faults.error}}
        if method == "eth_chainId" and faults.chain_id is not None:
            return {**_head(request), "result": hex(faults.chain_id)}
        if method == SEND and faults.swallow:
            digest = keccak(bytes.fromhex(params[0].removeprefix("0x")))
            return {**_head(request), "result": "0x" + digest.hex()}
        if method == "eth_getTransactionReceipt" and faults.hide_receipts:
            return {**_head(request), "result": None}
        reply = self._lagging(request, faults.lag) if faults.lag else self._forward(request)
        if method == SEND and faults.send_twice:
            self._forward(request)
        if faults.base_fee_factor != 1 and reply.get("result"):
            reply["result"] = _dearer(method, reply["result"], faults.base_fee_factor)
        return reply

    def _lagging(self, request: Request, lag: int) -> Reply:
        """The node's answer, had it stopped `lag` blocks ago."""
        head = int(self._ask("eth_blockNumber"), 16)
        seen = max(0, head - lag)
        method = request["method"]
        if method == "eth_blockNumber":
            return {**_head(request), "result": hex(seen)}
        if method in _BLOCK_AT:
            request = {**request, "params": _as_of(request["params"], _BLOCK_AT[method], seen)}
        if method == "eth_getLogs":
            request = {**request, "params": [_logs_up_to(request["params"][0], seen)]}
        reply = self._forward(request)
        if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            found = reply.get("result")
            if found and found.get("blockNumber") and int(found["blockNumber"], 16) > seen:
                reply["result"] = None
        return reply

    def _ask(self, method: str) -> Any:
        return self._forward({"jsonrpc": "2.0", "id": 1, "method": method, "params": []})["result"]

    def _forward(self, request: Request) -> Reply:
        address = urlsplit(self.node)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=PATIENCE_SECONDS
        )
        try:
            connection.request(
                "POST", "/", json.dumps(request), {"Content-Type": "application/json"}
            )
            reply: Reply = json.loads(connection.getresponse().read())
        except OSError:  # the node is gone
            raise _Closed from None
        finally:
            connection.close()
        return reply


class _Closed(Exception):  # noqa: N818 -- no error: the connection is to be closed unanswered
    """Nothing is to be answered."""


def _head(request: Request) -> Reply:
    return {"jsonrpc": "2.0", "id": request.get("id")}


def _as_of(params: list[Any], index: int, seen: int) -> list[Any]:
    """The parameters with a block no newer than `seen`."""
    given = params[index] if index < len(params) else "latest"
    if given == "earliest" or (isinstance(given, dict)):  # a block by its hash
        return params
    newest = isinstance(given, str) and not given.startswith("0x")
    block = seen if newest else min(int(given, 16), seen)
    return [*params[:index], hex(block), *params[index + 1 :]]


def _logs_up_to(criteria: dict[str, Any], seen: int) -> dict[str, Any]:
    if "blockHash" in criteria:
        return criteria
    first, last = _as_of([criteria.get("fromBlock"), criteria.get("toBlock", "latest")], 1, seen)
    return {**criteria, "fromBlock": first or "latest", "toBlock": last}


def _dearer(method: str, result: Any, factor: int) -> Any:
    if method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
        return {**result, "baseFeePerGas": hex(int(result["baseFeePerGas"], 16) * factor)}
    if method == "eth_feeHistory":
        fees = [hex(int(fee, 16) * factor) for fee in result["baseFeePerGas"]]
        return {**result, "baseFeePerGas": fees}
    if method == "eth_gasPrice":
        return hex(int(result, 16) * factor)
    return result


@contextlib.contextmanager
def proxy(node: str) -> Iterator[Proxy]:
    """A proxy in front of `node`, at `.url`."""
    passing = Proxy(node)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, data = passing.answer(body)
            except _Closed:
                self.close_connection = True
                return
            with contextlib.suppress(ConnectionError):  # whoever asked may have been killed
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        passing.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield passing
        finally:
            passing.close()
            server.shutdown()
            thread.join()
