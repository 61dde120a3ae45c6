"""`obbligato artist earnings|balance|statement|claim|redirect|contest`: money, and what to do where it is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.cli.artist_acts import (
    BackendUrl,
    Finally,
    Timeout,
    Yes,
    carry_out,
    client_of,
    show_act,
)
from obbligato.cli.options import Keystore, PasswordFile
from obbligato.cli.output import AsJson, facts, money, show, table
from obbligato.cli.session import session
from obbligato.client.requests import ChallengeAsked, ClaimAsked, RedirectAsked
from obbligato.documents.file_inputs import named, read_bytes
from obbligato.errors import InputError
from obbligato.protocol.constants import UINT64_MAX, Metric, Tier
from obbligato.protocol.types import checked_address, checked_bytes32

MOST_EVIDENCE = 200_000
FORMATS = ("pdf", "csv", "json", "parquet")
GROUPS = (
    "month",
    "platform_id",
    "model_id",
    "license_id",
    "split_id",
    "tier",
    "metric",
    "source",
)

Payee = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Whose; default: the keystore's account."),
]


def show_earnings(
    context: typer.Context,
    by: Annotated[
        list[str] | None,
        typer.Option(help=f"Group by it; repeat it: {', '.join(GROUPS)}. Default: month."),
    ] = None,
    month: Annotated[str | None, typer.Option(help="Only this month, as 2026-10.")] = None,
    license_id: Annotated[
        int | None, typer.Option("--license", min=1, max=2**32 - 1, help="Only this licence.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many lines at most.")] = 1_000,
    payee: Payee = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
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
    account = _account(payee)
    found: list[Mapping[str, Any]] = []
    with client_of(session(context), url, keystore, password_file, signs=account is None) as client:
        cursor = None
        while len(found) < limit:
            page = client.earnings(
                account,
                by=groups,
                month=month,
                license_id=license_id,
                limit=min(200, limit - len(found)),
                cursor=cursor,
            )
            found += page.items
            cursor = page.next
            if cursor is None:
                break

    def render(console: Console) -> None:
        rows = [
            (*(_said(line.get(name)) for name in groups), money(int(line["amount_units"])))
            for line in found
        ]
        console.print(table((*groups, "amount "), rows))
        console.print(f"together {money(sum(int(line['amount_units']) for line in found))}")

    show({"earnings": found}, as_json=as_json, render=render)


def show_balance(
    context: typer.Context,
    payee: Payee = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what is pending, what can be claimed and what was paid.

    \b
    Examples:
      obbligato artist balance
      obbligato artist balance --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    account = _account(payee)
    with client_of(session(context), url, keystore, password_file, signs=account is None) as client:
        found = client.balance(account)

    def render(console: Console) -> None:
        console.print(
            facts(
                [
                    ("account", found["account"]),
                    ("paid to", found["recipient"]),
                    ("pending", money(int(found["pending_units"]))),
                    ("held by challenges", money(int(found["held_units"]))),
                    ("claimable", money(int(found["claimable_units"]))),
                    ("paid", money(int(found["paid_units"]))),
                    ("as of block", f"{found['as_of_block']} ({found['certainty']})"),
                ]
            )
        )

    show(found, as_json=as_json, render=render)


def save_statement(
    context: typer.Context,
    month: Annotated[str, typer.Argument(metavar="MONTH", help="As 2026-10.")],
    format_: Annotated[str, typer.Option("--format", help="pdf, csv, json or parquet.")] = "pdf",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to; default: statement-MONTH.FORMAT; - for stdout."
        ),
    ] = None,
    payee: Payee = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
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
    account = _account(payee)
    with client_of(session(context), url, keystore, password_file, signs=account is None) as client:
        data = client.statement(month, "json" if as_json else format_, account)
    if as_json:
        typer.echo(json.dumps(json.loads(data), indent=2, ensure_ascii=False))
        return
    if str(output) == "-":
        sys.stdout.buffer.write(data)
        return
    target = output or Path(f"statement-{month}.{format_}")
    try:
        target.write_bytes(data)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}", field="output") from error
    typer.echo(f"{target}: {len(data)} bytes")


def claim_earnings(
    context: typer.Context,
    minimum: Annotated[
        int, typer.Option(min=1, max=UINT64_MAX, help="Not if it is less, millionths of a dollar.")
    ] = 1,
    to: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send it there; default: to you.")
    ] = None,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take all that your splits have earned, in one transaction that is paid for you.

    \b
    Examples:
      obbligato artist claim
      obbligato artist claim --minimum 5000000 --yes    # once it is five dollars
    """
    asked = ClaimAsked(None if to is None else checked_address(to), minimum)
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def redirect_claims(
    context: typer.Context,
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to; your own: back to you.")],
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Have later claims sent to another account, whoever starts them. Your own account undoes it.

    \b
    Examples:
      obbligato artist redirect 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC
    """
    asked = RedirectAsked(checked_address(to))
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def contest_row(
    context: typer.Context,
    report: Annotated[str, typer.Argument(metavar="REPORT", help="The report: 0x and 64 digits.")],
    license_id: Annotated[int, typer.Option("--license", min=1, max=2**32 - 1, help="Whose row.")],
    tier: Annotated[str, typer.Option(help="Its tier, by name or number.")],
    metric: Annotated[str, typer.Option(help="Its metric, by name or number.")],
    quantity: Annotated[
        int,
        typer.Option(min=0, max=UINT64_MAX, help="What it should be, in millionths of a unit."),
    ],
    evidence: Annotated[
        str | None, typer.Option(metavar="CID", help="A public document that shows it.")
    ] = None,
    evidence_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Or a text file, which becomes public for ever."),
    ] = None,
    most_bond: Annotated[
        int,
        typer.Option(min=0, max=UINT64_MAX, help="Put up no more, in millionths of a dollar."),
    ] = UINT64_MAX,
    yes: Yes = False,
    final: Finally = False,
    timeout: Timeout = None,
    url: BackendUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Contest one row of a report. The bond comes out of what you earned: neither gas nor cash is needed.

    The arbiter decides. Whoever is nearer wins the half of the other's bond; if it is silent, the report stands
    and your bond returns.

    \b
    Examples:
      obbligato artist contest 0x5f…9c --license 1 --tier GENERATIVE --metric PLAYBACK --quantity 90000000000 \\
        --evidence-file heard.txt
    """
    asked = ChallengeAsked(
        report_id=checked_bytes32(report),
        license_id=license_id,
        tier=named(Tier, tier),
        metric=named(Metric, metric),
        claimed_quantity=quantity,
        evidence=evidence,
        evidence_text=None if evidence_file is None else _text(evidence_file),
        most_bond_units=most_bond,
    )
    run = session(context)
    with client_of(run, url, keystore, password_file) as client:
        act = carry_out(run, client, asked, yes=yes, final=final, timeout=timeout)
    show_act(act, as_json=as_json)


def _account(payee: str | None) -> str | None:
    return None if payee is None else checked_address(payee)


def _text(path: Path) -> str:
    try:
        return read_bytes(path, most=MOST_EVIDENCE).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8", field="evidence") from None


def _said(value: object) -> str:
    return "-" if value is None else str(value)
