"""Blocks that an act refers to: stored, pinned and read back before anybody is asked to sign."""

from __future__ import annotations

from collections.abc import Iterable

from obbligato.documents import cid_of
from obbligato.errors import DigestMismatch, NotFound
from obbligato.store import ContentStore, StoreError


def store_blocks(store: ContentStore, blocks: Iterable[bytes]) -> list[str]:
    """The CIDs of blocks that are surely there. Raises StoreError: nothing was prepared then."""
    return [_stored(store, block) for block in blocks]


def missing_block(store: ContentStore, cids: Iterable[str]) -> str | None:
    """Why something that an act refers to cannot be read right now; None where all of it can."""
    for cid in cids:
        try:
            store.get(cid)
        except (StoreError, NotFound, DigestMismatch) as error:
            return f"{cid} cannot be read back: {error}"
    return None


def _stored(store: ContentStore, block: bytes) -> str:
    cid = cid_of(block)
    try:
        store.put(block)
        found = store.get(cid)
    except (StoreError, NotFound, DigestMismatch) as error:
        raise StoreError(
            f"the document cannot be stored right now, so nothing was prepared; try again: {error}"
        ) from error
    assert found == block, "stores verify what they give"
    return cid
