"""`obbligato oracle ...`: the processes that operators run."""

from __future__ import annotations

import typer

from oracle.attester.server import attest
from oracle.serve import serve
from oracle.watcher.cli import watch

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run the usage oracle: the leader, an attester, the watcher.",
)
app.command("serve")(serve)
app.command("attest")(attest)
app.command("watch")(watch)
