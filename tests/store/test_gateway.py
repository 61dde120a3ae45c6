"""Reading through gateways that lie, break or hang: a real HTTP server on this machine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store import MAX_BLOCK_BYTES, BlockState, GatewayStore, StoreError

HELLO = b"hello world"
HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
HTML = b"<!doctype html><title>Gateway</title><p>Please prove that you are human."


class Gateway(ThreadingHTTPServer):
    """Answers every request with `status`, `headers` and `body`; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes, headers: dict[str, str], *, drip: bool) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status, self.body, self.extra, self.drip = status, body, headers, drip
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Gateway

    def do_GET(self) -> None:
        gateway = self.server
        gateway.asked.append((self.path, self.headers["Accept"]))
        self.send_response(gateway.status)
        for name, value in gateway.extra.items():
            self.send_header(name, value)
        self.end_headers()
        if gateway.drip:  # a byte now and then, for as long as somebody listens
            try:
                while not gateway.over.wait(0.02):
                    self.wfile.write(b"x")
            except OSError:
                pass
        else:
            self.wfile.write(gateway.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def gateway(
    status: Any = 200, body: bytes = HELLO, headers: Any = None, *, drip: Any = False
) -> Iterator[Gateway]:
    server = Gateway(status, body, headers or {}, drip=drip)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def test_a_block_is_asked_for_as_a_trustless_gateway_expects_it() -> None:
    with gateway() as honest, GatewayStore([honest.url + "/"]) as store:
        assert store.get(HELLO_CID) == HELLO
        assert honest.asked == [(f"/ipfs/{HELLO_CID}?format=raw", "application/vnd.ipld.raw")]
        assert store.status(HELLO_CID) == (HELLO_CID, BlockState.STORED, 11)


@pytest.mark.parametrize("body", [HTML, b"", b"hello w0rld", HELLO + b"\n"])
def test_other_bytes_with_status_200_are_a_digest_mismatch(body: bytes) -> None:
    with (
        gateway(body=body, headers={"Content-Type": "text/html"}) as liar,
        GatewayStore([liar.url]) as store,
        pytest.raises(DigestMismatch, match=HELLO_CID),
    ):
        store.get(HELLO_CID)


def test_the_next_gateway_is_asked_when_one_lies_and_the_lie_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        gateway(body=HTML) as liar,
        gateway(status=500) as broken,
        gateway() as honest,
        GatewayStore([liar.url, broken.url, honest.url]) as store,
        caplog.at_level(logging.WARNING),
    ):
        assert store.get(HELLO_CID) == HELLO
    assert liar.url in caplog.text


def test_a_lie_is_not_hidden_by_the_other_gateways_having_nothing() -> None:
    with (
        gateway(status=404) as empty,
        gateway(body=HTML) as liar,
        GatewayStore([empty.url, liar.url]) as store,
        pytest.raises(DigestMismatch),
    ):
        store.get(HELLO_CID)


def test_a_block_is_not_found_only_if_every_gateway_says_so() -> None:
    with gateway(status=404) as one, gateway(status=410) as two, gateway(status=503) as down:
        with GatewayStore([one.url, two.url]) as store:
            with pytest.raises(NotFound, match=two.url):
                store.get(HELLO_CID)
            assert store.status(HELLO_CID).state is BlockState.ABSENT
        with GatewayStore([one.url, down.url]) as store:
            with pytest.raises(StoreError, match="answered 503"):
                store.get(HELLO_CID)
            with pytest.raises(StoreError):
                store.status(HELLO_CID)


def test_a_gateway_that_nobody_answers_for_is_a_store_error() -> None:
    with gateway() as gone:
        url = gone.url
    with GatewayStore([url]) as store, pytest.raises(StoreError, match="ConnectError"):
        store.get(HELLO_CID)


def test_a_gateway_that_never_finishes_is_given_up() -> None:
    with (
        gateway(drip=True) as slow,
        GatewayStore([slow.url], timeout_seconds=0.3) as store,
        pytest.raises(StoreError, match=r"took too long|Timeout"),
    ):
        store.get(HELLO_CID)


def test_reading_stops_at_the_size_of_a_block() -> None:
    with (
        gateway(body=bytes(MAX_BLOCK_BYTES + 1)) as endless,
        GatewayStore([endless.url]) as store,
        pytest.raises(StoreError, match="1048576 bytes"),
    ):
        store.get(HELLO_CID)


def test_a_redirect_is_followed_and_a_circle_is_left() -> None:
    with (
        gateway() as host,
        gateway(status=301, headers={"Location": f"{host.url}/ipfs/{HELLO_CID}"}) as front,
        GatewayStore([front.url]) as store,
    ):
        assert store.get(HELLO_CID) == HELLO
    with gateway(status=302, headers={"Location": "/again"}) as circle:
        with GatewayStore([circle.url]) as store, pytest.raises(StoreError, match="Redirects"):
            store.get(HELLO_CID)
        assert len(circle.asked) <= 4


def test_no_gateway_is_asked_for_what_is_no_cid() -> None:
    with gateway() as honest, GatewayStore([honest.url]) as store:
        for trick in ("../api/v0/config", HELLO_CID + "?format=car", "QmHash"):
            with pytest.raises(InputError):
                store.get(trick)
        assert honest.asked == []


def test_a_gateway_store_only_reads() -> None:
    with GatewayStore(["https://example.org"]) as store:
        with pytest.raises(StoreError, match="only serves"):
            store.put(HELLO)
        with pytest.raises(StoreError, match="pin it in a store of your own"):
            store.pin(HELLO_CID)


@pytest.mark.parametrize(
    "url", ["", "example.org", "ftp://example.org", "file:///etc", "http://x?y=1"]
)
def test_what_is_no_base_url_is_refused_by_its_position(url: str) -> None:
    with pytest.raises(InputError, match="is not a gateway") as refused:
        GatewayStore(["https://example.org", url])
    assert refused.value.row == 1


def test_at_least_one_gateway_is_needed() -> None:
    with pytest.raises(InputError, match="at least one"):
        GatewayStore([])
