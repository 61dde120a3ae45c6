"""A store of one's own before stores of others: what is fetched from them is kept."""

from __future__ import annotations

from collections.abc import Sequence

from obbligato.errors import DigestMismatch, NotFound
from obbligato.store.port import BlockStatus, ContentStore, StoreError


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
