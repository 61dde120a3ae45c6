"""`obbligato platform quote|submit|status|list|take-back`: what goes to the oracle and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.cli.options import (
    Keystore,
    OracleUrl,
    PasswordFile,
    PlatformOption,
    client_of,
    latest_deadline,
)
from obbligato.cli.output import (
    AsJson,
    ExitCode,
    facts,
    moment,
    money,
    show,
    stderr,
    table,
    warn,
    watching,
)
from obbligato.cli.session import session
from obbligato.client.oracle import OracleClient
from obbligato.client.usage import Usage
from obbligato.client.verify_reports import Expected, Sums
from obbligato.documents.file_inputs import named, read_rows
from obbligato.errors import InputError
from obbligato.protocol.constants import UINT64_MAX, Pricing
from obbligato.protocol.types import checked_bytes32
from obbligato.schemas.oracle import (
    READABLE,
    KnownKey,
    Part,
    PricedRow,
    State,
    Submission,
    SubmissionLine,
)
from obbligato.times import parse_moment

SHOWN_LINES = 20

RowsByPart = Mapping[int, Sequence[PricedRow]]


def submission_data(found: Submission, rows: RowsByPart) -> dict[str, Any]:
    """A submission with the rows of each part, as JSON."""
    data = found.model_dump(mode="json", context=READABLE, exclude={"salt"})
    for part in data["reports"]:
        part["priced_rows"] = [
            row.model_dump(mode="json", context=READABLE) for row in rows.get(part["part"], ())
        ]
    return data


def render_submission(console: Console, found: Submission, rows: RowsByPart) -> None:
    """A submission for people: facts, rows by part, what is unlicensed, what is wrong."""
    console.print(facts(_facts(found)))
    for part in found.reports:
        console.print()
        _render_part(console, part, rows.get(part.part, ()))
    if found.summary is not None and found.summary.unlicensed_count:
        console.print(f"\nunlicensed: {found.summary.unlicensed_count} uses that no row may carry")
        uses = [
            (u.license_id or "-", u.isrc or "-", u.tier.name, u.metric.name, u.quantity, u.reason)
            for u in found.summary.unlicensed[:SHOWN_LINES]
        ]
        columns = ("licence ", "isrc", "tier", "metric", "millionths ", "reason")
        console.print(table(columns, uses))
    _render_problem(console, found)


def render_lines(console: Console, items: Sequence[SubmissionLine]) -> None:
    """Submissions, one a line."""
    rows = [
        (
            item.id,
            item.state.value,
            "quote" if item.dry_run else "report",
            "0x" + item.model_id.hex(),
            moment(item.period.start),
            moment(item.period.end),
            item.pricing.name,
        )
        for item in items
    ]
    console.print(table(("submission", "state", "", "model", "from", "until", "pricing"), rows))


def render_keys(console: Console, known: Sequence[KnownKey]) -> None:
    """API keys, one a line."""
    rows = [
        (key.id, key.label, " ".join(key.scopes), moment(key.created_at), moment(key.revoked_at))
        for key in known
    ]
    console.print(table(("key", "label", "scopes", "made", "revoked"), rows))


def _facts(found: Submission) -> list[tuple[str, object]]:
    listed: list[tuple[str, object]] = [
        ("submission", found.id),
        ("state", found.state.value if not found.waiting else f"{found.state}: {found.waiting}"),
        ("model", "0x" + found.model_id.hex()),
        ("period", f"{moment(found.period.start)} to {moment(found.period.end)}"),
    ]
    if found.summary is not None:
        summary = found.summary
        listed += [
            (
                "events",
                f"{summary.events}, {summary.duplicates} repeated, {summary.skipped} left out",
            ),
            ("rows", f"{summary.rows} in {summary.parts} parts"),
            ("total", f"{money(summary.total_units)} {found.pricing.name}"),
        ]
    return listed


def _render_part(console: Console, part: Part, rows: Sequence[PricedRow]) -> None:
    named = "no report id yet" if part.report_id is None else "0x" + part.report_id.hex()
    window = "" if part.window_end is None else f", contestable until {moment(part.window_end)}"
    waiting = "" if part.waiting is None else f": {part.waiting}"
    console.print(f"part {part.part}, {named}, {part.state.value}{waiting}{window}")
    lines = [
        (r.license_id, r.tier.name, r.metric.name, r.quantity, r.split_id, money(r.amount_units))
        for r in rows[:SHOWN_LINES]
    ]
    columns = ("licence ", "tier", "metric", "millionths ", "split ", "amount ")
    console.print(table(columns, lines))
    if len(rows) > SHOWN_LINES:
        console.print(f"… and {len(rows) - SHOWN_LINES} more rows (--json shows all)")
    for answer in part.attestations:
        because = "" if answer.reason is None else f": {answer.reason}"
        console.print(f"attester {answer.signer or answer.url} {answer.outcome}{because}")


def _render_problem(console: Console, found: Submission) -> None:
    skipped = () if found.summary is None else found.summary.rejections
    errors = skipped if found.problem is None else found.problem.errors
    count = len(errors) if found.problem is None else found.problem.error_count
    if found.problem is not None:
        console.print(f"\n{found.problem.title}: {found.problem.detail}")
    for error in errors[:SHOWN_LINES]:
        console.print(f"  {error}")
    if count > SHOWN_LINES:
        console.print(f"  … and {count - SHOWN_LINES} more")


Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Usage events: .jsonl, .csv or .parquet, also .gz."),
]
Model = Annotated[str, typer.Option(help="The model: 0x and 64 hexadecimal digits.")]
Start = Annotated[str, typer.Option(help="Start of the period: seconds or ISO 8601.")]
End = Annotated[str, typer.Option(help="Its end, which is not part of it.")]
PricingOption = Annotated[str, typer.Option(help="METERED or POOL.")]
Total = Annotated[
    int | None,
    typer.Option(min=0, max=UINT64_MAX, help="What a POOL shares, in millionths of a dollar."),
]
SkipInvalid = Annotated[
    bool, typer.Option("--skip-invalid", help="Leave wrong lines out instead of refusing all.")
]
Rows = Annotated[
    Path | None, typer.Option(metavar="ROWS", help="Ready rows instead of events, as for `quote`.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long.")
]
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="The submission's id.")]


@dataclass(frozen=True)
class Wanted:
    """What a command line says of usage, before any file was sent."""

    files: tuple[Path, ...]
    usage: Usage

    def checked(self) -> Sums | None:
        """What the files hold; None where rows are given, or no use. Raises RejectedLines, shown whole."""
        if not self.files:
            return None
        # DuckDB and Arrow take a second to load, which no other command needs.
        from obbligato.client.verify_reports import checked_sums
        from obbligato.metering.files import RejectedLines

        try:
            with watching() as watch:
                return checked_sums(self.files, self.usage, watch)
        except RejectedLines as error:
            for rejection in error.rejections[1:SHOWN_LINES]:
                warn(str(rejection))
            raise

    def sent(self, client: OracleClient) -> Usage:
        """The usage with its files, once the oracle has them."""
        with watching() as watch:
            uploaded = tuple(client.upload(path, progress=watch) for path in self.files)
        return Usage(
            model_id=self.usage.model_id,
            start=self.usage.start,
            end=self.usage.end,
            pricing=self.usage.pricing,
            total=self.usage.total,
            files=uploaded,
            rows=self.usage.rows,
            skip_invalid=self.usage.skip_invalid,
        )


def quote_usage(
    context: typer.Context,
    platform: PlatformOption,
    model: Model,
    start: Start,
    end: End,
    files: Files = None,
    rows: Rows = None,
    pricing: PricingOption = "METERED",
    total: Total = None,
    skip_invalid: SkipInvalid = False,
    timeout: Timeout = None,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask the oracle what usage would come to: checked, metered and priced; nothing is reported.

    \b
    Examples:
      obbligato platform quote march.jsonl --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01
    """
    wanted = _wanted(files, rows, model, (start, end), pricing, total, skip_invalid)
    client = client_of(
        session(context),
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
    )
    wanted.checked()
    with client:
        asked = client.quote(wanted.sent(client))
        found = client.wait(asked.id, State.QUOTED, timeout_seconds=timeout)
        _show(client, found, as_json=as_json)
    _end(found, State.QUOTED)


