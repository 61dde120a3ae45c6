"""`obbligato serve`: the web backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend import process
from backend.settings import BackendSettings
from obbligato.server.settings import read_settings

app = typer.Typer(rich_markup_mode=None)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Port; 8450 by default.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            metavar="PART",
            help="api, index, relay, webhooks, pins or catalogues; repeat it. Default: all of them.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes that answer requests; 1 by default."),
    ] = None,
    keystore: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Encrypted key of the relay: it pays for gas."),
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its password; else it is asked for.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the databases and the blocks are.")
    ] = None,
) -> None:
    """Run the web backend: the API, the index, the relay, webhooks, pins and catalogues.

    It needs OBBLIGATO_RPC_URL (several nodes, the first is asked first) and OBBLIGATO_DEPLOYMENT. One process
    does everything. With --workers N processes answer requests and one more does the rest: each is started anew
    where it dies. With --part each part can run by itself over the same PostgreSQL databases.
    The relay needs a keystore with gas money, and spends no more of it a day than its settings say.
    The API describes itself at /docs and /openapi.json.

    \b
    Examples:
      obbligato serve --keystore relay.json --password-file password.txt
      obbligato serve --workers 4 --keystore relay.json --password-file password.txt
      obbligato serve --part api --part index
      OBBLIGATO_BACKEND_DATABASE=postgresql+psycopg:///obbligato obbligato serve --part relay --keystore relay.json
    """
    settings = read_settings(
        BackendSettings,
        workers=workers,
        port=port,
        host=host,
        parts=tuple(parts) if parts else None,
        keystore=keystore,
        password_file=password_file,
        folder=folder,
    )
    process.serve(settings)
