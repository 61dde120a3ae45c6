"""Several processes under one parent, which starts each anew where it dies and ends all of them together.

Children are new interpreters and not forks: threads, locks and connections of the parent have no place in them. What
they have in common is a folder, which the parent makes and removes: metrics of all, and what each writes for others.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import backoff

POLL_SECONDS: Final = 0.2
END_SECONDS: Final = 35.0
"""How long children may take to end: more than a server gives the requests in flight."""
STEADY_SECONDS: Final = 60.0
"""A process that lived for so long and died is started anew after the shortest pause."""
PARENT: Final = "parent"
"""Whose report says which of the processes are down, under `PROCESSES`."""
PROCESSES: Final = "processes"
REPORT_SECONDS: Final = 1.0
LATE_SECONDS: Final = 15.0
"""A process that has reported nothing for so long hangs."""
METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported: the figures of all processes are summed from files there."""

STARTS = Counter("obbligato_process_starts", "Processes started, the first time too", ["process"])
UP = Gauge("obbligato_processes_up", "Processes that run", ["process"], multiprocess_mode="livesum")

_SPAWN: Final = multiprocessing.get_context("spawn")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Child:
    """A process to run: a function of a module, and arguments that can be pickled."""

    name: str
    run: Callable[..., None]
    arguments: tuple[Any, ...] = ()


@dataclass
class _State:
    child: Child
    process: SpawnProcess | None = None
    started: float = 0.0
    deaths: int = 0
    """In a row."""
    start_at: float | None = 0.0
    """When it is to be started; None while it runs."""
    problem: str | None = None
    """How it died, until it is started anew."""


class Processes:
    """Runs children until `stop` is set."""

    def __init__(
        self,
        children: Sequence[Child],
        folder: Path,
        stop: threading.Event,
        *,
        alerts: Alerts | None = None,
        end_seconds: float = END_SECONDS,
        steady_seconds: float = STEADY_SECONDS,
    ) -> None:
        """`folder` is what the children have in common: see `shared_folder`.

        An alert stands from a child's death until it has lived for `steady_seconds` again.
        """
        self._alerts = Alerts() if alerts is None else alerts
        self._report = Report(folder, PARENT)
        self._states = [_State(child) for child in children]
        self._folder = folder
        self._stop = stop
        self._end_seconds = end_seconds
        self._steady_seconds = steady_seconds

    def run(self) -> None:
        """Start all, restart what dies, and end all once `stop` is set."""
        resource_tracker.ensure_running()  # else the first child starts it, and it unblocks signals
        try:
            while not self._stop.is_set():
                self._check()
                alive = [state.process.sentinel for state in self._states if state.process]
                connection.wait(alive, POLL_SECONDS)
        finally:
            self._end()

    def _check(self) -> None:
        now = time.monotonic()
        for state in self._states:
            if state.process is not None and not state.process.is_alive():
                self._died(state, now)
            if state.deaths and state.process and now - state.started >= self._steady_seconds:
                state.deaths = 0
                self._alerts.clear(f"process {state.child.name}")
        down = [state.problem for state in self._states if state.problem is not None]
        self._report.write({PROCESSES: "; ".join(down) or None})
        for state in self._states:
            if state.start_at is not None and now >= state.start_at:
                self._start(state, now)

    def _start(self, state: _State, now: float) -> None:
        state.process = _SPAWN.Process(
            target=_run_child, args=(state.child,), name=state.child.name, daemon=False
        )
        os.environ[METRICS_FOLDER] = os.fspath(self._folder)
        # Ctrl-C reaches every process of a terminal: it must not break off a child that is still importing.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            state.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            del os.environ[METRICS_FOLDER]
        state.started, state.start_at, state.problem = now, None, None
        _log.info("process started", process=state.child.name, pid=state.process.pid)

    def _died(self, state: _State, now: float) -> None:
        assert state.process is not None
        assert state.process.pid is not None
        process, state.process = state.process, None
        Report(self._folder, state.child.name).withdraw()
        mark_process_dead(process.pid, os.fspath(self._folder))  # type: ignore[no-untyped-call]  # nothing there is typed
        state.deaths += 1
        pause = backoff(state.deaths)
        state.start_at = now + pause
        state.problem = f"{state.child.name} ended with exit code {process.exitcode}"
        self._alerts.stand(
            f"process {state.child.name}",
            f"{state.problem}: it is started anew after {pause:.0f} s",
        )
        _log.error(
            "a process died: it is started anew",
            process=state.child.name,
            pid=process.pid,
            exit_code=process.exitcode,
            seconds=pause,
        )
        process.close()

    def _end(self) -> None:
        running = [state.process for state in self._states if state.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._end_seconds
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                _log.error("a process does not end: it is killed", process=process.name)
                process.kill()
                process.join()
            process.close()


def _run_child(child: Child) -> None:
    """The whole life of a child. It ends in order when its parent is gone, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()
    kind = child.name.split()[0]
    STARTS.labels(kind).inc()
    UP.labels(kind).set(1)
    child.run(*child.arguments)


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def shared_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the children of one `Processes`."""
    return tempfile.TemporaryDirectory(prefix="obbligato-processes-", ignore_cleanup_errors=True)


class Report:
    """What one process says of itself to the others, in a file that it writes anew every second."""

    def __init__(
        self, folder: Path, process: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = folder / f"{process}.json"
        self._process = process
        self._clock = clock  # monotonic is one clock for all processes of a machine

    def write(self, problems: Mapping[str, str | None]) -> None:
        """Report by name what is wrong."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"at": self._clock(), "problems": problems}))
        new.replace(self._path)

    def withdraw(self) -> None:
        """The process has ended: what it said does not count."""
        self._path.unlink(missing_ok=True)

    def problem(self, name: str) -> str | None:
        """What is wrong with this by the process itself, or that it does not run or hangs."""
        try:
            report = json.loads(self._path.read_text())
        except FileNotFoundError:
            return f"the process `{self._process}` does not run: it is being started"
        silent = self._clock() - report["at"]
        if silent > LATE_SECONDS:
            return f"the process `{self._process}` hangs: it reported nothing for {silent:.0f} s"
        problem: str | None = report["problems"].get(name)
        return problem


def exposition() -> bytes:
    """The metrics of this process, or of all where there are several, as Prometheus reads them."""
    if METRICS_FOLDER not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # nothing there is typed
    return generate_latest(registry)
