"""The results file and the table: what was aimed at, what was reached, what others need for the same."""

from __future__ import annotations

import json
import operator
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from scripts.toolchain import ROOT

RESULTS: Final = ROOT / "bench" / "results.json"
_COMPARISONS: Final = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}

Number = int | float


@dataclass(frozen=True)
class Target:
    """A figure that has a number to reach. `peer` says what others need for the same, measured in the same run."""

    key: str
    what: str
    comparison: str
    limit: Number
    peer: str = ""

    def reached(self, figures: Mapping[str, Number]) -> bool:
        return bool(_COMPARISONS[self.comparison](figures[self.key], self.limit))


@dataclass(frozen=True)
class Outcome:
    """What one bench measured. Figures and peers that it does not name stay as they were."""

    figures: Mapping[str, Number]
    peers: Mapping[str, Any]
    environment: Mapping[str, Any]
    targets: tuple[Target, ...]
    tables: tuple[Table, ...] = ()


def merge(outcome: Outcome, path: Path = RESULTS) -> dict[str, Any]:
    """Write the outcome into the results file, key by key; the whole file."""
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        results = {}
    for part in ("figures", "peers", "environment"):
        known = results.get(part, {})
        known.update(getattr(outcome, part))
        results[part] = dict(sorted(known.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(results, indent=2) + "\n")
    temporary.replace(path)
    return results


def machine() -> dict[str, Any]:
    """Where it was measured."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def targets_table(targets: Iterable[Target], figures: Mapping[str, Number]) -> Table:
    """Target, reached, ratio and peer of every figure that has a target."""
    table = Table(title="Targets", title_justify="left")
    table.add_column("figure")
    for column in ("target", "reached", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("")
    table.add_column("elsewhere, same run")
    for target in targets:
        value = figures[target.key]
        verdict = "[green]yes[/]" if target.reached(figures) else "[red]NO[/]"
        limit = f"{target.comparison} {spaced(target.limit)}"
        ratio = f"{value / target.limit:.2f}"
        table.add_row(target.what, limit, spaced(value), ratio, verdict, target.peer)
    return table


def spaced(number: Number) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", " ")


def show(console: Console, outcome: Outcome) -> None:
    for table in outcome.tables:
        console.print(table)
    if outcome.targets:
        console.print(targets_table(outcome.targets, outcome.figures))