def submit_usage(
    context: typer.Context,
    platform: PlatformOption,
    model: Model,
    start: Start,
    end: End,
    files: Files = None,
    rows: Rows = None,
    zero: Annotated[
        bool, typer.Option("--zero", help="A zero statement: there was no use.")
    ] = False,
    pricing: PricingOption = "METERED",
    total: Total = None,
    skip_invalid: SkipInvalid = False,
    key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Idempotency key; default: the digest of the request."),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(min=0, max=UINT64_MAX, help="Sign no more than this, in millionths."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Sign without asking.")] = False,
    wait: Annotated[
        State, typer.Option(metavar="STATE", help="Wait for it; validated: do not sign.")
    ] = State.CHALLENGEABLE,
    timeout: Timeout = None,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Report usage: upload, have it metered, check what came of it, sign, and wait for the chain.

    Signed is only what was sent: model, period, rows and total are compared first. Run again with the
    same files it goes on where it was, and never reports twice.

    \b
    Examples:
      obbligato platform submit march.jsonl --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01
      obbligato platform submit a.csv b.csv --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01 \\
        --most 250000000 --yes --wait settled
      obbligato platform submit --zero --platform 1 --model 0x5f…9c --start 2026-04-01 --end 2026-05-01
    """
    wanted = _wanted(files, rows, model, (start, end), pricing, total, skip_invalid, zero=zero)
    run = session(context)
    signs = wait not in (State.RECEIVED, State.VALIDATED)
    client = client_of(
        run,
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
        must_sign=signs,
    )
    sums = wanted.checked()
    with client:
        usage = wanted.sent(client)
        asked = client.submit(usage, key=key)
        found = client.wait(asked.id, wait, timeout_seconds=timeout)
        # A report whose time ran out before the chain took it comes back to be signed once more.
        while signs and found.state is State.VALIDATED:
            expected = Expected(platform, usage, most, latest_deadline(run), sums)
            _sign(client, found, expected, agreed=yes)
            found = client.wait(asked.id, wait, timeout_seconds=timeout)
        _show(client, found, as_json=as_json)
    _end(found, wait)


def show_status(
    context: typer.Context,
    submission: SubmissionId,
    platform: PlatformOption,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a submission has come, with its rows and what the attesters said.

    \b
    Examples:
      obbligato platform status 3f2a… --platform 1
    """
    with client_of(
        session(context),
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
    ) as client:
        _show(client, client.status(submission), as_json=as_json)


