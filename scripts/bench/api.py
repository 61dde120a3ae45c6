"""The bench of the API: licence and earnings reads by 50 clients, one worker, 100 000 credits behind them.

The head moves every second as on a live chain, so that no answer is kept for longer than that, and nearly every URL
is another one. Beside it the same load on a FastAPI route that answers a constant: machines differ, and are noisy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.table import Table

from backend.db.index_db import IndexDatabase
from scripts.bench import api_data
from scripts.bench.api_load import Load, distinct_urls, measure, measure_once, urls
from scripts.bench.chain import BenchError
from scripts.bench.results import Outcome, Target, machine
from scripts.toolchain import ROOT, environment, free_ports

SECONDS: Final = 15
WARM_SECONDS: Final = 3
BLOCK_SECONDS: Final = 1.0
START_SECONDS: Final = 120
DEPTH_SAMPLES: Final = 25
DEEP_PAGE: Final = {"credits": 200, "licenses": 400}
PAGE: Final = 10
MOST_A_SECOND: Final = 12_000
"""Distinct URLs that are made for a second of measuring: more than any server here answers."""


@dataclass(frozen=True)
class Depth:
    """Median milliseconds of the first page and of a deep one."""

    first_ms: float
    deep_ms: float

    @property
    def ratio(self) -> float:
        return self.deep_ms / self.first_ms


@dataclass(frozen=True)
class Measured:
    """Everything."""

    live: Load
    """With a block a second: what the targets are about."""
    once: Load
    """Each URL once, and an event of ours in each block: nothing was kept."""
    still: Load
    """Without new blocks: answers are kept."""
    society: Load
    """The payee with 20 000 credits alone, each month of each platform, with a block a second."""
    ours_constant: Load
    bare_constant: Load
    bare_once: Load
    """The constant, asked by the same clients as `once`."""
    two_workers: Load
    """As `once`, answered by two processes."""
    depths: dict[str, Depth]


def run(step: Callable[[str], None], seconds: int = SECONDS) -> Outcome:
    """Measure. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="obbligato-bench-") as name:
        folder = Path(name)
        database = IndexDatabase(f"sqlite:///{folder / 'index.db'}")
        try:
            step("writing 100 000 credits")
            api_data.fill(database)
            with server("constant", folder) as url:
                step("a route that answers a constant, and nothing else")
                measure(url, ["/constant"], seconds=WARM_SECONDS)
                bare = measure(url, ["/constant"], seconds=seconds)
                bare_once = measure_once(url, _constants(seconds), seconds=seconds)
            with server(str(folder), folder) as url:
                measured = _measure(url, database, bare, bare_once, seconds, step)
            with server(str(folder), folder, processes=2) as url:
                step("two processes, each URL once, a block with an event a second")
                measure(url, urls(), seconds=WARM_SECONDS)
                two_workers = _measure_once(url, database, seconds)
        finally:
            database.close()
    return outcome(dataclasses.replace(measured, two_workers=two_workers))


def _measure_once(url: str, database: IndexDatabase, seconds: int) -> Load:
    with blocks(database, events=True):
        return measure_once(url, distinct_urls(MOST_A_SECOND * seconds), seconds=seconds)


def _measure(
    url: str,
    database: IndexDatabase,
    bare: Load,
    bare_once: Load,
    seconds: int,
    step: Callable[[str], None],
) -> Measured:
    paths = urls()
    step("warming up")
    measure(url, paths, seconds=WARM_SECONDS)
    step("pages, the first and deep ones")
    depths = _depths(url)
    step("50 clients, a block a second")
    with blocks(database):
        live = measure(url, paths, seconds=seconds)
        step("the payee with 20 000 credits")
        society = measure(url, _of_society(), seconds=seconds)
    step("each URL once, a block with an event a second")
    once = _measure_once(url, database, seconds)
    step("50 clients, no new block")
    still = measure(url, paths, seconds=seconds)
    step("a constant behind all that is before our routes")
    ours = measure(url, ["/constant"], seconds=seconds)
    return Measured(live, once, still, society, ours, bare, bare_once, once, depths)


