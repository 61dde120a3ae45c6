"""Run the benches, print their tables and merge what they measured into bench/results.json.

Usage: python -m scripts.bench [BENCH...] [--json]        BENCH: gas, events, index… (default: every one)

Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from scripts.bench import api, gas_bench, index, metering, throughput
from scripts.bench.chain import BenchError
from scripts.bench.results import RESULTS, Outcome, merge, show
from scripts.demo.steps import DemoError
from scripts.toolchain import ROOT, ToolchainError

BENCHES: Final[dict[str, Callable[[Callable[[str], None]], Outcome]]] = {
    "api": api.run,
    "gas": gas_bench.run,
    "events": metering.run,
    "index": index.run,
    "throughput": throughput.run,
}


def watched(name: str, console: Console) -> Outcome:
    """Run one bench and show what it is measuring."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None)
        return BENCHES[name](lambda what: progress.update(task, description=f"{name}: {what}"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__)
    parser.add_argument("bench", nargs="*", help=", ".join(BENCHES))
    parser.add_argument(
        "--json", action="store_true", help="print the results file instead of tables"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.bench) - set(BENCHES)
    if unknown:
        parser.error(f"no bench named {', '.join(sorted(unknown))}: there is {', '.join(BENCHES)}")

    console = Console(stderr=arguments.json)
    missed: list[str] = []
    results = {}
    for name in arguments.bench or BENCHES:
        try:
            outcome = watched(name, console)
        except (BenchError, DemoError, ToolchainError) as error:
            console.print(f"[red]{name}:[/] {error}")
            return 1
        results = merge(outcome)
        missed += [target.key for target in outcome.targets if not target.reached(outcome.figures)]
        if not arguments.json:
            show(console, outcome)
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        print()
    else:
        console.print(f"written: {RESULTS.relative_to(ROOT)}")
    if missed:
        console.print(f"[red]missed:[/] {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
