"""`obbligato report` and `obbligato quote`: what was reported, and what a report would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from obbligato.audit.statements import find_report, report_statement, report_summary
from obbligato.chain.quote import has_grant, quote
from obbligato.cli.commands import Commands
from obbligato.cli.options import End, Grantee, Price, Start, parse_period
from obbligato.cli.output import Result, facts, moment, money, table
from obbligato.cli.session import Session
from obbligato.documents.file_inputs import read_rows
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import Pricing

app = Commands("List and show reports.")


@app.command("list")
def list_reports(session: Session) -> Result:
    """List every report the chain accepted, in order.

    \b
    Examples:
      obbligato report list
      obbligato report list --json | jq '.reports[] | select(.state == "pending")'
    """
    reading = session.reading(session.chain())
    reports = [report_summary(report) for report in reading.ledger.reports.values()]
    return Result(
        {"block": reading.block, "reports": reports},
        table(
            reports,
            "report_id state platform_id period_start period_end pricing row_count total_units",
        ),
    )


@app.command("show")
def show_report(
    session: Session,
    report_id: Annotated[
        str, typer.Argument(metavar="ID", help="The report's id, or how it begins.")
    ],
) -> Result:
    """Show one report: its header, every row with its credit, its challenges.

    \b
    Examples:
      obbligato report show 0x5f3a9c
      obbligato report show 0x5f3a9c --json | jq '.rows | map(.amount_units) | add'
    """
    reading = session.reading(session.chain())
    data = report_statement(reading.ledger, find_report(reading.ledger, report_id))
    header = facts(
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
    rows = [{**row, "note": "held" if row["held"] else ""} for row in data["rows"]]
    challenges = [_challenge_line(each) for each in data["challenges"]]
    data = {"block": reading.block, **data}
    return Result(
        data,
        header,
        "",
        table(rows, "row license_id tier metric quantity split_id amount_units note"),
        *challenges,
    )


def _challenge_line(challenge: dict[str, Any]) -> str:
    ruled = challenge["ruled_quantity"]
    return (
        f"challenge {challenge['challenge_id']} of licence {challenge['license_id']} "
        f"{challenge['tier']} {challenge['metric']}: {challenge['reported_quantity']} reported, "
        f"{challenge['claimed_quantity']} claimed, {'not ruled' if ruled is None else f'ruled {ruled}'}, "
        f"{'open' if challenge['open'] else 'closed'}"
    )


def quote_rows(
    session: Session,
    rows_file: Annotated[
        Path, typer.Argument(metavar="ROWS", help="A .csv or .jsonl file of usage rows.")
    ],
    start: Start,
    end: End,
    price: Price,
    grantee: Grantee,
) -> Result:
    """Price usage rows as the registry would; nothing is sent. A refusal names the first bad row.

    Columns: license_id,tier,metric,quantity. Tiers and metrics by number or name, quantities in
    millionths of a unit, rows in ascending order of licence, tier and metric, counted from 0.

    \b
    Examples:
      obbligato quote rows.csv --start 2026-01-01T00:00:00Z --end 2026-02-01T00:00:00Z
      obbligato quote rows.jsonl --pricing POOL --total 40000000000 --start 1767225600 --end 1769904000
    """
    kind, holder = price.kind(), grantee.parse()
    if (kind is Pricing.POOL) != (price.total is not None):
        raise InputError("--total is what a POOL shares: give it with POOL, and only then")
    first, last = parse_period(start, end)
    rows = read_rows(rows_file)
    chain = session.chain()
    quoted = quote(chain, rows, pricing=kind, total=price.total or 0, start=first, end=last)
    if holder is not None:
        platform, model_id = holder
        for number in quoted.grants_needed:
            row = rows[number]
            if not has_grant(
                chain, row, platform_id=platform, model_id=model_id, start=first, end=last
            ):
                raise RefusedError(
                    f"licence {row.license_id} asks for a grant for {row.tier.name}, and platform "
                    f"{platform} has none for this model and period: buy one",
                    row=number,
                )
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
    noted = [{**each, "note": "needs a grant" if each["grant_needed"] else ""} for each in priced]
    return Result(
        {"pricing": kind.name, "total_units": quoted.total, "rows": priced},
        table(noted, "row license_id tier metric quantity amount_units note"),
        f"quote: {money(quoted.total)} {kind.name} for {len(rows)} rows",
    )
