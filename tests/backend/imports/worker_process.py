"""The worker as a process that a test kills; its arguments: folder, RPC URL, manifest, folder of blocks."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from backend.imports.worker import CatalogueWorker
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Supervisor, Worker


def main() -> None:
    folder, url, manifest, blocks = sys.argv[1:]
    settings = BackendSettings(
        rpc_urls=(url,), deployment=Path(manifest), folder=Path(folder), store=Path(blocks)
    )
    stop, alerts = threading.Event(), Alerts()
    worker = CatalogueWorker(Services.open(settings), alerts)
    supervisor = Supervisor(alerts, stop, [Worker("catalogues", lambda: worker.step(stop), 1)])
    supervisor.start()
    supervisor.join()


if __name__ == "__main__":
    main()
