"""`obbligato artist import`: a catalogue from CSV, with the errors of each line, and its mints signed one by one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from obbligato.audit.recompute import Watcher
from obbligato.cli.artist_acts import BackendUrl, Timeout, Yes, client_of, confirm, latest_deadline
from obbligato.cli.artist_licenses import Payees, Preset, SplitSheet, split_of
from obbligato.cli.options import Keystore, PasswordFile
from obbligato.cli.output import AsJson, ExitCode, show, stderr, table, warn, watching
from obbligato.cli.session import session
from obbligato.client.backend import BackendClient
from obbligato.client.catalog_csv import LineAsked, lines_asked
from obbligato.client.errors import ActRefused, StillWaiting
from obbligato.client.imports import MOST_ACTS, MOST_BYTES
from obbligato.documents.file_inputs import read_bytes
from obbligato.errors import InputError
from obbligato.protocol.types import checked_bytes32
from obbligato.schemas.backend import Act, ActState

SHOWN_LINES: Final = 50
BATCH: Final = 25
POLL_SECONDS: Final = 0.5


def import_catalogue(
    context: typer.Context,
    catalogue: Annotated[Path, typer.Argument(metavar="CATALOGUE.csv", help="The file.")],
    preset: Preset = None,
    payee: Payees = None,
    split_sheet: SplitSheet = None,
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the wrong lines there, to correct.")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The corrected file of errors.")
    ] = None,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign the mints of all lines that are right.")
    ] = False,
    yes: Yes = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Import a catalogue: every line is checked, documents are stored, and with --sign licences are minted.

    Columns: title, artists, content_hash; if wanted isrc, iswc, release_date, contributors, scope, image, preset,
    payees, term_days, influence_cap_bps, flags, and prices such as GENERATIVE.generation_units. Options count for
    lines that say nothing of their own. A wrong line keeps no other up. Each mint is compared with its line of the
    file before it is signed. Cut off anywhere, run it again with the same file: it goes on and mints nothing twice.
    Exit code 1 where lines are wrong.

    \b
    Examples:
      obbligato artist import catalogue.csv --preset train-dont-imitate --errors wrong.csv
      obbligato artist import catalogue.csv --preset train-dont-imitate --corrections wrong.csv
      obbligato artist import catalogue.csv --preset train-dont-imitate --sign
    """
    data = read_bytes(catalogue, most=MOST_BYTES)
    fixed = None if corrections is None else read_bytes(corrections, most=MOST_BYTES)
    payees = split_of(payee, split_sheet)
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        made = client.catalogues.upload(data, preset=preset, payees=payees)
        name = str(made["id"])
        if fixed is not None and made["counts"]["refused"]:
            client.catalogues.correct(name, fixed)
        with watching() as watch:
            found = _read(client, name, timeout, watch)
        if sign and (found["counts"]["prepared"] or found["counts"]["offered"]):
            asked = lines_asked(
                data, account=client.account, preset=preset, payees=payees, corrections=fixed
            )
            if not yes:
                open_ = found["counts"]["prepared"] + found["counts"]["offered"]
                stderr().print(f"{catalogue}: {open_} licences, with the terms and payees it says")
                confirm("Sign all of them?")
            with watching() as watch:
                _sign(client, name, asked, latest_deadline(run, "mint"), timeout, watch)
            found = client.catalogues.status(name)
        wrong = list(client.catalogues.lines(name, state="refused"))
        if errors is not None and wrong:
            _save(errors, client.catalogues.errors(name))
    show(
        {**found, "wrong": wrong},
        as_json=as_json,
        render=lambda console: _render(console, found, wrong),
    )
    if wrong:
        raise typer.Exit(ExitCode.NO)


def _read(
    client: BackendClient, name: str, timeout: float | None, watch: Watcher
) -> Mapping[str, Any]:
    """Wait until every line was looked at."""
    started = time.monotonic()
    while True:
        found = client.catalogues.status(name)
        waiting = found["counts"]["waiting"]
        watch("lines", found["lines"] - waiting, found["lines"])
        if not waiting:
            return found
        _check_time(started, timeout, f"{waiting} lines are still to be looked at")
        time.sleep(POLL_SECONDS)


def _sign(
    client: BackendClient,
    name: str,
    asked: Mapping[bytes, LineAsked],
    latest: int | None,
    timeout: float | None,
    watch: Watcher,
) -> None:
    """Sign the mint of every prepared line, those that an earlier run was handed first, and wait for their blocks."""
    signed: list[Act] = []
    acts = client.catalogues.acts(name, most=MOST_ACTS, again=True)
    while True:
        for act in acts:
            if act.state is ActState.PREPARED:
                act = client.sign(act, _line_of(act, asked), latest_deadline=latest)
            signed.append(act)
            watch("sign", len(signed), max(len(signed), len(asked)))
        acts = client.catalogues.acts(name, most=BATCH)
        if not acts:
            break
    started = time.monotonic()
    for number, act in enumerate(signed, start=1):
        left = None if timeout is None else max(timeout - (time.monotonic() - started), 0.0)
        ended = client.wait(act.id, ActState.CONFIRMED, timeout_seconds=left)
        if ended.problem is not None:
            warn(f"{act.preview.title}: {ended.problem.detail}")
        watch("minted", number, len(signed))
    while client.catalogues.status(name)["counts"]["offered"] and not _any_failed(client, signed):
        _check_time(started, timeout, "the index has not seen all licences yet")
        time.sleep(POLL_SECONDS)


def _any_failed(client: BackendClient, signed: list[Act]) -> bool:
    """Whether one came to nothing: its line will stay handed out until it is signed again."""
    return any(client.act(act.id).problem is not None for act in signed)


def _line_of(act: Act, asked: Mapping[bytes, LineAsked]) -> LineAsked:
    """The line of the file that an act mints. Raises ActRefused."""
    message = (act.typed_data or {}).get("message", {})
    try:
        return asked[checked_bytes32(message.get("content"))]
    except (KeyError, InputError):
        raise ActRefused("no line of the file has this content", field="content") from None


def _check_time(started: float, timeout: float | None, what: str) -> None:
    if timeout is not None and time.monotonic() - started >= timeout:
        raise StillWaiting(
            f"after {timeout:g} s {what}; it goes on by itself, run this again later"
        )


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", field="errors") from error


def _render(console: Console, found: Mapping[str, Any], wrong: list[Mapping[str, Any]]) -> None:
    counts = found["counts"]
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.print(f"catalogue {found['id']}: {found['lines']} lines: {said}")
    rows = [
        (line["line"], error["field"], error["reason"])
        for line in wrong[:SHOWN_LINES]
        for error in line["errors"]
    ]
    if rows:
        console.print(table(("line ", "field", "reason"), rows))
    if len(wrong) > SHOWN_LINES:
        console.print(f"and {len(wrong) - SHOWN_LINES} more: --errors FILE saves all of them")
