"""Every setting of the web backend, read from the environment and checked at start.

`OBBLIGATO_RPC_URL`, `OBBLIGATO_DEPLOYMENT`, `OBBLIGATO_STORE` and `OBBLIGATO_GATEWAYS` mean the same as on the
command line; what only the backend knows begins with `OBBLIGATO_BACKEND_`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from obbligato.server.settings import SenderSettings, Urls, Words

Part = Literal["api", "index", "relay", "webhooks", "pins", "catalogues"]
PARTS: tuple[Part, ...] = ("api", "index", "relay", "webhooks", "pins", "catalogues")


class BackendSettings(SenderSettings):
    """Settings of `obbligato serve`."""

    model_config = SettingsConfigDict(env_prefix="OBBLIGATO_BACKEND_")

    parts: Words = PARTS
    """What runs here: api, index, relay, webhooks, pins, catalogues."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that answer requests; with two or more, one further process runs all other parts."""
    folder: Path = Path("backend-data")
    """Where the default databases and blocks are."""
    database: str | None = None
    """URL of the service's own database: sessions, acts, catalogues, webhooks; default: SQLite in the folder."""
    index_database: str | None = None
    """URL of the index's database, which can be deleted and is built anew; default: SQLite in the folder."""
    kubo: str | None = None
    """The RPC of a Kubo node (a multiaddress), instead of the block folder."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8_450
    public_url: str = "http://127.0.0.1:8450"
    """How browsers reach this service: the domain that people sign in to."""
    origins: Urls = ()
    """Other sites whose pages may call the API (CORS)."""
    trusted_proxies: Words = ()
    """Addresses of proxies whose X-Forwarded-For is believed."""

    session_seconds: Annotated[int, Field(ge=60, le=30 * 86_400)] = 7 * 86_400
    """How long a sign-in lasts."""
    signing_seconds: Annotated[int, Field(ge=60, le=7 * 86_400)] = 3_600
    """How long a prepared act can be signed and relayed."""
    inviting_seconds: Annotated[int, Field(ge=3_600, le=365 * 86_400)] = 30 * 86_400
    """How long the payees of a split change have to agree."""

    reads_per_minute: Annotated[int, Field(ge=1)] = 600
    """Requests that read, for one address; three times as many with a session or a key."""
    writes_per_minute: Annotated[int, Field(ge=1)] = 60
    """Requests that change something, for one address, account or key."""
    most_body_bytes: Annotated[int, Field(ge=1_024)] = 8 * 2**20
    """The largest body of a request."""

    acts_per_day: Annotated[int, Field(ge=0)] = 50
    """Acts that are relayed for one account on one day."""
    account_day_ether: Annotated[float, Field(ge=0)] = 0.05
    """What the relay pays in gas for one account on one day, at most."""
    day_ether: Annotated[float, Field(ge=0)] = 1.0
    """What the relay pays in gas for everybody on one day, at most."""

    late_blocks: Annotated[int, Field(ge=1)] = 20
    """Not ready where the index is more blocks behind the node than this."""
    private_webhooks: bool = False
    """Allow webhooks to http:// and to private addresses: for development."""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.folder.absolute() / 'records.db'}"

    @property
    def index_url(self) -> str:
        return self.index_database or f"sqlite:///{self.folder.absolute() / 'index.db'}"
