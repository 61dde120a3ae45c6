"""`obbligato platform register|deposit|withdraw|show`: a platform's registration and its money on the chain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from obbligato.audit.ledger import Ledger
from obbligato.cli.commands import Commands
from obbligato.cli.options import Keys, PlatformId, Session
from obbligato.cli.output import Result, facts_of, moment, money, table
from obbligato.client import platform as escrows
from obbligato.errors import NotFound
from obbligato.protocol.constants import UINT64_MAX
from obbligato.protocol.types import checked_address

app = Commands("Registration and escrow.")


@app.command("register")
def register_platform(
    session: Session,
    reporter: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="A key that signs reports; repeat it.")
    ],
    keys: Keys,
    bond: Annotated[
        int | None,
        typer.Option(
            min=1, max=UINT64_MAX, help="In millionths of a dollar. Default: the smallest allowed."
        ),
    ] = None,
) -> Result:
    """Register a platform; the keystore's account becomes its admin. Prints the platform's number.

    The vault is allowed to take exactly the bond, and takes it. By registering you accept that the
    usage oracle and the disputes of this deployment spend the platform's escrow by their rules.

    \b
    Examples:
      obbligato platform register --keystore admin.json --reporter 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    reporters = [checked_address(address) for address in reporter]
    signer = keys.signer()
    chain = session.chain()
    number = escrows.register(chain, signer, reporters=reporters, bond=bond)
    escrow = chain.escrow(number)
    data = {
        "platform_id": number,
        "admin": signer.address,
        "reporters": reporters,
        "bond_units": escrow.bond_units,
    }
    return Result(
        data, f"platform {number}, admin {signer.address}, bond {money(escrow.bond_units)}"
    )


@app.command("deposit")
def deposit_escrow(
    session: Session,
    platform: PlatformId,
    amount: Annotated[
        int,
        typer.Argument(metavar="AMOUNT", min=1, max=UINT64_MAX, help="In millionths of a dollar."),
    ],
    keys: Keys,
) -> Result:
    """Add dollars to a platform's escrow; anyone may. The vault is allowed to take exactly that much.

    \b
    Examples:
      obbligato platform deposit 1 250000000 --keystore admin.json    # 250 dollars
    """
    signer = keys.signer()
    available = escrows.deposit(session.chain(), signer, platform, amount).available_units
    return Result(
        {"platform_id": platform, "deposited_units": amount, "available_units": available},
        f"platform {platform}: {money(amount)} deposited, {money(available)} available",
    )


@app.command("withdraw")
def withdraw_escrow(
    session: Session,
    platform: PlatformId,
    keys: Keys,
    amount: Annotated[
        int | None,
        typer.Argument(
            metavar="[AMOUNT]",
            min=1,
            max=UINT64_MAX,
            help="In millionths of a dollar. Default: all that is available.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Add to a running thaw; its time begins anew.")
    ] = False,
) -> Result:
    """Take money out of the escrow, in two steps: start its thaw, and once that is over run this again.

    While money thaws it still pays reports and rulings, and a new report delays it. What is not taken within three
    days after its thaw has to thaw again.

    \b
    Examples:
      obbligato platform withdraw 1 100000000 --keystore admin.json
      obbligato platform withdraw 1 --keystore admin.json
    """
    signer = keys.signer()
    done = escrows.withdraw(session.chain(), signer, platform, amount, restart=restart)
    data = {
        "platform_id": platform,
        "withdrawn_units": done.withdrawn,
        "thawing_units": done.thawing,
        "thaw_ends_at": done.ends_at,
    }
    if done.withdrawn:
        return Result(data, f"platform {platform}: {money(done.withdrawn)} withdrawn")
    thaw = f"{money(done.thawing)} thaws until {moment(done.ends_at)}"
    return Result(data, f"platform {platform}: {thaw}; run this again then")


@app.command("show")
def show_platform(session: Session, platform: PlatformId) -> Result:
    """Show a platform: its escrow, its obligations, and until when each model's use is reported.

    \b
    Examples:
      obbligato platform show 1
      obbligato platform show 1 --json | jq .streams
    """
    chain = session.chain()
    reading = session.reading(chain)
    data = {"block": reading.block, **platform_statement(reading.ledger, platform)}
    data["thaw_ends_at"] = chain.escrow(platform).thaw_ends_at or None
    money_keys = "available_units reserved_units thawing_units thaw_ends_at bond_units"
    summary = facts_of(data, f"platform_id admin {money_keys} obligations closing")
    return Result(data, summary, "", table(data["streams"], "model_id reports covered_until"))


def platform_statement(ledger: Ledger, platform_id: int) -> dict[str, Any]:
    """What the ledger says of a platform, as JSON. Raises NotFound."""
    platform = ledger.platforms.get(platform_id)
    if platform is None:
        raise NotFound(f"no platform {platform_id}: there are {len(ledger.platforms)}")
    streams = [
        {
            "model_id": "0x" + model.hex(),
            "reports": stream.sequence,
            "covered_until": stream.covered_until,
        }
        for (owner, model), stream in ledger.streams.items()
        if owner == platform_id
    ]
    reserved = sum(units for (_, owner), units in ledger.reserved.items() if owner == platform_id)
    return {
        "platform_id": platform_id,
        "admin": platform.admin,
        "available_units": platform.available,
        "reserved_units": reserved,
        "thawing_units": platform.thawing,
        "bond_units": platform.bond,
        "obligations": platform.obligations,
        "closing": platform.closing,
        "streams": streams,
    }
