"""An HTTP server between the client and a node: it passes requests on, or answers as a bad node would."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]
Answer = Callable[[Request], Any]
"""Gives the `result` of a JSON-RPC request; PASS to ask the node, bytes to send just those."""

PASS = object()


@contextlib.contextmanager
def served(answer: Answer, *, node: str = "", status: int = 200) -> Iterator[str]:
    """The URL of a server that answers so, in front of `node`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = json.loads(body)
            if isinstance(request, list):
                data = b"[" + b",".join(self._response_to(each) for each in request) + b"]"
            else:
                data = self._response_to(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _response_to(self, request: Request) -> bytes:
            result = answer(request)
            if result is PASS:
                body = json.dumps(request).encode()
                passed = urllib.request.Request(node, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(passed, timeout=10) as response:
                    data: bytes = response.read()
                return data
            if isinstance(result, bytes):
                return result
            return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
