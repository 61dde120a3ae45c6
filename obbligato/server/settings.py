"""What the settings of every service have in common, read from the environment and checked at start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from obbligato.chain.blocks import Finality
from obbligato.errors import InputError


def _words(value: object) -> object:
    """A list given as words between spaces or commas, as environment variables hold them."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Urls = Words


AlertUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class ServiceSettings(BaseSettings):
    """Which deployment, which store, which key, where to listen. Each service has a prefix of its own."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

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
    keystore: Path | None = None
    """Encrypted keystore (v3) of this process's key."""
    password_file: Path | None = None
    """File with the keystore's password; readable by its owner alone."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)]
    json_logs: bool = True
    """One JSON object a line; otherwise for people."""
    finality: Finality = "finalized"
    """When a block counts as final: the node's `finalized` tag, or so many blocks deep."""
    alert_url: AlertUrl | None = Field(default=None, repr=False)
    """Alerts are posted there as JSON when they begin and end. It may hold a secret."""


class SenderSettings(ServiceSettings):
    """What a service is told that sends transactions."""

    max_fee_gwei: Annotated[float, Field(gt=0)] = 100.0
    """The most that is paid for one unit of gas."""
    priority_fee_gwei: Annotated[float, Field(ge=0)] = 1.0
    """Tip for one unit of gas."""
    bump_after_blocks: Annotated[int, Field(ge=1)] = 3
    """A transaction that is not mined after so many blocks is sent again at a higher fee."""
    low_gas_ether: Annotated[float, Field(ge=0)] = 0.05
    """An alert where the sender holds less."""
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often the chain is looked at."""


AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


def read_settings(kind: type[AnySettings], **overrides: Any) -> AnySettings:
    """The settings: `given` where not None, else the environment. Raises InputError naming the variable."""
    try:
        return kind(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        prefix = kind.model_config.get("env_prefix", "")
        variable = name if name.isupper() else f"{prefix}{name.upper()}"
        reason = "is missing: set it" if first["type"] == "missing" else first["msg"]
        raise InputError(reason, field=variable) from None
