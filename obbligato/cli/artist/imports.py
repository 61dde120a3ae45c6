"""`obbligato artist import`: a catalogue from CSV, with the errors of each line, and its mints signed one by one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from obbligato.audit.recompute import OnProgress
from obbligato.cli.artist.licenses import Preset, SplitOptions
from obbligato.cli.commands import Commands
from obbligato.cli.options import SignedBackend, Timeout, Yes, confirm, latest_deadline, write_file
from obbligato.cli.output import ExitCode, Result, print_text, progress, table, warn
from obbligato.client.backend import BackendClient
from obbligato.client.catalogues import MOST_ACTS, mints_of_file
from obbligato.client.errors import ActRefused, StillWaiting
from obbligato.documents.catalog_csv import MOST_BYTES
from obbligato.documents.file_inputs import read_bytes
from obbligato.errors import InputError
from obbligato.protocol.types import checked_bytes32
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import MintRequest
from obbligato.schemas.backend import ActResponse
from obbligato.schemas.catalogue_lines import LineMint

PRINTED_LINES: Final = 50
BATCH: Final = 25
POLL_SECONDS: Final = 0.5

app = Commands("Catalogues.")


@app.command("import")
def import_catalogue(
    catalogue: Annotated[Path, typer.Argument(metavar="CATALOGUE.csv", help="The file.")],
    split: SplitOptions,
    signed: SignedBackend,
    preset: Preset = None,
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
) -> Result:
    """Import a catalogue: every line is checked, documents are stored, and with --sign licences are minted.

    Columns: title, artists, content_hash; optional isrc, iswc, release_date, contributors, scope, image, preset,
    payees, term_days, influence_cap_bps, flags, and prices such as GENERATIVE.generation_units. Options count for
    lines that leave the column empty. A wrong line does not stop the others. Each mint is compared with its line of
    the file before it is signed. If it is interrupted, run it again with the same file: it goes on and mints
    nothing twice. Exit code 1 where lines are wrong.

    \b
    Examples:
      obbligato artist import catalogue.csv --preset train-dont-imitate --errors wrong.csv
      obbligato artist import catalogue.csv --preset train-dont-imitate --corrections wrong.csv
      obbligato artist import catalogue.csv --preset train-dont-imitate --sign
    """
    data = read_bytes(catalogue, most=MOST_BYTES)
    corrected = None if corrections is None else read_bytes(corrections, most=MOST_BYTES)
    payees = split.parse()
    with signed.client() as client:
        upload = client.catalogues.upload(data, preset=preset, payees=payees)
        name = str(upload["id"])
        if corrected is not None and upload["counts"]["refused"]:
            client.catalogues.correct(name, corrected)
        with progress() as watch:
            status = _wait_until_checked(client, name, timeout, watch)
        unsigned = status["counts"]["prepared"] + status["counts"]["offered"]
        if sign and unsigned:
            mints = mints_of_file(
                data, account=client.account, preset=preset, payees=payees, corrections=corrected
            )
            if not yes:
                question = f"{catalogue}: {unsigned} licences, with the terms and payees it says"
                print_text([question], to_stderr=True)
                confirm("Sign all of them?")
            latest = latest_deadline(signed.backend.session)
            with progress() as watch:
                _sign(client, name, mints, latest, timeout, watch)
            status = client.catalogues.status(name)
        wrong = list(client.catalogues.lines(name, state="refused"))
        if errors is not None and wrong:
            write_file(errors, client.catalogues.errors(name), field="errors")
    counts = ", ".join(f"{count} {state}" for state, count in status["counts"].items() if count)
    reasons = [
        {"line": line["line"], **error}
        for line in wrong[:PRINTED_LINES]
        for error in line["errors"]
    ]
    text = [f"catalogue {name}: {status['lines']} lines: {counts}"]
    tables = [table(reasons, "line field reason")] if reasons else []
    rest = len(wrong) - PRINTED_LINES
    more = [f"and {rest} more: --errors FILE saves all of them"] if rest > 0 else []
    code = ExitCode.NO if wrong else ExitCode.OK
    return Result({**status, "wrong": wrong}, *text, *tables, *more, code=code)


def _wait_until_checked(
    client: BackendClient, name: str, timeout: float | None, watch: OnProgress
) -> Mapping[str, Any]:
    """Wait until every line is checked."""
    started = time.monotonic()
    while True:
        status = client.catalogues.status(name)
        waiting = status["counts"]["waiting"]
        watch("lines", status["lines"] - waiting, status["lines"])
        if not waiting:
            return status
        _check_time(started, timeout, f"{waiting} lines are still to be checked")
        time.sleep(POLL_SECONDS)


def _sign(
    client: BackendClient,
    name: str,
    mints: Mapping[bytes, LineMint],
    latest: int | None,
    timeout: float | None,
    watch: OnProgress,
) -> None:
    """Sign the mint of every prepared line, those left by an earlier run first, and wait for their blocks."""
    signed: list[ActResponse] = []
    acts = client.catalogues.acts(name, most=MOST_ACTS, again=True)
    while True:
        for act in acts:
            if act.state is ActState.PREPARED:
                act = client.sign(act, _request_of(act, mints), latest_deadline=latest)
            signed.append(act)
            watch("sign", len(signed), max(len(signed), len(mints)))
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
        _check_time(started, timeout, "the index does not have all licences yet")
        time.sleep(POLL_SECONDS)


def _any_failed(client: BackendClient, signed: list[ActResponse]) -> bool:
    """Whether an act failed: its line stays offered until it is signed again."""
    return any(client.act(act.id).problem is not None for act in signed)


def _request_of(act: ActResponse, mints: Mapping[bytes, LineMint]) -> MintRequest:
    """The request for the line of the file that an act mints. Raises ActRefused."""
    message = (act.typed_data or {}).get("message", {})
    try:
        return mints[checked_bytes32(message.get("content"))].request()
    except (KeyError, InputError):
        raise ActRefused("no line of the file has this content", field="content") from None


def _check_time(started: float, timeout: float | None, what: str) -> None:
    if timeout is not None and time.monotonic() - started >= timeout:
        raise StillWaiting(
            f"after {timeout:g} s {what}; it goes on by itself, run this again later"
        )
