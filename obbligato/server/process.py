"""Running an application and its threads until the process is told to stop; then all end in order."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from obbligato.server.settings import ServiceSettings
from obbligato.server.supervisor import Supervisor


def start_log(*, as_json: bool, process: str | None = None) -> None:
    """Structured lines on stderr, from our own loggers and from the libraries'.

    `process` is written on every line, with its number: for several processes that share a log.
    """

    def name_process(
        _: Any, __: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        return event if process is None else {"process": process, "pid": os.getpid(), **event}

    shared: list[structlog.types.Processor] = [
        name_process,
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


class Service(Protocol):
    """What one process runs."""

    @property
    def stop(self) -> threading.Event: ...

    @property
    def supervisor(self) -> Supervisor: ...

    def api(self) -> FastAPI: ...

    def close(self) -> None: ...


AnySettings = TypeVar("AnySettings", bound=ServiceSettings)
AnyService = TypeVar("AnyService", bound=Service)


@contextmanager
def opened(
    settings: AnySettings,
    open_service: Callable[[AnySettings, threading.Event], AnyService],
    process: str | None = None,
) -> Iterator[AnyService]:
    """The service of this process: it logs from before it opens, and is closed at the end. Raises what opening does.

    `process` is its name where there are several.
    """
    start_log(as_json=settings.json_logs, process=process)
    service = open_service(settings, threading.Event())
    try:
        yield service
    finally:
        service.close()


def run_service(
    settings: AnySettings,
    open_service: Callable[[AnySettings, threading.Event], Service],
    process: str | None = None,
    listener: socket.socket | None = None,
) -> None:
    """The whole life of a process: it logs, opens, serves, runs its workers, and closes. Raises as `opened` does.

    `listener` is the socket of several processes, as `serve` takes it.
    """
    with opened(settings, open_service, process) as service:
        serve(
            service.api(),
            host=settings.host,
            port=settings.port,
            stop=service.stop,
            supervisor=service.supervisor,
            listener=listener,
        )


def serve(
    app: FastAPI,
    *,
    host: str,
    port: int,
    stop: threading.Event,
    supervisor: Supervisor | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. A request in flight and a worker's step in hand are finished.

    `listener` is the socket of several processes, from `bind`; without it, one of this process alone.
    """
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
    # uvicorn raises the signal once more when it has ended: by default that would end the workers, too.
    stop_on_signals(stop)
    if supervisor is not None:
        supervisor.start()
    _log.info("serving", host=host, port=port)
    try:
        server.run(None if listener is None else [listener])
    finally:
        stop.set()
        if supervisor is not None:
            supervisor.join()
        _log.info("stopped")


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def bind(host: str, port: int) -> socket.socket:
    """A socket for several processes that `serve`. Exits with 3 where the port is taken, and logs it."""
    return uvicorn.Config("", host=host, port=port, log_config=None).bind_socket()


class _Server(uvicorn.Server):
    """Tells the workers as soon as the process is told."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.should_exit = (
            self.should_exit or self._stop.is_set()
        )  # told before it listened to signals

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._stop.set()
        super().handle_exit(sig, frame)
