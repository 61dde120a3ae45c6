"""`obbligato payee`: what an account has earned and may take."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from obbligato.audit.statements import payee_statement
from obbligato.cli.output import AsJson, facts, money, show, table, warn
from obbligato.cli.session import session
from obbligato.protocol.types import checked_address

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Ask what payees may take.")


@app.command("claimable")
def claimable(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="0x and 40 digits.")],
    as_json: AsJson = False,
) -> None:
    """Show an account's splits, what it may claim, its refunds, and what it was paid.

    Computed from the events by the rules, and compared with what the vault would pay.

    \b
    Examples:
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --json
    """
    checked_address(account)
    run = session(context)
    chain = run.chain()
    reading = run.reading(chain)
    data = payee_statement(reading.ledger, account)
    payee, split_ids = data["account"], [split["split_id"] for split in data["splits"]]
    vault = chain.call("RoyaltyVault", "claimable", payee, split_ids, block=reading.block)
    if vault != data["claimable_units"]:
        warn(f"the vault would pay {money(vault)}: see `obbligato recompute`")
    recipient = chain.call("RoyaltyVault", "recipientOf", payee, block=reading.block)
    data = {"block": reading.block, "recipient": recipient, **data}

    def render(console: Console) -> None:
        console.print(
            facts(
                [
                    ("account", payee),
                    ("paid to", recipient),
                    ("claimable", money(data["claimable_units"])),
                    ("of it refunds", money(data["refunds_units"])),
                    ("paid so far", money(data["paid_units"])),
                ]
            )
        )
        rows = [
            (
                s["split_id"],
                s["share_ppm"],
                money(s["received_units"]),
                money(s["entitled_units"]),
                money(s["claimed_units"]),
                money(s["claimable_units"]),
            )
            for s in data["splits"]
        ]
        columns = ("split ", "share ppm ", "received ", "entitled ", "claimed ", "claimable ")
        console.print()
        console.print(table(columns, rows))

    show(data, as_json=as_json, render=render)
