"""`obbligato key` and `obbligato recording`: keystores, and what identifies a recording; both stay on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from obbligato.cli.commands import Commands
from obbligato.cli.output import Result, progress
from obbligato.keys import create_keystore, keystore_address, read_password
from obbligato.recordings import content_hash, fingerprint

key_app = Commands("Make and look at encrypted keystores.")

KeystorePath = Annotated[Path, typer.Argument(metavar="PATH", help="The keystore file.")]


@key_app.command("create")
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


@key_app.command("show")
def show_key(path: KeystorePath) -> Result:
    """Print the address of a keystore, without opening it.

    \b
    Examples:
      obbligato key show keys/reporter.json
    """
    address = keystore_address(path)
    return Result({"address": address, "keystore": str(path)}, address)


recording_app = Commands("Hashes and fingerprints of audio files.")


@recording_app.callback()
def recording() -> None:
    """Hashes and fingerprints of audio files, which stay where they are."""


@recording_app.command("hash")
def recording_hash(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files to read.")],
    with_fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Print what they sound like, too. Needs fpcalc.")
    ] = False,
) -> Result:
    """Print what identifies a recording: the sha-256 of its file and, with --fingerprint, its sound.

    No file leaves this machine. A licence is bound to the hash (`content_hash` of its document), so hash the
    master that you keep. A fingerprint is optional: it lets others be warned who license the same
    recording from another file. fpcalc makes it (Debian: apt-get install libchromaprint-tools).

    \b
    Examples:
      obbligato recording hash master.flac
      obbligato recording hash album/*.wav --json | jq -r '.[].content_hash'
      obbligato recording hash master.flac --fingerprint --json | jq '.[0].fingerprint'
    """
    data, text = [], []
    with progress() as watch:
        for number, file in enumerate(files, start=1):
            record: dict[str, Any] = {
                "file": str(file),
                "content_hash": "0x" + content_hash(file, watch).hex(),
            }
            text.append(f"{record['content_hash']}  {file}")
            if with_fingerprint:
                sound = fingerprint(file).record().model_dump(mode="json")
                record["fingerprint"] = sound
                name = f"{sound['algorithm']} {sound['version']}, {sound['duration_seconds']} s"
                text.append(f"  {name}: {sound['data']}")
            data.append(record)
            watch("files", number, len(files))
    return Result(data, *text)
