"""Every setting of the oracle's processes, read from the environment and checked at start.

`OBBLIGATO_RPC_URL`, `OBBLIGATO_DEPLOYMENT`, `OBBLIGATO_STORE` and `OBBLIGATO_GATEWAYS` mean the same as
on the command line; what only the oracle knows begins with `OBBLIGATO_ORACLE_`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from obbligato.errors import InputError

GIGABYTE = 2**30


def _words(value: object) -> object:
    """A list given as words between spaces or commas, as environment variables hold them."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)]
Urls = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Finality = Literal["finalized"] | Annotated[int, Field(ge=0, le=10_000)]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="OBBLIGATO_ORACLE_", extra="ignore", frozen=True, populate_by_name=True
    )

    rpc_urls: Urls = Field(
        validation_alias=AliasChoices("OBBLIGATO_RPC_URL", "rpc_urls"), min_length=1
    )
    """Nodes of one chain, asked in this order; the next one where one fails."""
    deployment: Path = Field(validation_alias=AliasChoices("OBBLIGATO_DEPLOYMENT", "deployment"))
    """The manifest of the deployment."""
    store: Path | None = Field(
        default=None, validation_alias=AliasChoices("OBBLIGATO_STORE", "store")
    )
    """The block folder."""
    gateways: Urls = Field(
        default=(), validation_alias=AliasChoices("OBBLIGATO_GATEWAYS", "gateways")
    )
    """IPFS gateways to read from where the folder has no block."""
    folder: Path = Path("oracle-data")
    """Where uploads, scratch files and the default database are."""
    database: str | None = None
    """URL of the database; default: SQLite in the folder."""
    keystore: Path | None = None
    """Encrypted keystore (v3) of this process's key."""
    password_file: Path | None = None
    """File with the keystore's password; readable by its owner alone."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8_460
    finality: Finality = "finalized"
    """When a block counts as final: the node's `finalized` tag, or so many blocks deep."""
    json_logs: bool = True
    """One JSON object a line; otherwise for people."""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.folder.absolute() / 'oracle.db'}"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"


class AttesterSettings(_Settings):
    """Settings of `obbligato oracle attest`."""

    port: Annotated[int, Field(ge=0, le=65_535)] = 8_461
    longest_deadline: Annotated[int, Field(ge=60)] = 7 * 86_400
    """Seconds: a report may not be open for longer, or a further attempt could never come."""


class LeaderSettings(_Settings):
    """Settings of `obbligato oracle serve`."""

    attesters: Urls = ()
    """Base URLs of the attesters."""
    attester_keystores: Paths = ()
    """Keys of attesters that run inside this process: for development, where one process does all."""
    second_rpc_url: str | None = None
    """A node of somebody else's: nothing is final before it agrees."""
    single_attester: bool = False
    """Allow a deployment with one attester: for development."""

    signing_seconds: Annotated[int, Field(ge=60, le=7 * 86_400)] = 86_400
    """How long a signed report stays acceptable to the chain: its deadline."""
    attester_timeout: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Seconds an attester may take."""
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often the chain is looked at."""

    most_upload_bytes: Annotated[int, Field(ge=1)] = 2 * GIGABYTE
    most_events: Annotated[int, Field(ge=1)] = 20_000_000
    most_uploads_bytes: Annotated[int, Field(ge=1)] = 50 * GIGABYTE
    """All files of one platform together."""

    document_patience: Annotated[int, Field(ge=0)] = 600
    """Seconds a report waits for licence documents that nobody has; then it goes on without them."""

    max_fee_gwei: Annotated[float, Field(gt=0)] = 100.0
    """The most that is paid for one unit of gas."""
    priority_fee_gwei: Annotated[float, Field(ge=0)] = 1.0
    bump_after_blocks: Annotated[int, Field(ge=1)] = 3
    """A transaction that is not mined after so many blocks is sent again at a higher fee."""

    low_gas_ether: Annotated[float, Field(ge=0)] = 0.05
    """An alert where the sender holds less."""
    low_escrow_units: Annotated[int, Field(ge=0)] = 0
    """An alert where a platform with reports has less available; 0 for none."""
    missing_after_days: Annotated[int, Field(ge=1)] = 35
    """An alert where a stream is covered until longer ago."""
    stuck_after_seconds: Annotated[int, Field(ge=1)] = 3_600
    """An alert where a report has not moved for so long."""
    payout_every_seconds: Annotated[int, Field(ge=1)] = 3_600


AnySettings = TypeVar("AnySettings", bound=_Settings)


def read_settings(kind: type[AnySettings], **given: Any) -> AnySettings:
    """The settings: `given` where not None, else the environment. Raises InputError naming the variable."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        variable = name if name.isupper() else f"OBBLIGATO_ORACLE_{name.upper()}"
        reason = "is missing: set it" if first["type"] == "missing" else first["msg"]
        raise InputError(reason, field=variable) from None
