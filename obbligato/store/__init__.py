"""Content stores: where documents and evidence are kept and fetched by CID, and files of their blocks."""

from obbligato.store.car import Absent, CarBlock, WrittenCar, read_car, write_car
from obbligato.store.embedded import EmbeddedStore
from obbligato.store.gateway import GatewayStore
from obbligato.store.kubo import KuboStore
from obbligato.store.port import (
    MAX_BLOCK_BYTES,
    BlockState,
    BlockStatus,
    ContentStore,
    LayeredStore,
    StoreError,
)

__all__ = [
    "MAX_BLOCK_BYTES",
    "Absent",
    "BlockState",
    "BlockStatus",
    "CarBlock",
    "ContentStore",
    "EmbeddedStore",
    "GatewayStore",
    "KuboStore",
    "LayeredStore",
    "StoreError",
    "WrittenCar",
    "read_car",
    "write_car",
]
