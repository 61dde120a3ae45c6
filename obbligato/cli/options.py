"""The options that commands share, each declared once; groups of them; and what a group opens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from obbligato.audit.recompute import Reading, read_ledger
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.deployment import Deployment, read_deployment
from obbligato.cli.output import progress, warn
from obbligato.client.backend import BackendClient
from obbligato.client.oracle import OracleClient
from obbligato.documents.file_inputs import named
from obbligato.errors import ChainError, InputError, NotFound
from obbligato.keys import LocalSigner, open_keystore
from obbligato.protocol.constants import DAY_SECONDS, UINT64_MAX, Pricing
from obbligato.protocol.types import checked_address, checked_bytes32
from obbligato.schemas.acts import SIGNATURE_DAYS
from obbligato.store import ContentStore, EmbeddedStore, GatewayStore
from obbligato.times import parse_moment


@dataclass(frozen=True)
class Session:
    """One run of the command. Every method raises InputError naming the option it lacks."""

    rpc: str | None
    manifest: Path | None
    folder: Path | None
    gateways: tuple[str, ...]

    def deployment(self) -> Deployment:
        """The manifest."""
        if self.manifest is None:
            raise InputError("name the manifest: --deployment PATH, or set OBBLIGATO_DEPLOYMENT")
        try:
            return read_deployment(self.manifest)
        except (NotFound, ChainError) as error:
            raise InputError(str(error)) from error

    def chain(self) -> Chain:
        """The deployment's contracts, compared with the manifest. Raises ChainError, too."""
        deployment = self.deployment()
        if self.rpc is None:
            raise InputError("name a node: --rpc URL, or set OBBLIGATO_RPC_URL")
        return Chain.connect(self.rpc, deployment)

    def reading(self, chain: Chain) -> Reading:
        """The ledger at the latest block; a warning where the chain did not follow the rules."""
        with progress() as watch:
            reading = read_ledger(chain, watch=watch)
        if reading.differences:
            warn(f"{len(reading.differences)} differences: see `obbligato recompute`")
        return reading

    def store(self) -> ContentStore:
        """The store of documents."""
        if self.folder is not None and self.gateways:
            raise InputError("give --store or --gateway, not both")
        if self.gateways:
            return GatewayStore(self.gateways)
        if self.folder is None:
            raise InputError(
                "say where documents are: --store FOLDER or --gateway URL "
                "(OBBLIGATO_STORE, OBBLIGATO_GATEWAYS)"
            )
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder: name an existing block folder")
        return EmbeddedStore(self.folder)


API_KEY_VARIABLE: Final = "OBBLIGATO_API_KEY"
"""The one way to give an API key: command lines are seen by others."""

_ID = {"min": 1, "max": 2**32 - 1}