def list_submissions(
    context: typer.Context,
    platform: PlatformOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="The newest so many.")] = 50,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """List what the platform sent to the oracle, newest first.

    \b
    Examples:
      obbligato platform list --platform 1
    """
    with client_of(
        session(context),
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
    ) as client:
        items = client.submissions(limit=limit).items
    data = {"submissions": [item.model_dump(mode="json", context=READABLE) for item in items]}
    show(data, as_json=as_json, render=lambda console: render_lines(console, items))


def take_back(
    context: typer.Context,
    submission: SubmissionId,
    platform: PlatformOption,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a submission back that is not signed yet.

    \b
    Examples:
      obbligato platform take-back 3f2a… --platform 1
    """
    with client_of(
        session(context),
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
    ) as client:
        _show(client, client.withdraw_submission(submission), as_json=as_json)


def _wanted(
    files: list[Path] | None,
    rows: Path | None,
    model: str,
    period: tuple[str, str],
    pricing: str,
    total: int | None,
    skip_invalid: bool,
    *,
    zero: bool = False,
) -> Wanted:
    given = [bool(files), rows is not None, zero]
    if given.count(True) != 1:
        raise InputError("give files of events, or --rows, or (to submit) --zero: one of them")
    usage = Usage(
        model_id=checked_bytes32(model),
        start=parse_moment(period[0]),
        end=parse_moment(period[1]),
        pricing=named(Pricing, pricing),
        total=total,
        rows=() if rows is None else tuple(read_rows(rows)),
        skip_invalid=skip_invalid,
    )
    return Wanted(tuple(files or ()), usage)


def _sign(client: OracleClient, found: Submission, expected: Expected, *, agreed: bool) -> None:
    """Show what is to be signed, ask, and sign it."""
    rows = client.all_rows(found)
    if not agreed:
        render_submission(stderr(), found, rows)
        if not sys.stdin.isatty():
            raise InputError("nobody is there to ask: look at the quote, then give --yes")
        total = sum(part.total_units for part in found.reports)
        typer.confirm(f"Sign for {money(total)}?", abort=True, err=True)
    client.sign(found, expected, rows)


def _show(client: OracleClient, found: Submission, *, as_json: bool) -> None:
    rows = client.all_rows(found)
    show(
        submission_data(found, rows),
        as_json=as_json,
        render=lambda console: render_submission(console, found, rows),
    )


def _end(found: Submission, wanted: State) -> None:
    """Exit with 1 where a submission did not get as far as was wanted."""
    if found.state.has_reached(wanted):
        return
    if found.state is State.UNFUNDED:
        warn("the escrow is short: run `obbligato platform deposit`, the oracle does the rest")
    raise typer.Exit(ExitCode.NO)
