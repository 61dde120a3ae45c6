"""What every process of the oracle opens first: the chain, the store, the database, its key, its log."""

from __future__ import annotations

from dataclasses import dataclass

from obbligato.chain.client import Chain, answered
from obbligato.chain.deployment import read_deployment
from obbligato.errors import ChainError, InputError
from obbligato.keys import Signer, open_keystore
from obbligato.store import ContentStore, EmbeddedStore, GatewayStore, LayeredStore
from oracle.settings import AttesterSettings, Finality, LeaderSettings


@dataclass(frozen=True, slots=True)
class Block:
    """A block by number, hash (0x…) and time in seconds."""

    number: int
    hash: str
    timestamp: int


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


def latest_block(chain: Chain) -> Block:
    """The newest block. Raises ChainError."""
    return _block(chain, "latest")


def final_block(chain: Chain, finality: Finality) -> Block:
    """The newest block that counts as final. Raises ChainError."""
    if finality == "finalized":
        return _block(chain, "finalized")
    return _block(chain, max(latest_block(chain).number - int(finality), 0))


def chain_problem(chain: Chain) -> str | None:
    """Why the chain cannot be asked right now."""
    try:
        latest_block(chain)
    except ChainError as error:
        return str(error)
    return None


def _block(chain: Chain, which: str | int) -> Block:
    found = answered(lambda: chain.web3.eth.get_block(which))  # type: ignore[arg-type]  # tag or number
    return Block(int(found["number"]), "0x" + bytes(found["hash"]).hex(), int(found["timestamp"]))
