"""Blocks in Kubo, whose answers are typed in; test_store_kubo_real.py asks a real node."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store import BlockState, KuboStore, StoreError

# ipfshttpclient passes urllib3 an argument that means nothing any more.
pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")

HELLO = b"hello world"
HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
ABSENT_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

# Answers of Kubo 0.3x to its RPC: (status, body) by path.
NOT_FOUND = (500, {"Message": f"ipld: could not find {HELLO_CID}", "Code": 0, "Type": "error"})
NOT_PINNED = (500, {"Message": f"path '{HELLO_CID}' is not pinned", "Code": 0, "Type": "error"})
EXPIRED = (500, {"Message": "context deadline exceeded", "Code": 0, "Type": "error"})
STAT = (200, {"Key": HELLO_CID, "Size": 11})
PINNED = (200, {"Keys": {HELLO_CID: {"Type": "recursive", "Name": ""}}})


class Node(ThreadingHTTPServer):
    """Answers each RPC path with what `answers` says; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], bytes]] = []


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Node

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        verb = url.path.removeprefix("/api/v0/")
        self.server.asked.append((verb, parse_qs(url.query), self._body()))
        status, answer = self.server.answers[verb]
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if answer is body else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def node() -> Iterator[Node]:
    server = Node()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture
def store(node: Node) -> Iterator[KuboStore]:
    store = KuboStore(f"/ip4/127.0.0.1/tcp/{node.server_port}/http", timeout_seconds=5)
    yield store
    store.close()


def test_a_block_is_put_raw_hashed_by_sha_256_and_pinned(node: Node, store: KuboStore) -> None:
    node.answers["block/put"] = STAT
    assert store.put(HELLO) == HELLO_CID
    ((_, options, body),) = node.asked
    assert HELLO in body
    assert options["cid-codec"] == ["raw"]
    assert options["mhtype"] == ["sha2-256"]
    assert options["pin"] == ["true"]
    assert options["timeout"] == ["5s"]


def test_a_node_that_stores_under_another_cid_is_not_believed(node: Node, store: KuboStore) -> None:
    node.answers["block/put"] = (200, {"Key": ABSENT_CID, "Size": 11})
    with pytest.raises(StoreError, match=ABSENT_CID):
        store.put(HELLO)


def test_bytes_from_a_node_are_verified(node: Node, store: KuboStore) -> None:
    node.answers["block/get"] = (200, HELLO)
    assert store.get(HELLO_CID) == HELLO
    node.answers["block/get"] = (200, b"<html>")
    with pytest.raises(DigestMismatch):
        store.get(HELLO_CID)


@pytest.mark.parametrize("answer", [NOT_FOUND, EXPIRED])
def test_what_a_node_cannot_find_is_not_found(
    node: Node, store: KuboStore, answer: tuple[int, object]
) -> None:
    node.answers.update({"block/get": answer, "pin/add": answer, "block/stat": answer})
    for verb in (store.get, store.pin):
        with pytest.raises(NotFound):
            verb(HELLO_CID)
    assert store.status(HELLO_CID) == (HELLO_CID, BlockState.ABSENT, None)


def test_the_status_tells_kept_blocks_from_those_that_may_go(node: Node, store: KuboStore) -> None:
    node.answers.update({"block/stat": STAT, "pin/ls": PINNED})
    assert store.status(HELLO_CID) == (HELLO_CID, BlockState.PINNED, 11)
    node.answers["pin/ls"] = NOT_PINNED
    assert store.status(HELLO_CID) == (HELLO_CID, BlockState.STORED, 11)
    assert [options["offline"] for verb, options, _ in node.asked if verb == "block/stat"] == [
        ["true"],
        ["true"],
    ]


@pytest.mark.parametrize("answer", [(500, {"Message": "disk full"}), (502, b"<html>Bad gateway")])
def test_any_other_answer_is_a_store_error(
    node: Node, store: KuboStore, answer: tuple[int, object]
) -> None:
    node.answers["block/put"] = answer
    with pytest.raises(StoreError):
        store.put(HELLO)


def test_a_node_that_is_down_is_a_store_error() -> None:
    store = KuboStore("/ip4/127.0.0.1/tcp/9/http", timeout_seconds=1)
    for ask in (lambda: store.put(HELLO), lambda: store.get(HELLO_CID)):
        with pytest.raises(StoreError, match="cannot be asked"):
            ask()


def test_what_is_no_address_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="is not the address of a Kubo RPC"):
        KuboStore("not an address")


def test_a_node_is_not_asked_for_what_is_no_cid(node: Node, store: KuboStore) -> None:
    for verb in (store.get, store.pin, store.status):
        with pytest.raises(InputError):
            verb("../etc/passwd")
    assert node.asked == []
