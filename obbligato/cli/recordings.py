"""`obbligato recording`: what says which recording a file is, worked out where the file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from obbligato.cli.output import AsJson, show, watching
from obbligato.recordings import Fingerprint, content_hash, fingerprint

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Hashes and fingerprints of audio files."
)


@app.callback()
def recording() -> None:
    """Hashes and fingerprints of audio files, which stay where they are."""


@app.command("hash")
def recording_hash(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files to read.")],
    with_fingerprint: Annotated[
        bool,
        typer.Option("--fingerprint", help="Say what they sound like, too. Needs fpcalc."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what identifies a recording: the sha-256 of its file and, with --fingerprint, its sound.

    No file leaves this machine. A licence is bound to the hash (`content_hash` of its document), so hash the
    master that you keep. A fingerprint is optional: it lets others be warned who license the same
    recording from another file. fpcalc makes it (Debian: apt-get install libchromaprint-tools).

    \b
    Examples:
      obbligato recording hash master.flac
      obbligato recording hash album/*.wav --json | jq -r '.[].content_hash'
      obbligato recording hash master.flac --fingerprint --json | jq '.[0].fingerprint'
    """
    said = []
    with watching() as watch:
        for number, file in enumerate(files):
            digest = content_hash(file, watch)
            heard = fingerprint(file) if with_fingerprint else None
            said.append(_said(file, digest, heard))
            watch("files", number + 1, len(files))
    show(said, as_json=as_json, render=lambda console: _render(console, said))


def _said(file: Path, digest: bytes, heard: Fingerprint | None) -> dict[str, Any]:
    said: dict[str, Any] = {"file": str(file), "content_hash": "0x" + digest.hex()}
    if heard is not None:
        said["fingerprint"] = heard.record().model_dump(mode="json")
    return said


def _render(console: Console, said: list[dict[str, Any]]) -> None:
    for one in said:
        console.print(f"{one['content_hash']}  {one['file']}")
        if "fingerprint" in one:
            heard = one["fingerprint"]
            console.print(
                f"  {heard['algorithm']} {heard['version']}, {heard['duration_seconds']} s: {heard['data']}"
            )
