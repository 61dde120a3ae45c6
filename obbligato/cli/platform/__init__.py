"""`obbligato platform`: what AI platforms do, on the chain and with the oracle."""

from __future__ import annotations

from obbligato.cli.commands import Commands
from obbligato.cli.platform import escrow, keys, usage

app = Commands("For AI platforms: register, pay, report use.")
app.add_typer(usage.app)
app.add_typer(escrow.app)
app.add_typer(keys.app, name="key")
