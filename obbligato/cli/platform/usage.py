"""`obbligato platform quote|submit|status|list|take-back`: usage that goes to the oracle, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from obbligato.cli.commands import Commands
from obbligato.cli.options import (
    End,
    IdempotencyKey,
    Limit,
    Oracle,
    Price,
    Start,
    Timeout,
    Yes,
    confirm,
    latest_deadline,
    parse_period,
)
from obbligato.cli.output import (
    ExitCode,
    Result,
    facts,
    moment,
    money,
    print_text,
    progress,
    table,
    warn,
)
from obbligato.client.oracle import OracleClient
from obbligato.client.usage import Usage
from obbligato.client.verify_reports import Expected, Sums
from obbligato.documents.file_inputs import read_rows
from obbligato.errors import InputError
from obbligato.protocol.constants import UINT64_MAX
from obbligato.protocol.types import checked_bytes32
from obbligato.schemas.oracle import READABLE, Part, PricedRow, State, Submission

PRINTED_LINES: Final = 20

RowsByPart = Mapping[int, Sequence[PricedRow]]

SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="The submission's id.")]

app = Commands("Usage.")


@dataclass(frozen=True)
class UsageOptions:
    """Usage of a model in a period: files of events, or ready rows."""

    model: Annotated[str, typer.Option(help="The model: 0x and 64 hexadecimal digits.")]
    start: Start
    end: End
    price: Price
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="Usage events: .jsonl, .csv or .parquet, also .gz."
        ),
    ] = None
    rows: Annotated[
        Path | None,
        typer.Option(metavar="ROWS", help="Ready rows instead of events, as for `quote`."),
    ] = None
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave wrong lines out instead of refusing all.")
    ] = False

    def parse(self, *, zero: bool = False) -> Usage:
        """The usage, its files not uploaded yet; `zero`: a zero statement. Raises InputError."""
        if [bool(self.files), self.rows is not None, zero].count(True) != 1:
            raise InputError("give files of events, or --rows, or (to submit) --zero: one of them")
        start, end = parse_period(self.start, self.end)
        return Usage(
            model_id=checked_bytes32(self.model),
            start=start,
            end=end,
            pricing=self.price.kind(),
            total=self.price.total,
            rows=() if self.rows is None else tuple(read_rows(self.rows)),
            skip_invalid=self.skip_invalid,
        )

    def sums(self, usage: Usage) -> Sums | None:
        """What the files sum to; None without files. Warns of wrong lines before it raises RejectedLines."""
        if not self.files:
            return None
        # DuckDB and Arrow take a second to load, which no other command needs.
        from obbligato.client.verify_reports import checked_sums
        from obbligato.metering.files import RejectedLines

        try:
            with progress() as watch:
                return checked_sums(tuple(self.files), usage, watch)
        except RejectedLines as error:
            for rejection in error.rejections[1:PRINTED_LINES]:
                warn(str(rejection))
            raise

    def upload(self, client: OracleClient, usage: Usage) -> Usage:
        """The usage with its files, which the oracle then has."""
        with progress() as watch:
            files = tuple(client.upload(path, progress=watch) for path in self.files or ())
        return replace(usage, files=files)


@app.command("quote")
def quote_usage(oracle: Oracle, options: UsageOptions, timeout: Timeout = None) -> Result:
    """Ask the oracle for the price of usage: checked, metered and priced; nothing is reported.

    \b
    Examples:
      obbligato platform quote march.jsonl --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01
    """
    usage = options.parse()
    client = oracle.client()
    options.sums(usage)
    with client:
        quote = client.quote(options.upload(client, usage))
        submission = client.wait(quote.id, State.QUOTED, timeout_seconds=timeout)
        return _result(client, submission, State.QUOTED)


@app.command("submit")
def submit_usage(
    oracle: Oracle,
    options: UsageOptions,
    zero: Annotated[
        bool, typer.Option("--zero", help="A zero statement: there was no use.")
    ] = False,
    key: IdempotencyKey = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=0, max=UINT64_MAX, help="Sign for no more than this, in millionths of a dollar."
        ),
    ] = None,
    yes: Yes = False,
    wait: Annotated[
        State, typer.Option(metavar="STATE", help="Wait for it; validated: do not sign.")
    ] = State.CHALLENGEABLE,
    timeout: Timeout = None,
) -> Result:
    """Report usage: upload it, have it metered, check the result, sign, and wait for the chain.

    Signed is only what was sent: model, period, rows and total are compared first. Run again with the
    same files it goes on where it was, and never reports twice.

    \b
    Examples:
      obbligato platform submit march.jsonl --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01
      obbligato platform submit a.csv b.csv --platform 1 --model 0x5f…9c --start 2026-03-01 --end 2026-04-01 \\
        --most 250000000 --yes --wait settled
      obbligato platform submit --zero --platform 1 --model 0x5f…9c --start 2026-04-01 --end 2026-05-01
    """
    usage = options.parse(zero=zero)
    signs = wait not in (State.RECEIVED, State.VALIDATED)
    client = oracle.client(must_sign=signs)
    sums = options.sums(usage)
    with client:
        usage = options.upload(client, usage)
        submission_id = client.submit(usage, key=key).id
        submission = client.wait(submission_id, wait, timeout_seconds=timeout)
        # A report whose deadline passed before the chain took it comes back to be signed once more.
        while signs and submission.state is State.VALIDATED:
            latest = latest_deadline(oracle.session)
            expected = Expected(oracle.platform, usage, most, latest, sums)
            rows = client.all_rows(submission)
            if not yes:
                print_text(_submission_text(submission, rows), to_stderr=True)
                total = sum(part.total_units for part in submission.reports)
                confirm(f"Sign for {money(total)}?")
            client.sign(submission, expected, rows)
            submission = client.wait(submission_id, wait, timeout_seconds=timeout)
        return _result(client, submission, wait)


@app.command("status")
def show_status(submission: SubmissionId, oracle: Oracle) -> Result:
    """Show how far a submission has come, with its rows and the attesters' answers.

    \b
    Examples:
      obbligato platform status 3f2a… --platform 1
    """
    with oracle.client() as client:
        return _result(client, client.status(submission))


@app.command("list")
def list_submissions(oracle: Oracle, limit: Limit = 50) -> Result:
    """List what the platform sent to the oracle, newest first.

    \b
    Examples:
      obbligato platform list --platform 1
    """
    with oracle.client() as client:
        submissions = client.submissions(limit=limit).items
    data = [_json(each) for each in submissions]
    rows = [
        {
            **each,
            "from": each["period"]["start"],
            "until": each["period"]["end"],
            "use": "quote" if each["dry_run"] else "report",
        }
        for each in data
    ]
    return Result({"submissions": data}, table(rows, "id state use model_id from until pricing"))


@app.command("take-back")
def take_back(submission: SubmissionId, oracle: Oracle) -> Result:
    """Take a submission back that is not signed yet.

    \b
    Examples:
      obbligato platform take-back 3f2a… --platform 1
    """
    with oracle.client() as client:
        return _result(client, client.withdraw_submission(submission))


def _result(client: OracleClient, submission: Submission, goal: State | None = None) -> Result:
    """A submission with the rows of each part; exit code 1 where it has not reached `goal`."""
    rows = client.all_rows(submission)
    data = submission.model_dump(mode="json", context=READABLE, exclude={"salt"})
    for part in data["reports"]:
        part["priced_rows"] = [_json(row) for row in rows.get(part["part"], ())]
    missed = goal is not None and not submission.state.has_reached(goal)
    if missed and submission.state is State.UNFUNDED:
        warn("the escrow is short: run `obbligato platform deposit`, the oracle does the rest")
    code = ExitCode.NO if missed else ExitCode.OK
    return Result(data, *_submission_text(submission, rows), code=code)


def _submission_text(submission: Submission, rows: RowsByPart) -> list[str | Table]:
    """A submission for people: facts, rows by part, unlicensed use, and what is wrong."""
    text: list[str | Table] = [facts(_facts(submission))]
    for part in submission.reports:
        text += ["", *_part_text(part, rows.get(part.part, ()))]
    summary = submission.summary
    if summary is not None and summary.unlicensed_count:
        uses = [_json(use) for use in summary.unlicensed[:PRINTED_LINES]]
        text += [f"\nunlicensed: {summary.unlicensed_count} uses that no row may carry"]
        text += [table(uses, "license_id isrc tier metric quantity reason")]
    return [*text, *_problem_text(submission)]


def _facts(submission: Submission) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = [
        ("submission", submission.id),
        (
            "state",
            submission.state.value
            if not submission.waiting
            else f"{submission.state}: {submission.waiting}",
        ),
        ("model", "0x" + submission.model_id.hex()),
        ("period", f"{moment(submission.period.start)} to {moment(submission.period.end)}"),
    ]
    if submission.summary is not None:
        summary = submission.summary
        pairs += [
            (
                "events",
                f"{summary.events}, {summary.duplicates} repeated, {summary.skipped} left out",
            ),
            ("rows", f"{summary.rows} in {summary.parts} parts"),
            ("total", f"{money(summary.total_units)} {submission.pricing.name}"),
        ]
    return pairs


def _part_text(part: Part, rows: Sequence[PricedRow]) -> list[str | Table]:
    report = "no report id yet" if part.report_id is None else "0x" + part.report_id.hex()
    window = "" if part.window_end is None else f", contestable until {moment(part.window_end)}"
    waiting = "" if part.waiting is None else f": {part.waiting}"
    text: list[str | Table] = [
        f"part {part.part}, {report}, {part.state.value}{waiting}{window}",
        table(
            [_json(row) for row in rows[:PRINTED_LINES]],
            "license_id tier metric quantity split_id amount_units",
        ),
    ]
    if len(rows) > PRINTED_LINES:
        text.append(f"… and {len(rows) - PRINTED_LINES} more rows (--json prints all)")
    for answer in part.attestations:
        because = "" if answer.reason is None else f": {answer.reason}"
        text.append(f"attester {answer.signer or answer.url} {answer.outcome}{because}")
    return text


def _problem_text(submission: Submission) -> list[str]:
    """Why a submission was refused, or which of its lines were left out."""
    problem, summary = submission.problem, submission.summary
    if problem is not None:
        text = [f"\n{problem.title}: {problem.detail}"]
        errors, count = problem.errors, problem.error_count
    else:
        text, errors = [], () if summary is None else summary.rejections
        count = len(errors)
    text += [f"  {error}" for error in errors[:PRINTED_LINES]]
    if count > PRINTED_LINES:
        text.append(f"  … and {count - PRINTED_LINES} more")
    return text


def _json(row: Any) -> dict[str, Any]:
    data: dict[str, Any] = row.model_dump(mode="json", context=READABLE)
    return data