LicenseId = Annotated[int, typer.Argument(metavar="LICENSE", **_ID, help="The licence's number.")]
LicenseOption = Annotated[int | None, typer.Option("--license", **_ID, help="Only this licence.")]
PlatformId = Annotated[
    int, typer.Argument(metavar="PLATFORM", **_ID, help="The platform's number.")
]
Platform = Annotated[int, typer.Option("--platform", **_ID, help="The platform's number.")]
Account = Annotated[str, typer.Argument(metavar="ADDRESS", help="An account: 0x and 40 digits.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="Only the newest so many.")]
Keystore = Annotated[
    Path | None,
    typer.Option(envvar="OBBLIGATO_KEYSTORE", metavar="PATH", help="The keystore that signs."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        envvar="OBBLIGATO_PASSWORD_FILE",
        metavar="PATH",
        help="A file with the keystore's password. Default: you are asked.",
    ),
]
OracleUrl = Annotated[
    str | None,
    typer.Option("--oracle", envvar="OBBLIGATO_ORACLE_URL", metavar="URL", help="The oracle."),
]
BackendUrl = Annotated[
    str | None,
    typer.Option("--url", envvar="OBBLIGATO_BACKEND_URL", metavar="URL", help="The web backend."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Sign without asking.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="TEXT",
        help="Idempotency key. Default: the digest of the request, so the same request is made once.",
    ),
]
Start = Annotated[str, typer.Option(help="Start of the period: seconds or ISO 8601.")]
End = Annotated[str, typer.Option(help="End of the period, which is not part of it.")]
PricingName = Annotated[str, typer.Option(help="METERED or POOL.")]
PoolTotal = Annotated[
    int | None,
    typer.Option(min=0, max=UINT64_MAX, help="What a POOL shares, in millionths of a dollar."),
]


@dataclass(frozen=True)
class Keys:
    """The keystore of whoever signs."""

    keystore: Keystore = None
    password_file: PasswordFile = None

    def signer(self) -> LocalSigner:
        """The signer. Raises InputError."""
        if self.keystore is None:
            raise InputError("name the key that signs: --keystore PATH, or set OBBLIGATO_KEYSTORE")
        return open_keystore(self.keystore, self.password_file)


@dataclass(frozen=True)
class Backend:
    """The web backend, for a command that reads what anybody may read."""

    session: Session
    url: BackendUrl = None

    def client(self, signer: LocalSigner | None = None) -> BackendClient:
        """A client of the backend. Raises InputError.

        Documents come from the store that the global options name, else from the backend's own gateway;
        their digests are checked either way.
        """
        if self.url is None:
            raise InputError("name the backend: --url URL, or set OBBLIGATO_BACKEND_URL")
        session = self.session
        return BackendClient(
            self.url,
            session.deployment(),
            signer=signer,
            documents=session.store() if session.folder or session.gateways else None,
        )


@dataclass(frozen=True)
class SignedBackend:
    """The web backend, for a command of somebody who signs in."""

    backend: Backend
    keys: Keys

    def client(self) -> BackendClient:
        """A client of the backend that signs in with the keystore's key. Raises InputError."""
        return self.backend.client(self.keys.signer())


@dataclass(frozen=True)
class Payee:
    """Whose money a command shows, and the backend that knows."""

    backend: Backend
    keys: Keys
    payee: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Whose. Default: the keystore's account.")
    ] = None

    @property
    def account(self) -> str | None:
        """The account named; None for the one that signs in. Raises InputError."""
        return None if self.payee is None else checked_address(self.payee)

    def client(self) -> BackendClient:
        """A client of the backend; it signs in only where no account is named. Raises InputError."""
        return self.backend.client(self.keys.signer() if self.account is None else None)


@dataclass(frozen=True)
class Oracle:
    """The oracle of a platform."""

    session: Session
    platform: Platform
    keys: Keys
    oracle: OracleUrl = None

    def client(self, *, must_sign: bool = False, by_api_key: bool = True) -> OracleClient:
        """A client of the oracle, let in by the API key of the environment or by the keystore's signature.

        `must_sign` opens the keystore even where an API key is enough to be let in; `by_api_key=False`
        leaves API keys aside, for what only the admin may do. Raises InputError.
        """
        if self.oracle is None:
            raise InputError("name the oracle: --oracle URL, or set OBBLIGATO_ORACLE_URL")
        deployment = self.session.deployment()
        api_key = (os.environ.get(API_KEY_VARIABLE) or None) if by_api_key else None
        signs = must_sign or api_key is None or self.keys.keystore is not None
        return OracleClient(
            self.oracle,
            platform_id=self.platform,
            chain_id=deployment.chain_id,
            oracle=deployment.address("UsageOracle"),
            signer=self.keys.signer() if signs else None,
            api_key=api_key,
        )


@dataclass(frozen=True)
class Price:
    """How a report is priced."""

    pricing: PricingName = "METERED"
    total: PoolTotal = None

    def kind(self) -> Pricing:
        """The pricing named. Raises InputError."""
        return named(Pricing, self.pricing)


@dataclass(frozen=True)
class Grantee:
    """The platform and model whose grants count, if any."""

    platform: Annotated[
        int | None, typer.Option(**_ID, help="Count the grants of this platform.")
    ] = None
    model: Annotated[
        str | None, typer.Option(help="For this model: 0x and 64 digits; with --platform.")
    ] = None

    def parse(self) -> tuple[int, bytes] | None:
        """The platform's number and the model's id. Raises InputError."""
        if self.platform is None and self.model is None:
            return None
        if self.platform is None or self.model is None:
            raise InputError("give --platform and --model together: a grant is of both")
        return self.platform, checked_bytes32(self.model)


def parse_period(start: str, end: str) -> tuple[int, int]:
    """The moments that --start and --end name. Raises InputError."""
    return parse_moment(start), parse_moment(end)


def latest_deadline(session: Session, days: int = SIGNATURE_DAYS) -> int | None:
    """The latest moment, by the chain, at which a signature made now may be used; None without a node."""
    if session.rpc is None:
        return None
    return blocks.latest(session.chain()).timestamp + days * DAY_SECONDS


def confirm(question: str, *, refused: Callable[[], None] = lambda: None) -> None:
    """Ask at the terminal. Raises InputError without one, typer.Abort for a no; `refused` runs before either."""
    if not sys.stdin.isatty():
        refused()
        raise InputError("nobody is there to ask: look at what it would do, then give --yes")
    if not typer.confirm(question, err=True):
        refused()
        raise typer.Abort


def write_file(path: Path, data: bytes, *, field: str) -> None:
    """Write a file. Raises InputError for the option `field`."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", field=field) from error
