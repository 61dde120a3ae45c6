"""Several processes under one parent: what dies is started anew, all end together, what they say adds up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter

from obbligato.server import process as server
from obbligato.server.alerts import Alert, Alerts
from obbligato.server.processes import (
    LATE_SECONDS,
    PARENT,
    PROCESSES,
    Child,
    Processes,
    Report,
    exposition,
    shared_folder,
)
from scripts.toolchain import ROOT
from tests.server.test_supervisor import Time
from tests.waiting import wait_until

LIMIT = 180
"""Seconds: new interpreters are slow to start where many share a core."""
TURNS = Counter("obbligato_test_turns", "Times that a child of this test began")


def work(folder: Path) -> None:
    """A child that counts itself, says that it is there, and waits to be told to end."""
    stop = threading.Event()
    server.stop_on_signals(stop)
    TURNS.inc()
    (folder / f"{os.getpid()}.metrics").write_bytes(exposition())
    (folder / f"{os.getpid()}.pid").touch()
    stop.wait()


def deaf(folder: Path) -> None:
    """A child that hears no signal but the one that nobody can ignore."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / f"{os.getpid()}.pid").touch()
    threading.Event().wait()


def pids(folder: Path) -> set[int]:
    return {int(path.stem) for path in folder.glob("*.pid")}


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextlib.contextmanager
def running(
    *children: Child, folder: Path, end_seconds: float = LIMIT, **options: Any
) -> Iterator[None]:
    """The children run within the block, under a parent in a thread."""
    stop = threading.Event()
    parent = Processes(children, folder, stop, end_seconds=end_seconds, **options)
    thread = threading.Thread(target=parent.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_folder() as name:
        yield Path(name)


def test_a_child_that_is_killed_is_started_anew_and_the_others_stay(folder: Path) -> None:
    children = [Child(f"child {number}", work, (folder,)) for number in (1, 2)]
    with running(*children, folder=folder):
        wait_until(lambda: len(pids(folder)) == 2, LIMIT)
        killed, stayed = sorted(pids(folder))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(pids(folder)) == 3, LIMIT)
        (anew,) = pids(folder) - {killed, stayed}
        assert not is_gone(stayed)
        # Three began, one of which is dead: what it counted stays counted.
        last = (folder / f"{anew}.metrics").read_text()
        assert "obbligato_test_turns_total 3.0" in last
        assert 'obbligato_process_starts_total{process="child"} 3.0' in last
    assert all(map(is_gone, pids(folder)))


class Posts:
    """What an alert's poster is given: (key, text, state)."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str, str]] = []

    def post(self, alert: Alert, state: str) -> None:
        self.posted.append((alert.key, alert.words, state))


def test_a_child_that_is_killed_is_down_in_the_parent_s_report_and_an_alert_stands_until_it_is_steady(
    folder: Path,
) -> None:
    posts = Posts()
    alerts = Alerts(posts)  # type: ignore[arg-type]  # takes what an `AlertPoster` takes
    parent = Report(folder, PARENT)
    children = [Child(name, work, (folder,)) for name in ("child 1", "child 2")]
    with running(*children, folder=folder, alerts=alerts, steady_seconds=1.0):
        wait_until(lambda: len(pids(folder)) == 2, LIMIT)
        assert (parent.problem(PROCESSES), alerts.standing()) == (None, ())
        os.kill(min(pids(folder)), signal.SIGKILL)
        wait_until(lambda: parent.problem(PROCESSES), LIMIT)
        down = parent.problem(PROCESSES)
        assert down in {f"child {number} ended with exit code -9" for number in (1, 2)}
        key, words = (
            f"process {down.partition(' ended')[0]}",
            f"{down}: it is started anew after 1 s",
        )
        assert posts.posted == [(key, words, "standing")]
        wait_until(lambda: parent.problem(PROCESSES) is None, LIMIT)
        wait_until(lambda: not alerts.standing(), LIMIT)
        assert posts.posted[1:] == [(key, words, "over")]
        wait_until(lambda: len(pids(folder)) == 3, LIMIT)
        last = max((folder / f"{pid}.metrics" for pid in pids(folder)), key=os.path.getmtime)
        assert 'obbligato_processes_up{process="child"} 2.0' in last.read_text()


def test_a_child_that_does_not_end_is_killed_once_its_time_is_over(folder: Path) -> None:
    with running(Child("deaf", deaf, (folder,)), folder=folder, end_seconds=0.1):
        wait_until(lambda: pids(folder), LIMIT)
    assert all(map(is_gone, pids(folder)))


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.server.test_processes", str(tmp_path)], cwd=ROOT
    )
    try:
        wait_until(lambda: len(pids(tmp_path)) == 2, LIMIT)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: all(map(is_gone, pids(tmp_path))), LIMIT)


def test_a_report_counts_while_its_process_runs_and_speaks(folder: Path) -> None:
    time = Time(100.0)
    report = Report(folder, "workers", time)
    assert report.problem("index") == "the process `workers` does not run: it is being started"
    report.write({"index": None, "relay": "no gas money"})
    read = Report(folder, "workers", time)
    assert (read.problem("index"), read.problem("relay")) == (None, "no gas money")
    time.now += LATE_SECONDS + 1
    assert read.problem("index") == "the process `workers` hangs: it reported nothing for 16 s"
    report.write({"index": None})
    assert read.problem("index") is None
    report.withdraw()
    assert "does not run" in str(read.problem("index"))


if __name__ == "__main__":
    here = Path(sys.argv[1])
    Processes(
        [Child(f"child {number}", work, (here,)) for number in (1, 2)], here, threading.Event()
    ).run()
