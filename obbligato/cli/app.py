"""The command line as a whole: global options, groups, and how errors end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import obbligato
from obbligato.cli import artist, chain, documents, licenses, local, platform, plugins
from obbligato.cli.commands import expanded
from obbligato.cli.options import Session
from obbligato.cli.output import ExitCode, exit_code, fail
from obbligato.errors import ObbligatoError

app = typer.Typer(
    name="obbligato",
    cls=plugins.Root,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(chain.deployment_app, name="deployment")
app.add_typer(licenses.app, name="license")
app.add_typer(licenses.consent_app, name="consent")
app.add_typer(chain.payee_app, name="payee")
app.add_typer(chain.report_app, name="report")
app.add_typer(local.recording_app, name="recording")
app.add_typer(documents.app, name="document")
app.add_typer(documents.terms_app, name="terms")
app.add_typer(documents.split_app, name="split")
app.command("quote")(expanded(chain.quote_rows))
app.add_typer(local.key_app, name="key")
app.add_typer(platform.app, name="platform")
app.add_typer(artist.app, name="artist")
app.command("recompute")(expanded(chain.recompute_all))
plugins.mount(app)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"obbligato {obbligato.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    rpc: Annotated[
        str | None,
        typer.Option(
            envvar="OBBLIGATO_RPC_URL",
            metavar="URL",
            help="The Ethereum node to read from.",
            show_envvar=True,
        ),
    ] = None,
    deployment: Annotated[
        Path | None,
        typer.Option(
            envvar="OBBLIGATO_DEPLOYMENT", metavar="PATH", help="The deployment's manifest."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            envvar="OBBLIGATO_STORE", metavar="FOLDER", help="Read documents from a block folder."
        ),
    ] = None,
    gateway: Annotated[
        list[str] | None,
        typer.Option(
            envvar="OBBLIGATO_GATEWAYS",
            metavar="URL",
            help="Or from IPFS gateways, trusting none; repeat it (in the variable: spaces).",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version)
    ] = False,
) -> None:
    """Licences of recordings for AI, reports of their use, and who is paid: read and check them.

    What is read is verified: the contracts' code against the manifest, every document against its
    digest. Only `artist`, `platform` and the services sign and send anything.

    \b
    Start with:
      export OBBLIGATO_RPC_URL=http://127.0.0.1:8545
      export OBBLIGATO_DEPLOYMENT=deployments/31337.json
      export OBBLIGATO_STORE=blocks
      obbligato deployment check
      obbligato license list
      obbligato recompute

    \b
    Exit codes:
      0  yes, or all is well
      1  no, refused, or something differs
      2  the input is wrong
      3  documents are missing and nothing else differs
      4  the chain, the store or a service did not answer
    """
    context.obj = Session(rpc, deployment, store, tuple(gateway or ()))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    code = run(arguments)
    _flush()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; its exit code. Errors are one line on stderr."""
    try:
        answer: Any = app(arguments, prog_name="obbligato", standalone_mode=False)
    except ObbligatoError as error:
        fail(error)
        return exit_code(error)
    except typer.TyperException as error:
        return _usage(error)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _unread()
    return answer if isinstance(answer, int) else ExitCode.OK


def _usage(error: Exception) -> int:
    """Print what is wrong with a command line; a group without a command prints its help."""
    message = getattr(error, "format_message", lambda: str(error))()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
    else:
        fail(message)
    return ExitCode.INPUT


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _unread()


def _unread() -> int:
    """Whoever reads our output has gone: print nothing more, not even at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.NO
