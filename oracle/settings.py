"""Every setting of the oracle's processes, read from the environment and checked at start.

`OBBLIGATO_RPC_URL`, `OBBLIGATO_DEPLOYMENT`, `OBBLIGATO_STORE` and `OBBLIGATO_GATEWAYS` mean the same as
on the command line; what only the oracle knows begins with `OBBLIGATO_ORACLE_`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from obbligato.server.settings import Paths, SenderSettings, ServiceSettings, Urls, read_settings

__all__ = ["AttesterSettings", "LeaderSettings", "read_settings"]

GIGABYTE = 2**30


class _Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OBBLIGATO_ORACLE_")

    folder: Path = Path("oracle-data")
    """Where uploads, scratch files and the default database are."""
    database: str | None = None
    """URL of the database; default: SQLite in the folder."""

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


class LeaderSettings(SenderSettings, _Settings):
    """Settings of `obbligato oracle serve`."""

    port: Annotated[int, Field(ge=0, le=65_535)] = 8_460
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

    most_upload_bytes: Annotated[int, Field(ge=1)] = 2 * GIGABYTE
    most_events: Annotated[int, Field(ge=1)] = 20_000_000
    most_uploads_bytes: Annotated[int, Field(ge=1)] = 50 * GIGABYTE
    """All files of one platform together."""

    document_patience: Annotated[int, Field(ge=0)] = 600
    """Seconds a report waits for licence documents that nobody has; then it goes on without them."""

    low_escrow_units: Annotated[int, Field(ge=0)] = 0
    """An alert where a platform with reports has less available; 0 for none."""
    missing_after_days: Annotated[int, Field(ge=1)] = 35
    """An alert where a stream is covered until longer ago."""
    stuck_after_seconds: Annotated[int, Field(ge=1)] = 3_600
    """An alert where a report has not moved for so long."""
    payout_every_seconds: Annotated[int, Field(ge=1)] = 3_600
