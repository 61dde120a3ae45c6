"""`obbligato key`: encrypted keystores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from obbligato.cli.commands import Commands
from obbligato.cli.output import Result
from obbligato.keys import create_keystore, keystore_address, read_password

app = Commands("Make and look at encrypted keystores.")

KeystorePath = Annotated[Path, typer.Argument(metavar="PATH", help="The keystore file.")]


@app.command("create")
def create_key(
    path: KeystorePath,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A file with the password. Default: you are asked."),
    ] = None,
) -> Result:
    """Make a new key in an encrypted keystore that only you can read; prints its address.

    A file that exists is never overwritten. Keep a copy: nobody can restore a key that is lost.

    \b
    Examples:
      obbligato key create keys/reporter.json
      obbligato key create keys/reporter.json --password-file keys/reporter.password
    """
    address = create_keystore(path, read_password(password_file))
    return Result({"address": address, "keystore": str(path)}, address)


@app.command("show")
def show_key(path: KeystorePath) -> Result:
    """Print the address of a keystore, without opening it.

    \b
    Examples:
      obbligato key show keys/reporter.json
    """
    address = keystore_address(path)
    return Result({"address": address, "keystore": str(path)}, address)
