"""The events bench: usage files to verified rows and stored evidence, each run in a process of its own.

`OBBLIGATO_BENCH_10M=1` adds the memory that ten million events take.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from obbligato.documents.evidence import Period
from obbligato.metering.files import UsageFile
from obbligato.metering.metered import meter
from obbligato.metering.verification import verify
from obbligato.metering.workbench import ConsentInterval, Consents
from obbligato.protocol.constants import Tier
from obbligato.store import EmbeddedStore
from scripts.bench.chain import BenchError
from scripts.bench.results import Outcome, Target, machine, spaced
from scripts.demo.catalog import read_catalogue
from scripts.toolchain import ROOT

EVENTS: Final = 1_000_000
MANY_EVENTS: Final = 10_000_000
SEED: Final = 20_260_101
_SLICE: Final = 250_000
_PERIOD: Final = Period(start=1_767_225_600, end=1_769_904_000)
_MODEL: Final = bytes([0x11]) * 32
_SALT: Final = bytes(range(32))
_CATALOGUE: Final = ROOT / "data" / "catalogue" / "recordings.csv"


def run(step: Callable[[str], None]) -> Outcome:
    """Measure JSONL and Parquet. Raises BenchError where a run fails."""
    figures: dict[str, float] = {}
    stages: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="obbligato-bench-") as directory:
        folder = Path(directory)
        step(f"making {spaced(EVENTS)} events")
        files = make_events(folder, EVENTS)
        for name, file in files.items():
            step(f"{spaced(EVENTS)} events of {name}")
            stages[name] = _measured(file)
            figures[f"events_{name}_s"] = round(sum(stages[name][each] for each in _TIMED), 2)
        figures["events_peak_mb"] = max(each["peak_mb"] for each in stages.values())
        if os.environ.get("OBBLIGATO_BENCH_10M"):
            step(f"{spaced(MANY_EVENTS)} events")
            many = make_events(folder, MANY_EVENTS)["parquet"]
            stages["parquet, 10 million"] = _measured(many)
            figures["events_10m_peak_mb"] = stages["parquet, 10 million"]["peak_mb"]
    versions = {"duckdb": duckdb.__version__, "pyarrow": pa.__version__}
    return Outcome(
        figures=figures,
        peers={},
        environment={**machine(), **versions},
        targets=(
            Target("events_jsonl_s", "1 000 000 events, JSONL to stored evidence, s", "<=", 20),
            Target("events_parquet_s", "the same, Parquet, s", "<=", 10),
            Target("events_peak_mb", "peak memory of either, MB", "<=", 1_500),
        ),
        tables=(stages_table(stages),),
    )


def make_events(folder: Path, count: int) -> dict[str, UsageFile]:
    """The same events as JSONL and as Parquet: recordings as often as the catalogue counts them."""
    jsonl, parquet = folder / f"{count}.jsonl", folder / f"{count}.parquet"
    with jsonl.open("w", encoding="utf-8") as lines:
        writer = None
        for events in _slices(count):
            lines.writelines(json.dumps(event) + "\n" for event in events)
            table = pa.Table.from_pylist(events)
            writer = writer or pq.ParquetWriter(parquet, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return {"jsonl": UsageFile(jsonl, jsonl.name), "parquet": UsageFile(parquet, parquet.name)}


def _slices(count: int) -> Iterator[list[dict[str, Any]]]:
    generator = random.Random(SEED)
    recordings = read_catalogue(_CATALOGUE)
    isrcs = [each.isrc for each in recordings]
    weights = list(accumulate(sum(n or 0 for n in each.counts.values()) for each in recordings))
    for start in range(0, count, _SLICE):
        size = min(_SLICE, count - start)
        chosen = generator.choices(isrcs, cum_weights=weights, k=size)
        yield [_event(generator, start + at, isrc) for at, isrc in enumerate(chosen)]


def _event(generator: random.Random, number: int, isrc: str) -> dict[str, Any]:
    return {
        "event_id": f"{number:08x}-{generator.getrandbits(64):016x}",
        "occurred_at": generator.randrange(_PERIOD.start, _PERIOD.end),
        "isrc": isrc,
        "tier": 3,
        "metric": generator.choice((2, 3)),
        "units": generator.randrange(1, 5),
        "influence_ppm": generator.choice((1_000_000, 500_000, 125_000)),
        "model_id": "0x" + _MODEL.hex(),
        "output_id": f"{generator.getrandbits(64):016x}",
    }


_TIMED: Final = ("reading", "summing", "storing")
_SHOWN: Final = (*_TIMED, "verifying")


def _measured(file: UsageFile) -> dict[str, float]:
    """Seconds by stage and the peak in MB of a process that meters the file."""
    command: Sequence[str] = [sys.executable, "-m", "scripts.bench.metering", str(file.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"metering {file.name} failed: {done.stderr.strip()[-500:]}")
    seconds_by_stage: dict[str, float] = json.loads(done.stdout)
    return seconds_by_stage


def _meter(path: Path) -> dict[str, float]:
    """Meter one file and verify what was stored; seconds by stage, and the peak in MB."""
    began = {"reading": time.perf_counter()}

    def watch(stage: str, events: int) -> None:
        began.setdefault(stage, time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="obbligato-bench-") as directory:
        store, scratch = EmbeddedStore(Path(directory) / "store"), Path(directory) / "scratch"
        consents = _consents()
        metered = meter(
            [UsageFile(path, path.name)],
            consents=consents,
            platform_id=1,
            model_id=_MODEL,
            salt=_SALT,
            store=store,
            folder=scratch,
            watch=watch,
        )
        began["verifying"] = time.perf_counter()
        for part in metered.parts:
            verify(
                part.evidence,
                platform_id=1,
                model_id=_MODEL,
                period=_PERIOD,
                store=store,
                folder=scratch,
                consents=consents,
            )
        ends = [*list(began.values())[1:], time.perf_counter()]
    stages = zip(began, ends, began.values(), strict=True)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    return {stage: round(end - start, 2) for stage, end, start in stages} | {"peak_mb": peak_mb}


def _consents() -> Consents:
    isrcs = [each.isrc for each in read_catalogue(_CATALOGUE)]
    ids = range(1, len(isrcs) + 1)
    return Consents(
        period=_PERIOD,
        licenses_of={isrc: (number,) for isrc, number in zip(isrcs, ids, strict=True)},
        license_count=len(isrcs),
        intervals=[
            ConsentInterval(number, Tier.GENERATIVE, _PERIOD.start, _PERIOD.end) for number in ids
        ],
        withheld={},
    )


def stages_table(stages: dict[str, dict[str, float]]) -> Table:
    """What takes the time."""
    table = Table(title=f"{spaced(EVENTS)} events, seconds by stage", title_justify="left")
    table.add_column("input")
    for stage in _SHOWN:
        table.add_column(stage, justify="right")
    table.add_column("peak MB", justify="right")
    for name, figures_of_stage in stages.items():
        seconds = [f"{figures_of_stage[stage]:.2f}" for stage in _SHOWN]
        table.add_row(name, *seconds, spaced(figures_of_stage["peak_mb"]))
    return table


if __name__ == "__main__":
    json.dump(_meter(Path(sys.argv[1])), sys.stdout)
