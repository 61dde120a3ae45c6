"""`obbligato platform key`: API keys, which the platform's admin makes and ends by signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from obbligato.cli.options import Keystore, OracleUrl, PasswordFile, PlatformOption, client_of
from obbligato.cli.output import AsJson, show
from obbligato.cli.platform_submissions import render_keys
from obbligato.cli.session import session
from obbligato.client.oracle import OracleClient

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="API keys of a platform; its admin signs."
)


@app.command("create")
def create_key(
    context: typer.Context,
    platform: PlatformOption,
    scope: Annotated[
        list[str],
        typer.Option(help="reports:write, reports:read or quotes; repeat it."),
    ],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is printed this once; set it as OBBLIGATO_API_KEY where it is used.

    \b
    Examples:
      obbligato platform key create --platform 1 --scope reports:write --scope reports:read --label nightly
    """
    with _admin(context, oracle, platform, keystore, password_file) as client:
        made = client.create_key(label, scope)
    data = {"id": made.id, "key": made.key}
    show(data, as_json=as_json, render=lambda console: console.print(f"{made.id}\n{made.key}"))


@app.command("list")
def list_keys(
    context: typer.Context,
    platform: PlatformOption,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys, without their secrets.

    \b
    Examples:
      obbligato platform key list --platform 1
    """
    with _admin(context, oracle, platform, keystore, password_file) as client:
        known = client.keys()
    data = {"keys": [key.model_dump(mode="json") for key in known]}
    show(data, as_json=as_json, render=lambda console: render_keys(console, known))


@app.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    platform: PlatformOption,
    oracle: OracleUrl = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """End an API key, at once.

    \b
    Examples:
      obbligato platform key revoke 8c1d… --platform 1
    """
    with _admin(context, oracle, platform, keystore, password_file) as client:
        client.revoke_key(key_id)
    data = {"id": key_id, "revoked": True}
    show(data, as_json=as_json, render=lambda console: console.print(f"{key_id} revoked"))


def _admin(
    context: typer.Context,
    oracle: str | None,
    platform: int,
    keystore: Path | None,
    password_file: Path | None,
) -> OracleClient:
    """A client that signs, whatever API key is set: keys are the admin's."""
    return client_of(
        session(context),
        oracle=oracle,
        platform=platform,
        keystore=keystore,
        password_file=password_file,
        by_api_key=False,
    )
