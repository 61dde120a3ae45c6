"""The content store: blocks of bytes by CID, behind four verbs.

Every store verifies: bytes that come back from `get` hash to the CID that was asked for, whoever
served them. Blocks never change, so any number of threads and processes may use one store at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from obbligato.errors import DigestMismatch, InputError, NotFound, ObbligatoError

MAX_BLOCK_BYTES: Final = 1_048_576
"""The largest block: what IPFS nodes exchange without negotiation."""


class StoreError(ObbligatoError):
    """The store could not be asked (down, too slow, full, read-only); trying again may help."""


class BlockState(StrEnum):
    """What a store does with a block."""

    ABSENT = "absent"
    STORED = "stored"
    """Here, but the store may drop it."""
    PINNED = "pinned"
    """Here to stay."""


class BlockStatus(NamedTuple):
    """The state of one block in one store; `size` in bytes, None where it is absent."""

    cid: str
    state: BlockState
    size: int | None


class ContentStore(Protocol):
    """Four verbs over raw blocks of at most 1 MiB.

    Every verb raises InputError for a CID that is not CIDv1 raw sha2-256 base32, and StoreError
    where the store could not be asked.
    """

    def put(self, data: bytes) -> str:
        """Store and pin a block; return its CID. The same bytes again change nothing.

        Raises InputError for more than 1 MiB.
        """
        ...

    def get(self, cid: str) -> bytes:
        """The bytes of a block. Raises NotFound; DigestMismatch where other bytes came."""
        ...

    def pin(self, cid: str) -> None:
        """Keep a block for good, fetching it if the store can. Raises NotFound, DigestMismatch."""
        ...

    def status(self, cid: str) -> BlockStatus:
        """What this store does with a block, without fetching it. Raises DigestMismatch."""
        ...


def check_size(data: bytes) -> bytes:
    """`data`, if one block can hold it. Raises InputError."""
    if len(data) > MAX_BLOCK_BYTES:
        raise InputError(
            f"{len(data)} bytes are more than one block holds ({MAX_BLOCK_BYTES}): "
            "divide them into chunks addressed by digest"
        )
    return data


class LayeredStore:
    """Blocks of `own`, and where it has none of `others`, asked in order, kept in `own` then.

    Writing and pinning concern `own` alone.
    """

    def __init__(self, own: ContentStore, others: Sequence[ContentStore]) -> None:
        self._own = own
        self._others = tuple(others)

    def put(self, data: bytes) -> str:
        """Store a block in the own store."""
        return self._own.put(data)

    def get(self, cid: str) -> bytes:
        """The verified bytes, from the first that has them.

        With none: the worst that was met, a DigestMismatch before a StoreError before NotFound.
        """
        met: list[Exception] = []
        try:
            return self._own.get(cid)
        except (DigestMismatch, StoreError, NotFound) as error:
            met.append(error)
        for other in self._others:
            try:
                data = other.get(cid)
            except (DigestMismatch, StoreError, NotFound) as error:
                met.append(error)
                continue
            self._own.put(data)
            return data
        raise min(met, key=_gravity)

    def pin(self, cid: str) -> None:
        """Keep a block for good, fetching it where needed."""
        self.get(cid)
        self._own.pin(cid)

    def status(self, cid: str) -> BlockStatus:
        """What the own store does with a block."""
        return self._own.status(cid)


def _gravity(error: Exception) -> int:
    return (DigestMismatch, StoreError, NotFound).index(type(error))
