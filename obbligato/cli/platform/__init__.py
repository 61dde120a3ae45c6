"""`obbligato platform`: what AI platforms do, on the chain and with the oracle; here their API keys.

Its admin makes and ends a platform's keys by signature.
"""

from __future__ import annotations

from typing import Annotated

import typer

from obbligato.cli.commands import Commands
from obbligato.cli.options import Oracle
from obbligato.cli.output import Result, table
from obbligato.cli.platform import escrow, usage

app = Commands("For AI platforms: register, pay, report use.")
key_app = Commands("API keys of a platform; its admin signs.")
app.add_typer(usage.app)
app.add_typer(escrow.app)
app.add_typer(key_app, name="key")


@key_app.command("create")
def create_key(
    oracle: Oracle,
    scope: Annotated[
        list[str], typer.Option(help="reports:write, reports:read or quotes; repeat it.")
    ],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> Result:
    """Make an API key. It is printed this once; set it as OBBLIGATO_API_KEY where it is used.

    \b
    Examples:
      obbligato platform key create --platform 1 --scope reports:write --scope reports:read --label nightly
    """
    with oracle.client(by_api_key=False) as client:
        created = client.create_key(label, scope)
    return Result({"id": created.id, "key": created.key}, created.id, created.key)


@key_app.command("list")
def list_keys(oracle: Oracle) -> Result:
    """List the API keys, without their secrets.

    \b
    Examples:
      obbligato platform key list --platform 1
    """
    with oracle.client(by_api_key=False) as client:
        known = client.keys()
    keys = [key.model_dump(mode="json") for key in known]
    return Result({"keys": keys}, table(keys, "id label scopes created_at revoked_at"))


@key_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], oracle: Oracle
) -> Result:
    """End an API key, at once.

    \b
    Examples:
      obbligato platform key revoke 8c1d… --platform 1
    """
    with oracle.client(by_api_key=False) as client:
        client.revoke_key(key_id)
    return Result({"id": key_id, "revoked": True}, f"{key_id} revoked")
