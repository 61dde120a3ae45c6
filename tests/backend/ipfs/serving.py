"""A real uvicorn in a thread."""

from __future__ import annotations

import socket
import threading

import uvicorn
from fastapi import FastAPI

from backend.ipfs import routes
from backend.services import Services
from obbligato.server.http import add_errors

PATIENCE_SECONDS = 20


def app_of(services: Services) -> FastAPI:
    """The routes of blocks alone."""
    app = FastAPI()
    app.state.services = services
    add_errors(app)
    app.include_router(routes.router)
    app.include_router(routes.documents_router)
    return app


class Server:
    """Serves until told to stop."""

    def __init__(self, services: Services) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            app_of(services), log_config=None, lifespan="off", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()  # connections wait in the socket until it listens to them

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self._socket.close()
