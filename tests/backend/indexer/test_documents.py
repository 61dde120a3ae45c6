"""Licences' documents: read, missing and asked for again, or no documents at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import select

from backend.db.index_db import Document, IndexDatabase
from backend.indexer.sync import Index
from obbligato.documents.license import Recording, license_document
from obbligato.store import EmbeddedStore
from tests.onchain import STRANGER, Acts, split
from tests.scenario import OPEN

ISRC = "QZABC2600077"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def known(database: IndexDatabase, digest: bytes) -> Document:
    with database.reading() as session:
        return session.get_one(Document, digest)


def mint(acts: Acts, data: bytes) -> bytes:
    """A licence whose document has these bytes, which are not stored; their digest."""
    digest = hashlib.sha256(data).digest()
    split_of = split((STRANGER, 1_000_000))
    acts.mint(STRANGER, OPEN, split_of, "four [not for machines]")
    acts.chain.transact(
        STRANGER, "LicenseRegistry", "mint", STRANGER.address, OPEN.digest(), split_of.digest(), digest,
        b"\x01" * 32,
    )  # fmt: skip
    return digest


def test_a_missing_document_is_asked_for_again_ever_later_until_it_is_there(
    acts: Acts, sqlite: IndexDatabase, tmp_path: Path
) -> None:
    recording = Recording(
        title='<script>alert("x")</script> =HYPERLINK 𝄞 שלום',
        artists=("Ann", "Bob"),
        content_hash=b"\x01" * 32,
        isrc=ISRC,
    )
    data = license_document(recording=recording, terms=OPEN).to_bytes()
    digest, store, clock = mint(acts, data), EmbeddedStore(tmp_path / "blocks"), Clock()
    index = Index(sqlite, acts.chain, store, clock=clock)
    index.sync()
    first = known(sqlite, digest)
    assert (first.state, first.attempts, first.due_at, first.title) == ("missing", 1, 1_001, None)
    index.sync()
    assert known(sqlite, digest).attempts == 1
    for attempts, wait in ((2, 2), (3, 4), (4, 8)):
        clock.now = known(sqlite, digest).due_at
        index.sync()
        again = known(sqlite, digest)
        assert (again.attempts, again.due_at) == (attempts, clock.now + wait)
    store.put(data)
    clock.now += 8
    index.sync()
    found = known(sqlite, digest)
    assert (found.state, found.isrc, found.title) == ("read", ISRC, recording.title)
    assert (found.artists, found.reason) == (["Ann", "Bob"], None)


def test_bytes_that_are_no_licence_document_are_known_to_be_none(
    acts: Acts, sqlite: IndexDatabase, tmp_path: Path
) -> None:
    store = EmbeddedStore(tmp_path / "blocks")
    data = b'{"type":"something else"}'
    store.put(data)
    digest, clock = mint(acts, data), Clock()
    index = Index(sqlite, acts.chain, store, clock=clock)
    index.sync()
    clock.now += 1_000
    index.sync()
    found = known(sqlite, digest)
    assert (found.state, found.attempts) == ("invalid", 1)
    assert found.reason


def test_documents_are_not_part_of_what_is_compared(
    acts: Acts, sqlite: IndexDatabase, tmp_path: Path
) -> None:
    with_store = Index(sqlite, acts.chain, EmbeddedStore(tmp_path / "blocks"))
    with_store.sync()
    other = IndexDatabase(f"sqlite:///{tmp_path}/other.db")
    without = Index(other, acts.chain)
    without.sync()
    with sqlite.reading() as session:
        assert session.scalars(select(Document)).all()
    assert with_store.dump() == without.dump()
    other.close()
