"""`obbligato oracle attest`: open everything an attester needs, check it, serve."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from obbligato.service.http import stopped_by
from obbligato.service.log import start_log
from obbligato.service.serving import serve
from oracle.attesting.api import attester_api
from oracle.attesting.node import open_attester
from oracle.opening import chain_problem, open_chain, open_signer, open_store
from oracle.settings import AttesterSettings, read_settings


def attest(
    port: Annotated[int | None, typer.Option(help="Port; 8461 by default.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    keystore: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The attester's encrypted key.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its password; else it is asked for.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where it keeps what it signed, and scratch files.")
    ] = None,
) -> None:
    """Run an attester: it recomputes reports from their evidence and its own node, and signs.

    It needs OBBLIGATO_RPC_URL (a node of its own), OBBLIGATO_DEPLOYMENT, a keystore, and a way to
    the evidence: OBBLIGATO_STORE, or OBBLIGATO_GATEWAYS such as the leader's base URL. What it
    signed is kept in its folder: never run it from a copy of an older folder.

    \b
    Examples:
      obbligato key create attester.json
      obbligato oracle attest --keystore attester.json --password-file password.txt
    """
    settings = read_settings(
        AttesterSettings,
        port=port,
        host=host,
        keystore=keystore,
        password_file=password_file,
        folder=folder,
    )
    start_log(as_json=settings.json_logs)
    chain = open_chain(settings)
    attester = open_attester(
        chain,
        open_store(settings),
        open_signer(settings),
        database=settings.database_url,
        scratch=settings.scratch,
        finality=settings.finality,
        longest_deadline=settings.longest_deadline,
    )
    stop = threading.Event()
    app = attester_api(
        attester, {"chain": lambda: chain_problem(chain), "process": stopped_by(stop)}
    )
    serve(app, host=settings.host, port=settings.port, stop=stop)
