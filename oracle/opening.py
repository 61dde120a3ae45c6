"""What every process of the oracle opens first: the chain, the store, the database, its key, its log."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass

import structlog

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


def start_log(*, as_json: bool) -> None:
    """Structured lines on stderr, from our own loggers and from the libraries'."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "alembic", "web3", "urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
