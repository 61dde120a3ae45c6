"""A running `make up`, shared by every test that talks to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.toolchain import ROOT, environment

START_SECONDS = 240


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`make up` on free ports; the variables that it wrote for shells."""
    folder = tmp_path_factory.mktemp("up") / "up"
    log = folder.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.up", "--free-ports", "--folder", str(folder)],
            cwd=ROOT,
            env=environment(),
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
        )
        try:
            until(
                lambda: "up: ready" in log.read_text() or process.poll() is not None,
                START_SECONDS,
                lambda: log.read_text(),
            )
            assert process.poll() is None, log.read_text()
            yield read_environment(folder / "environment")
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def read_environment(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in pairs}


def until(
    condition: Callable[[], Any], seconds: float, scenario: Callable[[], object] = lambda: ""
) -> Any:
    """What the condition answers once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, scenario()
        time.sleep(0.2)
    return found