@contextlib.contextmanager
def server(what: str, folder: Path, processes: int = 1) -> Iterator[str]:
    """A service of so many processes; its URL. Raises BenchError where it does not start."""
    log = folder / f"{Path(what).name}.log"
    with free_ports() as port, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.bench.api_server", what, str(port), str(processes)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(f"{url}/constant", process, log, processes)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, processes: int) -> None:
    """Until it answers, and all its processes have said that they do."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, timeout=5)
            if log.read_text().count("Application startup complete.") >= processes:
                return
        time.sleep(0.05)
    raise BenchError(f"the server does not answer:\n{log.read_text()[-2_000:]}")


@contextlib.contextmanager
def blocks(database: IndexDatabase, *, events: bool = False) -> Iterator[None]:
    """A new head every second, with an event of ours or without, until the block ends."""
    ended = threading.Event()

    def follow() -> None:
        with database.reading() as session:
            number = api_data.head_number(session)
        while not ended.wait(BLOCK_SECONDS):
            number += 1
            api_data.move_head(database, number, events=events)

    thread = threading.Thread(target=follow, name="blocks")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _constants(seconds: int) -> list[str]:
    return [f"/constant?n={number}" for number in range(MOST_A_SECOND * seconds)]


def _of_society() -> list[str]:
    society = api_data.account(0)
    groups = ("month", "platform_id", "license_id", "model_id")
    return [f"/v1/payees/{society}/earnings?by={group}" for group in groups]


def _depths(url: str) -> dict[str, Depth]:
    """Each page is asked for under a limit of its own, so that none was kept."""
    society = api_data.account(0)
    return {
        "credits": _depth(f"{url}/v1/payees/{society}/credits", DEEP_PAGE["credits"]),
        "licenses": _depth(f"{url}/v1/licenses", DEEP_PAGE["licenses"]),
    }


def _depth(url: str, page: int) -> Depth:
    with httpx.Client(timeout=60) as client:
        cursor = None
        for _ in range(page - 1):
            query = {"limit": PAGE, **({} if cursor is None else {"cursor": cursor})}
            cursor = client.get(url, params=query).raise_for_status().json()["next"]
            if cursor is None:
                raise BenchError(f"{url} has no page {page}")
        times: dict[bool, list[float]] = {False: [], True: []}
        for number in range(DEPTH_SAMPLES):
            for deep in (False, True):
                # An unknown parameter makes another URL of it, so that the answer was not kept.
                query = {"limit": PAGE, "sample": number, **({"cursor": cursor} if deep else {})}
                began = time.perf_counter()
                client.get(url, params=query).raise_for_status()
                times[deep].append((time.perf_counter() - began) * 1_000)
    return Depth(statistics.median(times[False]), statistics.median(times[True]))


def outcome(measured: Measured) -> Outcome:
    """The figures with their targets."""
    live, bare = measured.live, measured.bare_constant
    figures: dict[str, int | float] = {
        "api_p99_ms": round(live.p99_ms, 1),
        "api_requests_per_s": round(live.requests_per_s),
        "api_still_requests_per_s": round(measured.still.requests_per_s),
        "api_society_requests_per_s": round(measured.society.requests_per_s),
        "api_society_p99_ms": round(measured.society.p99_ms, 1),
        "api_of_constant_ratio": round(live.requests_per_s / bare.requests_per_s, 2),
        "api_distinct_ratio": round(
            measured.once.requests_per_s / measured.bare_once.requests_per_s, 2
        ),
        "api_p99_ratio": round(measured.once.p99_ms / measured.bare_once.p99_ms, 2),
        "api_workers_ratio": round(
            measured.two_workers.requests_per_s / measured.once.requests_per_s, 2
        ),
        "api_credits_depth_ratio": round(measured.depths["credits"].ratio, 2),
        "api_licenses_depth_ratio": round(measured.depths["licenses"].ratio, 2),
    }
    constant = (
        f"a FastAPI route with a constant: {bare.requests_per_s:.0f}/s, p99 {bare.p99_ms:.0f} ms"
    )
    return Outcome(
        figures=figures,
        peers={
            "fastapi_constant_requests_per_s": round(bare.requests_per_s),
            "fastapi_constant_p99_ms": round(bare.p99_ms, 1),
        },
        environment=machine(),
        targets=(
            Target("api_p99_ms", "reads at 50 clients, p99 in ms", "<=", 100, constant),
            Target("api_requests_per_s", "reads at 50 clients, a second", ">=", 400, constant),
            Target("api_distinct_ratio", "URLs once each, of the constant", ">=", 0.3, constant),
            Target("api_p99_ratio", "their p99, of the constant's", "<=", 1.5, constant),
        ),
        tables=(_loads(measured), _pages(measured)),
    )


def _loads(measured: Measured) -> Table:
    table = Table(title="50 clients, one worker, 100 000 credits", title_justify="left")
    table.add_column("what")
    for column in ("requests/s", "p50 ms", "p99 ms", "slowest ms", "of the constant"):
        table.add_column(column, justify="right")
    bare = measured.bare_constant.requests_per_s
    for what, load in (
        ("licence and earnings reads, a block a second", measured.live),
        ("each URL once, a block with an event a second", measured.once),
        ("the same by two processes", measured.two_workers),
        ("the first without new blocks", measured.still),
        ("earnings of the payee with 20 000 credits", measured.society),
        ("a constant, behind our middleware", measured.ours_constant),
        ("a constant, FastAPI alone", measured.bare_constant),
        ("the same, each URL once", measured.bare_once),
    ):
        rates = (load.requests_per_s, load.p50_ms, load.p99_ms, load.most_ms)
        table.add_row(what, *(f"{rate:.0f}" for rate in rates), f"{load.requests_per_s / bare:.2f}")
    return table


def _pages(measured: Measured) -> Table:
    table = Table(title="One client: the first page and a deep one", title_justify="left")
    for column in ("list", "deep page", "first ms", "deep ms", "ratio"):
        table.add_column(column, justify="right")
    for name, depth in measured.depths.items():
        table.add_row(
            name,
            str(DEEP_PAGE[name]),
            f"{depth.first_ms:.1f}",
            f"{depth.deep_ms:.1f}",
            f"{depth.ratio:.2f}",
        )
    return table
