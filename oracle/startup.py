"""What every process of the oracle opens first: the chain, the store, the database, its key, its log."""

from __future__ import annotations

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.errors import ChainError, InputError
from obbligato.keys import Signer, open_keystore
from obbligato.store import ContentStore, EmbeddedStore, GatewayStore, LayeredStore
from oracle.settings import AttesterSettings, LeaderSettings


def open_chain(settings: AttesterSettings | LeaderSettings) -> Chain:
    """The deployment over the nodes of the settings, its chain id and code compared. Raises ChainError."""
    return Chain.connect(settings.rpc_urls, read_deployment(settings.deployment))


def open_store(settings: AttesterSettings | LeaderSettings) -> ContentStore:
    """The block folder, with gateways behind it. Raises StoreError, InputError."""
    own = EmbeddedStore(settings.store or settings.folder / "blocks")
    if not settings.gateways:
        return own
    return LayeredStore(own, [GatewayStore(settings.gateways)])


def open_signer(settings: AttesterSettings | LeaderSettings) -> Signer:
    """This process's key. Raises InputError naming the setting."""
    if settings.keystore is None:
        raise InputError(
            "name the keystore of this process's key: make one with `obbligato key create`",
            field="OBBLIGATO_ORACLE_KEYSTORE",
        )
    return open_keystore(settings.keystore, settings.password_file)


def chain_problem(chain: Chain) -> str | None:
    """Why the chain cannot be asked right now."""
    try:
        blocks.latest(chain)
    except ChainError as error:
        return str(error)
    return None
