"""`obbligato oracle serve`: open everything the leader needs, check it, run its threads, serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from obbligato.server.process import run_service
from oracle.leader import Leader
from oracle.settings import LeaderSettings, read_settings


def serve(
    port: Annotated[int | None, typer.Option(help="Port; 8460 by default.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    attesters: Annotated[
        list[str] | None, typer.Option("--attester", metavar="URL", help="An attester; repeat it.")
    ] = None,
    keystore: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Encrypted key that pays for gas.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its password; else it is asked for.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where uploads, scratch files and the database are.")
    ] = None,
    attester_keystores: Annotated[
        list[Path] | None,
        typer.Option(
            "--attester-keystore",
            metavar="PATH",
            help="Run this attester inside, for development; repeat it.",
        ),
    ] = None,
    single_attester: Annotated[
        bool | None,
        typer.Option("--single-attester", help="Allow a deployment with one attester."),
    ] = None,
) -> None:
    """Run the leader: takes usage from platforms, meters, gathers attestations, submits, keeps.

    It needs OBBLIGATO_RPC_URL (several nodes, the first is asked first), OBBLIGATO_DEPLOYMENT and a
    keystore with gas money. What it can do is limited to that money: a report needs its platform's
    signature and a quorum of attesters, whose URLs are given with --attester. For development one
    process can do all: --attester-keystore runs attesters inside it, which the status page says.

    \b
    Examples:
      obbligato oracle serve --keystore leader.json --password-file password.txt \\
        --attester http://127.0.0.1:8461 --attester http://127.0.0.1:8462
      OBBLIGATO_ORACLE_DATABASE=postgresql+psycopg:///oracle obbligato oracle serve
    """
    settings = read_settings(
        LeaderSettings,
        port=port,
        host=host,
        attesters=tuple(attesters) if attesters else None,
        keystore=keystore,
        password_file=password_file,
        folder=folder,
        attester_keystores=tuple(attester_keystores) if attester_keystores else None,
        single_attester=single_attester,
    )
    run_service(settings, Leader.open)
