"""What commands that sign or call the oracle share: their options, and what those open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from obbligato.chain.client import answered
from obbligato.cli.session import Session
from obbligato.client.oracle import OracleClient
from obbligato.errors import InputError
from obbligato.keys import LocalSigner, open_keystore

API_KEY_VARIABLE: Final = "OBBLIGATO_API_KEY"
"""The one way to give an API key: command lines are seen by others."""

LONGEST_SIGNATURE_SECONDS: Final = 8 * 86_400
"""A signature that may be used for longer would keep any other report of its place from coming."""

PlatformId = Annotated[
    int, typer.Argument(metavar="PLATFORM", min=1, max=2**32 - 1, help="The platform's number.")
]
PlatformOption = Annotated[
    int, typer.Option("--platform", min=1, max=2**32 - 1, help="The platform's number.")
]
Keystore = Annotated[
    Path | None,
    typer.Option(envvar="OBBLIGATO_KEYSTORE", metavar="PATH", help="The keystore that signs."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        envvar="OBBLIGATO_PASSWORD_FILE",
        metavar="PATH",
        help="A file with its password; else it is asked for.",
    ),
]
OracleUrl = Annotated[
    str | None,
    typer.Option("--oracle", envvar="OBBLIGATO_ORACLE_URL", metavar="URL", help="The oracle."),
]


def signer_of(keystore: Path | None, password_file: Path | None) -> LocalSigner:
    """The signer that the options name. Raises InputError."""
    if keystore is None:
        raise InputError("name the key that signs: --keystore PATH, or set OBBLIGATO_KEYSTORE")
    return open_keystore(keystore, password_file)


def client_of(
    run: Session,
    *,
    oracle: str | None,
    platform: int,
    keystore: Path | None,
    password_file: Path | None,
    must_sign: bool = False,
    by_api_key: bool = True,
) -> OracleClient:
    """A client of the oracle, by the API key of the environment or by the keystore's signature.

    `must_sign` opens the keystore even where an API key would do to be let in; `by_api_key=False`
    leaves API keys aside, for what only the admin may do. Raises InputError.
    """
    if oracle is None:
        raise InputError("name the oracle: --oracle URL, or set OBBLIGATO_ORACLE_URL")
    deployment = run.deployment()
    api_key = (os.environ.get(API_KEY_VARIABLE) or None) if by_api_key else None
    signs = must_sign or api_key is None or keystore is not None
    return OracleClient(
        oracle,
        platform_id=platform,
        chain_id=deployment.chain_id,
        oracle=deployment.address("UsageOracle"),
        signer=signer_of(keystore, password_file) if signs else None,
        api_key=api_key,
    )


def latest_deadline(run: Session) -> int | None:
    """The latest moment, by the chain, that a signature given now may be used; None without a node."""
    if run.rpc is None:
        return None
    chain = run.chain()
    now = int(answered(lambda: chain.web3.eth.get_block("latest"))["timestamp"])
    return now + LONGEST_SIGNATURE_SECONDS
