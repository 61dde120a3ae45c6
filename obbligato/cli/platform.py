"""`obbligato platform`: a platform's registration and its money on the chain."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.audit.ledger import Ledger
from obbligato.cli import platform_keys as api_keys
from obbligato.cli import platform_submissions as submissions
from obbligato.cli.options import Keystore, PasswordFile, PlatformId, signer_of
from obbligato.cli.output import AsJson, facts, moment, money, show, table
from obbligato.cli.session import session
from obbligato.client import platform as acts
from obbligato.errors import NotFound
from obbligato.protocol.constants import UINT64_MAX
from obbligato.protocol.types import checked_address

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="For AI platforms: register, pay, report use."
)
app.command("quote")(submissions.quote_usage)
app.command("submit")(submissions.submit_usage)
app.command("status")(submissions.show_status)
app.command("list")(submissions.list_submissions)
app.command("take-back")(submissions.take_back)
app.add_typer(api_keys.app, name="key")

Units = Annotated[
    int,
    typer.Argument(metavar="AMOUNT", min=1, max=UINT64_MAX, help="In millionths of a dollar."),
]


@app.command("register")
def register_platform(
    context: typer.Context,
    reporter: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="A key that signs reports; repeat it.")
    ],
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    bond: Annotated[
        int | None,
        typer.Option(min=1, max=UINT64_MAX, help="In millionths of a dollar; default: the least."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register a platform; the keystore's account becomes its admin. Prints the platform's number.

    The vault is allowed to take exactly the bond, and takes it. By registering you accept that the
    usage oracle and the disputes of this deployment spend the platform's escrow by their rules.

    \b
    Examples:
      obbligato platform register --keystore admin.json --reporter 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    reporters = [checked_address(address) for address in reporter]
    signer = signer_of(keystore, password_file)
    chain = session(context).chain()
    number = acts.register(chain, signer, reporters=reporters, bond=bond)
    escrow = acts.escrow_of(chain, number)
    data = {
        "platform_id": number,
        "admin": signer.address,
        "reporters": reporters,
        "bond_units": escrow.bond,
    }

    def render(console: Console) -> None:
        console.print(f"platform {number}, admin {signer.address}, bond {money(escrow.bond)}")

    show(data, as_json=as_json, render=render)


@app.command("deposit")
def deposit_escrow(
    context: typer.Context,
    platform: PlatformId,
    amount: Units,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Add dollars to a platform's escrow; anyone may. The vault is allowed to take exactly that much.

    \b
    Examples:
      obbligato platform deposit 1 250000000 --keystore admin.json    # 250 dollars
    """
    signer = signer_of(keystore, password_file)
    escrow = acts.deposit(session(context).chain(), signer, platform, amount)

    def render(console: Console) -> None:
        console.print(
            f"platform {platform}: {money(amount)} deposited, {money(escrow.available)} available"
        )

    data = {"platform_id": platform, "deposited_units": amount, "available_units": escrow.available}
    show(data, as_json=as_json, render=render)


@app.command("withdraw")
def withdraw_escrow(
    context: typer.Context,
    platform: PlatformId,
    amount: Annotated[
        int | None,
        typer.Argument(
            metavar="[AMOUNT]",
            min=1,
            max=UINT64_MAX,
            help="In millionths of a dollar; default: all that is available.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Add to a running thaw; its time begins anew.")
    ] = False,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take money out of the escrow, in two steps: start its thaw, and once that is over run this again.

    While money thaws it still pays reports and rulings, and a new report delays it.

    \b
    Examples:
      obbligato platform withdraw 1 100000000 --keystore admin.json
      obbligato platform withdraw 1 --keystore admin.json
    """
    signer = signer_of(keystore, password_file)
    chain = session(context).chain()
    done = acts.withdraw(chain, signer, platform, amount, restart=restart)

    def render(console: Console) -> None:
        if done.withdrawn:
            console.print(f"platform {platform}: {money(done.withdrawn)} withdrawn")
        else:
            console.print(
                f"platform {platform}: {money(done.thawing)} thaws until {moment(done.ends_at)}; "
                "run this again then"
            )

    data = {
        "platform_id": platform,
        "withdrawn_units": done.withdrawn,
        "thawing_units": done.thawing,
        "thaw_ends_at": done.ends_at,
    }
    show(data, as_json=as_json, render=render)


@app.command("show")
def show_platform(context: typer.Context, platform: PlatformId, as_json: AsJson = False) -> None:
    """Show a platform: its escrow, its obligations, and until when each model's use is reported.

    \b
    Examples:
      obbligato platform show 1
      obbligato platform show 1 --json | jq .streams
    """
    run = session(context)
    chain = run.chain()
    reading = run.reading(chain)
    escrow = acts.escrow_of(chain, platform)
    data = {"block": reading.block, **platform_statement(reading.ledger, platform)}
    data["thaw_ends_at"] = escrow.thaw_ends_at or None
    show(data, as_json=as_json, render=lambda console: _render_platform(console, data))


def platform_statement(ledger: Ledger, platform: int) -> dict[str, Any]:
    """What the ledger says of a platform: plain data. Raises NotFound."""
    known = ledger.platforms.get(platform)
    if known is None:
        raise NotFound(f"no platform {platform}: there are {len(ledger.platforms)}")
    streams = [
        {
            "model_id": "0x" + model.hex(),
            "reports": stream.sequence,
            "covered_until": stream.covered_until,
        }
        for (owner, model), stream in ledger.streams.items()
        if owner == platform
    ]
    reserved = sum(units for (_, owner), units in ledger.reserved.items() if owner == platform)
    return {
        "platform_id": platform,
        "admin": known.admin,
        "available_units": known.available,
        "reserved_units": reserved,
        "thawing_units": known.thawing,
        "bond_units": known.bond,
        "obligations": known.obligations,
        "closing": known.closing,
        "streams": streams,
    }


def _render_platform(console: Console, data: dict[str, Any]) -> None:
    console.print(
        facts(
            [
                ("platform", data["platform_id"]),
                ("admin", data["admin"]),
                ("available", money(data["available_units"])),
                ("reserved", money(data["reserved_units"])),
                ("thawing", f"{money(data['thawing_units'])} until {moment(data['thaw_ends_at'])}"),
                ("bond", money(data["bond_units"])),
                ("obligations", data["obligations"]),
                ("closing", "yes" if data["closing"] else "no"),
            ]
        )
    )
    rows = [(s["model_id"], s["reports"], moment(s["covered_until"])) for s in data["streams"]]
    console.print()
    console.print(table(("model", "reports ", "reported until"), rows))
