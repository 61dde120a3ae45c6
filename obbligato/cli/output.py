"""What commands print: results on stdout as text or JSON, everything else on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from obbligato.audit.recompute import OnProgress
from obbligato.client.errors import ApiProblem, ServiceUnreachable, StillWaiting
from obbligato.errors import ChainError, InputError, ObbligatoError
from obbligato.protocol.eip712 import LARGEST_JSON_INTEGER
from obbligato.store import StoreError
from obbligato.times import moment_text

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: integers beyond 2^53 - 1 are strings.")
]

WIDTH: Final = 1_000
"""Wide enough that nothing is folded: a digest in two halves cannot be copied, so a terminal wraps lines itself."""

TIME_KEYS: Final = ("_at", "_start", "_end", "from", "until", "deadline")
"""How the keys of JSON end whose values are times."""

TITLES: Final = {
    "license_id": "licence",
    "quantity": "millionths",
    "share_ppm": "parts per million",
    "row_count": "rows",
    "period_start": "from",
    "period_end": "until",
    "covered_until": "reported until",
    "created_at": "made",
    "recipient": "paid to",
    "note": "",
}
"""Words for the keys of JSON that people would not understand."""


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    NO = 1
    INPUT = 2
    MISSING = 3
    UNANSWERED = 4
    INTERRUPTED = 130


def exit_code(error: ObbligatoError) -> ExitCode:
    """The exit code for an error."""
    if isinstance(error, InputError):
        return ExitCode.INPUT
    if isinstance(error, ChainError | StoreError | ServiceUnreachable | StillWaiting):
        return ExitCode.UNANSWERED
    if isinstance(error, ApiProblem):
        if error.status in (400, 413, 422):
            return ExitCode.INPUT
        if error.status == 429 or error.status >= 500:
            return ExitCode.UNANSWERED
    return ExitCode.NO


def fail(what: object) -> None:
    """Print an error as one line on stderr."""
    typer.echo(f"obbligato: {' '.join(str(what).split())}", err=True)


def warn(what: str) -> None:
    """Print a warning as one line on stderr; the command goes on."""
    typer.echo(f"obbligato: warning: {what}", err=True)


class Result:
    """What a command found out: `data` for `--json`, `text` (lines and tables) for people, and its exit code."""

    def __init__(self, data: Any, *text: str | Table, code: ExitCode = ExitCode.OK) -> None:
        self.data = data
        self.text = text
        self.code = code

    def print(self, *, as_json: bool) -> None:
        """Print it on stdout."""
        if as_json:
            typer.echo(json.dumps(_exact(self.data), indent=2, ensure_ascii=False))
        else:
            print_text(self.text)


def print_text(text: Iterable[str | Table], *, to_stderr: bool = False) -> None:
    """Print lines and tables. They are data, never markup."""
    console = Console(
        width=WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=to_stderr
    )
    for each in text:
        console.print(each)


def table(records: Iterable[Mapping[str, Any]], keys: str) -> Table:
    """A plain table of records, one column for each of the keys, which spaces separate; numbers aligned right."""
    rows = list(records)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for key in keys.split():
        justify: JustifyMethod = "right" if _is_number(key, rows) else "left"
        made.add_column(title(key), justify=justify, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(readable(key, row[key])) for key in keys.split()))
    return made


def facts(pairs: Sequence[tuple[str, object]]) -> Table:
    """Names and values, one pair a line."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(no_wrap=True)
    for name, value in pairs:
        made.add_row(Text(name), Text(readable("", value)))
    return made


def facts_of(data: Mapping[str, Any], keys: str) -> Table:
    """The values of the keys, which spaces separate, one a line."""
    return facts([(title(key), readable(key, data[key])) for key in keys.split()])


def title(key: str) -> str:
    """A key of JSON for people: without its unit, unless TITLES has a word for it."""
    plain = re.sub("_(id|units|at)$", "", key).replace("_", " ")
    return TITLES.get(key, plain)


def _is_number(key: str, records: Sequence[Mapping[str, Any]]) -> bool:
    values = [record[key] for record in records if record[key] is not None]
    return key.endswith("_units") or (
        not key.endswith(TIME_KEYS) and bool(values) and all(type(each) is int for each in values)
    )


def readable(key: str, value: object) -> str:
    """A value of JSON for people. Its key says what it is: `…_units` is money, `…_at` and the like are times."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(str(each) for each in value) or "none"
        case int() | str() if key.endswith("_units"):
            return money(int(value))
        case int() if key.endswith(TIME_KEYS):
            return moment(value)
    return str(value)


def money(units: int | None) -> str:
    """Millionths of a dollar, as dollars."""
    return "-" if units is None else f"${units // 1_000_000:,}.{units % 1_000_000:06d}"


def moment(seconds: int | None) -> str:
    """Seconds since 1970, as a time in UTC."""
    return "-" if seconds is None else moment_text(seconds)


def share(ppm: int) -> str:
    """Parts per million, as a percentage."""
    return f"{ppm / 10_000:.4f} %"


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Progress bars on stderr, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console, visible = Console(stderr=True), sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=not visible) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

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
