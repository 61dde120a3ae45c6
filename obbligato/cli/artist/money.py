"""`obbligato artist earnings|balance|statement|claim|redirect|guard|contest`: money, and what to do if it is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from obbligato.cli.artist.acts import Signing
from obbligato.cli.commands import Commands
from obbligato.cli.options import Account, LicenseOption, Payee, write_file
from obbligato.cli.output import AsJson, Result, facts, money, table
from obbligato.client.verify_acts import BoundedChallengeRequest
from obbligato.documents.file_inputs import named, read_bytes
from obbligato.errors import InputError
from obbligato.protocol.constants import UINT64_MAX, Metric, Tier
from obbligato.protocol.types import checked_address, checked_bytes32
from obbligato.schemas.acts import (
    MOST_EVIDENCE,
    ClaimRequest,
    GuardClaimsRequest,
    RedirectRequest,
)

FORMATS: Final = ("pdf", "csv", "json", "parquet")
GROUPS: Final = (
    "month",
    "platform_id",
    "model_id",
    "license_id",
    "split_id",
    "tier",
    "metric",
    "source",
)

app = Commands("Money.")


@app.command("earnings")
def show_earnings(
    payee: Payee,
    by: Annotated[
        list[str] | None,
        typer.Option(help=f"Group by it; repeat it: {', '.join(GROUPS)}. Default: month."),
    ] = None,
    month: Annotated[str | None, typer.Option(help="Only this month, as 2026-10.")] = None,
    license_id: LicenseOption = None,
    limit: Annotated[int, typer.Option(min=1, help="So many lines at most.")] = 1_000,
) -> Result:
    """Show what was earned, in groups.

    \b
    Examples:
      obbligato artist earnings
      obbligato artist earnings --by month --by platform_id --by license_id
      obbligato artist earnings --month 2026-10 --by tier --json | jq '.earnings[].amount_units'
    """
    groups = by or ["month"]
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no group: use {', '.join(GROUPS)}", field="by")
    account = payee.account
    lines: list[Mapping[str, Any]] = []
    with payee.client() as client:
        cursor = None
        while len(lines) < limit:
            page = client.earnings(
                account,
                by=groups,
                month=month,
                license_id=license_id,
                limit=min(200, limit - len(lines)),
                cursor=cursor,
            )
            lines += page.items
            cursor = page.next
            if cursor is None:
                break
    rows = [{**dict.fromkeys(groups), **line} for line in lines]
    total = sum(int(line["amount_units"]) for line in lines)
    return Result(
        {"earnings": lines},
        table(rows, " ".join([*groups, "amount_units"])),
        f"together {money(total)}",
    )


@app.command("balance")
def show_balance(payee: Payee) -> Result:
    """Show what is pending, what can be claimed and what was paid.

    \b
    Examples:
      obbligato artist balance
      obbligato artist balance --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    account = payee.account
    with payee.client() as client:
        balance = client.balance(account)
    text = facts(
        [
            ("account", balance["account"]),
            ("paid to", balance["recipient"]),
            ("pending", money(int(balance["pending_units"]))),
            ("held by challenges", money(int(balance["held_units"]))),
            ("claimable", money(int(balance["claimable_units"]))),
            ("paid", money(int(balance["paid_units"]))),
            ("as of block", f"{balance['as_of_block']} ({balance['certainty']})"),
        ]
    )
    return Result(balance, text)


@app.command("statement")
def save_statement(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="As 2026-10.")],
    payee: Payee,
    format_: Annotated[str, typer.Option("--format", help="pdf, csv, json or parquet.")] = "pdf",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to. Default: statement-MONTH.FORMAT; - for stdout."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save the statement of a month: every credit with platform, recording, use, rate, share and amount.

    \b
    Examples:
      obbligato artist statement 2026-10
      obbligato artist statement 2026-10 --format csv --output october.csv
      obbligato artist statement 2026-10 --json | jq .
    """
    if format_ not in FORMATS:
        raise InputError(f"{format_!r} is no format: use {', '.join(FORMATS)}", field="format")
    account = payee.account
    with payee.client() as client:
        data = client.statement(month, "json" if as_json else format_, account)
    if as_json:
        typer.echo(json.dumps(json.loads(data), indent=2, ensure_ascii=False))
    elif str(output) == "-":
        sys.stdout.buffer.write(data)
    else:
        target = output or Path(f"statement-{month}.{format_}")
        write_file(target, data, field="output")
        typer.echo(f"{target}: {len(data)} bytes")


@app.command("claim")
def claim_earnings(
    signing: Signing,
    minimum: Annotated[
        int,
        typer.Option(
            min=1, max=UINT64_MAX, help="Claim nothing below it, in millionths of a dollar."
        ),
    ] = 1,
    to: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send it there. Default: to you.")
    ] = None,
) -> Result:
    """Take all that your splits have earned, in one transaction that is paid for you.

    \b
    Examples:
      obbligato artist claim
      obbligato artist claim --minimum 5000000 --yes    # once it is five dollars
    """
    recipient = None if to is None else checked_address(to)
    return signing.run(ClaimRequest(to=recipient, minimum_units=minimum))


@app.command("redirect")
def redirect_claims(to: Account, signing: Signing) -> Result:
    """Have later claims sent to another account, whoever starts them. Your own account undoes it.

    \b
    Examples:
      obbligato artist redirect 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC
    """
    return signing.run(RedirectRequest(to=checked_address(to)))


@app.command("guard")
def guard_claims(
    signing: Signing,
    off: Annotated[bool, typer.Option("--off", help="Let everybody claim for you again.")] = False,
) -> Result:
    """Let nobody else claim for you: what you have earned stays to pay the bond if you contest a row.

    \b
    Examples:
      obbligato artist guard
      obbligato artist guard --off
    """
    return signing.run(GuardClaimsRequest(guarded=not off))


@app.command("contest")
def contest_row(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="The report: 0x and 64 digits.")],
    license_id: Annotated[
        int, typer.Option("--license", min=1, max=2**32 - 1, help="The licence of the row.")
    ],
    tier: Annotated[str, typer.Option(help="Its tier, by name or number.")],
    metric: Annotated[str, typer.Option(help="Its metric, by name or number.")],
    quantity: Annotated[
        int, typer.Option(min=0, max=UINT64_MAX, help="What it should be, in millionths of a unit.")
    ],
    signing: Signing,
    evidence: Annotated[
        str | None, typer.Option(metavar="CID", help="A public document that proves it.")
    ] = None,
    evidence_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Or a text file, which becomes public for ever."),
    ] = None,
    most_bond: Annotated[
        int,
        typer.Option(min=0, max=UINT64_MAX, help="The largest bond, in millionths of a dollar."),
    ] = UINT64_MAX,
) -> Result:
    """Contest one row of a report. The bond comes out of what you earned: neither gas nor cash is needed.

    The arbiter decides. Whoever is nearer wins half of the other's bond; if the arbiter does not rule, the
    report stands and nine tenths of your bond return.

    \b
    Examples:
      obbligato artist contest 0x5f…9c --license 1 --tier GENERATIVE --metric PLAYBACK --quantity 90000000000 \\
        --evidence-file heard.txt
    """
    return signing.run(
        BoundedChallengeRequest(
            report_id=checked_bytes32(report),
            license_id=license_id,
            tier=named(Tier, tier).name,
            metric=named(Metric, metric).name,
            claimed_quantity=quantity,
            evidence=evidence,
            evidence_text=None if evidence_file is None else _read_text(evidence_file),
            most_bond_units=most_bond,
        )
    )


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path, most=MOST_EVIDENCE).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8", field="evidence") from None
