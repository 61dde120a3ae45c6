"""An HTTP server that keeps the alerts that are posted to it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import wait_until

PATIENCE = 60


@dataclass
class Listener:
    """What was posted, in order; `statuses` are the next answers, 200 after them."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: threading.Event | None = None
    """An answer waits for it, if there is one."""

    def wait_for(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first post of which the condition is true."""
        match = wait_until(
            lambda: next((post for post in list(self.posts) if condition(post)), None),
            PATIENCE,
            lambda: self.posts,
        )
        assert match is not None
        return match


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a port of its own."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if listener.hold is not None:
                listener.hold.wait(PATIENCE)
            listener.posts.append(body)
            self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        listener.url = f"http://127.0.0.1:{server.server_port}/alerts?key=secret"
        try:
            yield listener
        finally:
            if listener.hold is not None:
                listener.hold.set()
            server.shutdown()
            thread.join()
