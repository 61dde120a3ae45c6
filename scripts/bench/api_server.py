"""The processes that the bench of the API asks: the backend over an index, and a route that answers a constant.

python -m scripts.bench.api_server FOLDER PORT [PROCESSES]
python -m scripts.bench.api_server constant PORT
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from fastapi import APIRouter, FastAPI

from backend.app import create_app
from backend.db.index_db import IndexDatabase
from backend.db.service_db import ServiceDatabase
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.server import process as server
from obbligato.server.processes import Child, Processes, shared_folder
from obbligato.store import EmbeddedStore

HOST = "127.0.0.1"
UNLIMITED = 10**9
CONSTANT = {"license_id": 1, "state": "in_force", "certainty": "final"}

_constant = APIRouter()


@_constant.get("/constant")
def constant() -> dict[str, Any]:
    """A plain function, as all our own are."""
    return CONSTANT


def backend(folder: Path) -> FastAPI:
    """The whole API with everything that `obbligato serve` puts before it; nothing that is read asks a node."""
    services = Services(
        settings=BackendSettings(
            rpc_urls=("http://127.0.0.1:1",),
            deployment=folder,
            folder=folder,
            reads_per_minute=UNLIMITED,
            writes_per_minute=UNLIMITED,
        ),
        chain=cast("Any", SimpleNamespace()),
        store=EmbeddedStore(folder / "blocks"),
        index_db=IndexDatabase(f"sqlite:///{folder / 'index.db'}"),
        service_db=ServiceDatabase(f"sqlite:///{folder / 'records.db'}"),
    )
    app = create_app(services)
    app.router.routes.extend(_constant.routes)  # found as our own routes are
    return app


def bare() -> FastAPI:
    """FastAPI and nothing else."""
    app = FastAPI()
    app.include_router(_constant)
    return app


def serve_folder(folder: Path, port: int, listener: socket.socket | None = None) -> None:
    """One process of the backend over an index."""
    server.start_log(as_json=True)
    server.serve(backend(folder), host=HOST, port=port, stop=threading.Event(), listener=listener)


def serve_with(processes: int, folder: Path, port: int) -> None:
    """So many of them, as `obbligato serve --workers` has them."""
    server.start_log(as_json=True)
    stop = threading.Event()
    server.stop_on_signals(stop)
    with server.bind(HOST, port) as listener, shared_folder() as shared:
        children = [
            Child(f"api {number}", serve_folder, (folder, port, listener))
            for number in range(1, processes + 1)
        ]
        Processes(children, Path(shared), stop).run()


def main(what: str, port: int, processes: int = 1) -> None:
    if what == "constant":
        server.start_log(as_json=True)
        server.serve(bare(), host=HOST, port=port, stop=threading.Event())
    elif processes == 1:
        serve_folder(Path(what), port)
    else:
        serve_with(processes, Path(what), port)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
