"""Content stores: where documents and evidence are kept and fetched by CID."""

from obbligato.store.embedded import EmbeddedStore
from obbligato.store.gateway import GatewayStore
from obbligato.store.kubo import KuboStore
from obbligato.store.layered import LayeredStore
from obbligato.store.port import (
    MAX_BLOCK_BYTES,
    BlockState,
    BlockStatus,
    ContentStore,
    StoreError,
)

__all__ = [
    "MAX_BLOCK_BYTES",
    "BlockState",
    "BlockStatus",
    "ContentStore",
    "EmbeddedStore",
    "GatewayStore",
    "KuboStore",
    "LayeredStore",
    "StoreError",
]
