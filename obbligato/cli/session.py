"""What the global options name, opened when a command needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from obbligato.audit.recompute import Reading, read_ledger
from obbligato.chain.client import Chain
from obbligato.chain.deployment import Deployment, read_deployment
from obbligato.cli.output import progress, warn
from obbligato.errors import ChainError, InputError, NotFound
from obbligato.store import ContentStore, EmbeddedStore, GatewayStore


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
