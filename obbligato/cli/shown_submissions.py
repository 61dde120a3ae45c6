"""How submissions, their rows and API keys are shown on a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from obbligato.cli.output import facts, moment, money, table
from obbligato.client.models import KnownKey, Part, PricedRow, Submission, SubmissionLine

SHOWN_LINES = 20

RowsByPart = Mapping[int, Sequence[PricedRow]]


def submission_data(found: Submission, rows: RowsByPart) -> dict[str, Any]:
    """A submission with the rows of each part, as JSON."""
    data = found.model_dump(mode="json")
    for part in data["reports"]:
        part["priced_rows"] = [row.model_dump(mode="json") for row in rows.get(part["part"], ())]
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
