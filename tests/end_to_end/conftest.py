"""A running `make up`, shared by every test that talks to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.toolchain import ROOT, environment
from tests.waiting import wait_until

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
            wait_until(
                lambda: "up: ready" in log.read_text() or process.poll() is not None,
                START_SECONDS,
                log.read_text,
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
