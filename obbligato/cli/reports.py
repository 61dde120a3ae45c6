"""`obbligato report` and `obbligato quote`: what was reported, and what a report would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.audit.statements import find_report, report_statement, report_summary
from obbligato.chain.client import Chain
from obbligato.chain.quote import has_grant, quote
from obbligato.cli.output import AsJson, facts, moment, money, show, table
from obbligato.cli.session import session
from obbligato.documents.file_inputs import named, read_rows
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import UINT64_MAX, Pricing
from obbligato.protocol.rows import Row
from obbligato.protocol.types import checked_bytes32
from obbligato.times import parse_moment

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and show reports.")


@app.command("list")
def list_reports(context: typer.Context, as_json: AsJson = False) -> None:
    """List every report the chain accepted, in order.

    \b
    Examples:
      obbligato report list
      obbligato report list --json | jq '.reports[] | select(.state == "pending")'
    """
    run = session(context)
    reading = run.reading(run.chain())
    listed = [report_summary(report) for report in reading.ledger.reports.values()]

    def render(console: Console) -> None:
        rows = [
            (
                r["report_id"],
                r["state"],
                r["platform_id"],
                moment(r["period_start"]),
                moment(r["period_end"]),
                r["pricing"],
                r["row_count"],
                money(r["total_units"]),
            )
            for r in listed
        ]
        columns = ("report", "state", "platform ", "from", "until", "pricing", "rows ", "total ")
        console.print(table(columns, rows))

    show({"block": reading.block, "reports": listed}, as_json=as_json, render=render)


@app.command("show")
def show_report(
    context: typer.Context,
    report_id: Annotated[
        str, typer.Argument(metavar="ID", help="The report's id, or how it begins.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show one report: its header, every row with what it was credited, its challenges.

    \b
    Examples:
      obbligato report show 0x5f3a9c
      obbligato report show 0x5f3a9c --json | jq '.rows | map(.amount_units) | add'
    """
    run = session(context)
    reading = run.reading(run.chain())
    data = report_statement(reading.ledger, find_report(reading.ledger, report_id))
    show(
        {"block": reading.block, **data},
        as_json=as_json,
        render=lambda console: _render_report(console, data),
    )


def _render_report(console: Console, data: dict[str, Any]) -> None:
    console.print(
        facts(
            [
                ("report", data["report_id"]),
                ("state", data["state"]),
                ("platform", f"{data['platform_id']}, by {data['reporter']}"),
                ("model", data["model_id"]),
                ("number", data["sequence"]),
                ("period", f"{moment(data['period_start'])} to {moment(data['period_end'])}"),
                ("window ends", moment(data["window_end"])),
                ("evidence", data["evidence"]),
                ("total", f"{money(data['total_units'])} {data['pricing']}"),
                ("settled", money(data["settled_units"])),
                ("by rulings", money(data["ruled_units"])),
            ]
        )
    )
    console.print()
    rows = [
        (
            r["row"],
            r["license_id"],
            r["tier"],
            r["metric"],
            r["quantity"],
            r["split_id"],
            money(r["amount_units"]),
            "held" if r["held"] else "",
        )
        for r in data["rows"]
    ]
    columns = ("row ", "licence ", "tier", "metric", "millionths ", "split ", "amount ", "")
    console.print(table(columns, rows))
    for c in data["challenges"]:
        ruled = "not ruled" if c["ruled_quantity"] is None else f"ruled {c['ruled_quantity']}"
        state = "open" if c["open"] else "closed"
        console.print(
            f"challenge {c['challenge_id']} of licence {c['license_id']} {c['tier']} {c['metric']}: "
            f"{c['reported_quantity']} reported, {c['claimed_quantity']} claimed, {ruled}, {state}"
        )


def quote_rows(
    context: typer.Context,
    rows_file: Annotated[
        Path, typer.Argument(metavar="ROWS", help="A .csv or .jsonl file of usage rows.")
    ],
    start: Annotated[str, typer.Option(help="Start of the period: seconds or ISO 8601.")],
    end: Annotated[str, typer.Option(help="Its end, which is not part of it.")],
    pricing: Annotated[str, typer.Option(help="METERED or POOL.")] = "METERED",
    total: Annotated[
        int | None,
        typer.Option(min=0, max=UINT64_MAX, help="What a POOL shares, in millionths of a dollar."),
    ] = None,
    platform: Annotated[
        int | None, typer.Option(min=1, max=2**32 - 1, help="Check this platform's grants.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="For this model: 0x and 64 digits; with --platform.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Price usage rows as the registry would; nothing is sent. A refusal names the first bad row.

    Columns: license_id,tier,metric,quantity. Tiers and metrics by number or name, quantities in
    millionths of a unit, rows in ascending order of licence, tier and metric, counted from 0.

    \b
    Examples:
      obbligato quote rows.csv --start 2026-01-01T00:00:00Z --end 2026-02-01T00:00:00Z
      obbligato quote rows.jsonl --pricing POOL --total 40000000000 --start 1767225600 --end 1769904000
    """
    kind = named(Pricing, pricing)
    if (platform is None) != (model is None):
        raise InputError("give --platform and --model together: a grant is of both")
    if (kind is Pricing.POOL) != (total is not None):
        raise InputError("--total is what a POOL shares: give it with POOL, and only then")
    period = (parse_moment(start), parse_moment(end))
    model_id = None if model is None else checked_bytes32(model)
    rows = read_rows(rows_file)
    chain = session(context).chain()
    quoted = quote(chain, rows, pricing=kind, total=total or 0, start=period[0], end=period[1])
    if platform is not None and model_id is not None:
        for row in quoted.grants_needed:
            _check_grant(chain, rows[row], row, platform, model_id, period)
    priced: list[dict[str, Any]] = [
        {
            "row": number,
            "license_id": row.license_id,
            "tier": row.tier.name,
            "metric": row.metric.name,
            "quantity": row.quantity,
            "split_id": credit.split_id,
            "amount_units": credit.amount,
            "grant_needed": number in quoted.grants_needed,
        }
        for number, (row, credit) in enumerate(zip(rows, quoted.credits, strict=True))
    ]

    def render(console: Console) -> None:
        lines = [
            (
                r["row"],
                r["license_id"],
                r["tier"],
                r["metric"],
                r["quantity"],
                money(r["amount_units"]),
                "needs a grant" if r["grant_needed"] else "",
            )
            for r in priced
        ]
        columns = ("row ", "licence ", "tier", "metric", "millionths ", "amount ", "")
        console.print(table(columns, lines))
        console.print(f"quote: {money(quoted.total)} {kind.name} for {len(rows)} rows")

    show(
        {"pricing": kind.name, "total_units": quoted.total, "rows": priced},
        as_json=as_json,
        render=render,
    )


def _check_grant(
    chain: Chain, row: Row, number: int, platform: int, model_id: bytes, period: tuple[int, int]
) -> None:
    start, end = period
    if not has_grant(chain, row, platform_id=platform, model_id=model_id, start=start, end=end):
        raise RefusedError(
            f"licence {row.license_id} asks for a grant for {row.tier.name}, and platform "
            f"{platform} has none for this model and period: buy one",
            row=number,
        )
