"""How results, errors and progress are shown: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from obbligato.audit.recompute import Watcher
from obbligato.client.errors import ApiProblem, ServiceUnreachable, StillWaiting
from obbligato.errors import ChainError, InputError, ObbligatoError
from obbligato.protocol.eip712 import LARGEST_JSON_INTEGER
from obbligato.store import StoreError
from obbligato.times import shown_moment

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: integers beyond 2^53 - 1 are strings.")
]

WIDTH: Final = 1_000
"""Wide enough that nothing is folded: a digest in two halves cannot be copied, so a terminal wraps lines itself."""


class ExitCode(IntEnum):
    """What the shell is told."""

    OK = 0
    NO = 1
    INPUT = 2
    MISSING = 3
    UNANSWERED = 4
    INTERRUPTED = 130


def told_code(error: ObbligatoError) -> ExitCode:
    """The exit code of an error."""
    if isinstance(error, InputError):
        return ExitCode.INPUT
    if isinstance(error, ChainError | StoreError | ServiceUnreachable | StillWaiting):
        return ExitCode.UNANSWERED
    if isinstance(error, ApiProblem):
        return ExitCode.INPUT if error.status in (400, 413, 422) else _answered_no(error.status)
    return ExitCode.NO


def _answered_no(status: int) -> ExitCode:
    """What an oracle that could not answer, or would not, comes to."""
    return ExitCode.UNANSWERED if status == 429 or status >= 500 else ExitCode.NO


def fail(what: object) -> None:
    """One line on stderr."""
    typer.echo(f"obbligato: {' '.join(str(what).split())}", err=True)


def warn(what: str) -> None:
    """One line on stderr that ends nothing."""
    typer.echo(f"obbligato: warning: {what}", err=True)


def show(data: Any, *, as_json: bool, render: Callable[[Console], None]) -> None:
    """The data as JSON, or rendered for people."""
    if as_json:
        typer.echo(json.dumps(_exact(data), indent=2, ensure_ascii=False))
    else:
        render(stdout())


def stdout() -> Console:
    """A console for results; what it shows is data, never markup."""
    return _console(to_stderr=False)


def stderr() -> Console:
    """A console for what is shown on the way to a result, before a question for example."""
    return _console(to_stderr=True)


def _console(*, to_stderr: bool) -> Console:
    return Console(
        width=WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=to_stderr
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table. Columns of numbers (their name ends in a space) are aligned right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        justify: JustifyMethod = "right" if name.endswith(" ") else "left"
        made.add_column(name.strip(), justify=justify, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(str(value)) for value in row))
    return made


def facts(pairs: Sequence[tuple[str, object]]) -> Table:
    """Names and values, one a line."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(no_wrap=True)
    for name, value in pairs:
        made.add_row(Text(name), Text(str(value)))
    return made


def money(units: int | None) -> str:
    """Millionths of a dollar as people read them."""
    return "-" if units is None else f"${units // 1_000_000:,}.{units % 1_000_000:06d}"


def moment(seconds: int | None) -> str:
    """A time in UTC."""
    return "-" if seconds is None else shown_moment(seconds)


@contextmanager
def watching() -> Iterator[Watcher]:
    """Progress bars on stderr, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    shown = sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield watch


def _exact(value: Any) -> Any:
    """The value with integers that JavaScript would round as strings."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_JSON_INTEGER:
        return str(value)
    return value
