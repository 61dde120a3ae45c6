"""Running an application and its threads until the process is told to stop; then all end in order."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from obbligato.server.supervisor import Supervisor


def start_log(*, as_json: bool) -> None:
    """Structured lines on stderr, from our own loggers and from the libraries'."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "alembic", "web3", "urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


_log = structlog.get_logger(__name__)

GRACE_SECONDS = 30


def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    stop: threading.Event,
    supervisor: Supervisor | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. A request in flight and a worker's step in hand are finished."""
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # whose word about addresses counts is a setting of ours
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=65_536,
        ),
        stop,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal once more when it has ended: by default that would end the workers, too.
        signal.signal(number, lambda *_: stop.set())
    if supervisor is not None:
        supervisor.start()
    _log.info("serving", host=host, port=port)
    try:
        server.run()
    finally:
        stop.set()
        if supervisor is not None:
            supervisor.join()
        _log.info("stopped")


class _Server(uvicorn.Server):
    """Tells the workers as soon as the process is told."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._stop.set()
        super().handle_exit(sig, frame)
