"""What the settings of every service have in common, read from the environment and checked at start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from obbligato.errors import InputError


def _words(value: object) -> object:
    """A list given as words between spaces or commas, as environment variables hold them."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Urls = Words


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
    json_logs: bool = True
    """One JSON object a line; otherwise for people."""


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
