"""`obbligato payee`: what an account has earned and may claim."""

from __future__ import annotations

from obbligato.audit.statements import payee_statement
from obbligato.cli.commands import Commands
from obbligato.cli.options import Account
from obbligato.cli.output import Result, facts_of, money, table, warn
from obbligato.cli.session import Session
from obbligato.protocol.types import checked_address

app = Commands("Show what payees may claim.")


@app.command("claimable")
def claimable(session: Session, account: Account) -> Result:
    """Show an account's splits, what it may claim, its refunds, and what it was paid.

    Computed from the events by the rules, and compared with what the vault would pay.

    \b
    Examples:
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
      obbligato payee claimable 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --json
    """
    checked_address(account)
    chain = session.chain()
    reading = session.reading(chain)
    statement = payee_statement(reading.ledger, account)
    payee, split_ids = statement["account"], [each["split_id"] for each in statement["splits"]]
    vault = chain.call("RoyaltyVault", "claimable", payee, split_ids, block=reading.block)
    if vault != statement["claimable_units"]:
        warn(f"the vault would pay {money(vault)}: see `obbligato recompute`")
    recipient = chain.call("RoyaltyVault", "recipientOf", payee, block=reading.block)
    data = {"block": reading.block, "recipient": recipient, **statement}
    return Result(
        data,
        facts_of(data, "account recipient claimable_units refunds_units paid_units"),
        "",
        table(
            data["splits"],
            "split_id share_ppm received_units entitled_units claimed_units claimable_units",
        ),
    )
