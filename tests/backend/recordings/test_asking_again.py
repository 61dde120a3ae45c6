"""An index of before fingerprints: migrated, and every document asked for once more."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from backend.db.index_db import MIGRATIONS, Document, IndexDatabase
from backend.db.license_tables import Fingerprint as Stored
from backend.indexer.documents import READING, read_documents
from obbligato.documents.cid import digest_from_cid
from obbligato.documents.license import Recording, license_document
from obbligato.recordings import Fingerprint
from obbligato.store import EmbeddedStore
from tests import postgres
from tests.scenario import OPEN

SOUND = Fingerprint(50, tuple(random.Random(5).getrandbits(32) for _ in range(300)))
NOTHING = bytes(32)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/index.db"
    else:
        with postgres.server() as server, postgres.database(server) as made:
            yield made


def document(title: str) -> bytes:
    recording = Recording(
        title=title, artists=("Ann",), content_hash=NOTHING, fingerprint=SOUND.record()
    )
    return license_document(recording=recording, terms=OPEN).to_bytes()


def kept(store: EmbeddedStore, data: bytes) -> bytes:
    """Put it; its digest."""
    return digest_from_cid(store.put(data))


VERSION = sa.text("INSERT INTO license_versions VALUES (:number, 0, 1000, 1000, 1, :digest, 1)")


def index_of_before(url: str, documents: dict[bytes, str]) -> None:
    """The tables of the first migration, with licences whose documents are in these states."""
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["versions"] = "alembic_version"
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number, (digest, state) in enumerate(documents.items(), 1):
            connection.execute(VERSION, {"number": number, "digest": digest})
            connection.execute(
                sa.text(
                    "INSERT INTO documents (digest, state, attempts, due_at, title)"
                    " VALUES (:digest, :state, 1, 900, 'as known')"
                ),
                {"digest": digest, "state": state},
            )
    engine.dispose()


def test_documents_read_before_are_asked_for_once_more_and_known_meanwhile(
    url: str, tmp_path: Path
) -> None:
    store = EmbeddedStore(tmp_path / "blocks")
    here, gone = document("here"), document("gone")
    first = kept(store, here)
    second = kept(EmbeddedStore(tmp_path / "others"), gone)
    index_of_before(url, {first: "read", second: "read"})
    with contextlib.closing(IndexDatabase(url)) as database:
        with database.work() as session:  # what blocks made is gone, and comes again from the chain
            assert session.scalar(sa.text("SELECT count(*) FROM license_versions")) == 0
            for number, digest in enumerate((first, second), 1):
                session.execute(VERSION, {"number": number, "digest": digest})

        def watch(what: str, done: int, total: int) -> None:
            pass

        assert read_documents(database, store, 1_000, watch) == 2
        with database.reading() as session:
            one, two = session.get_one(Document, first), session.get_one(Document, second)
            assert (one.state, one.title, one.read_as) == ("read", "here", READING)
            assert (two.state, two.title, two.read_as, two.reason) == ("read", "as known", 0, None)
            assert session.get_one(Stored, first).packed == SOUND.to_bytes()
            assert session.get(Stored, second) is None
        assert read_documents(database, store, 1_001, watch) == 0  # not due yet
        store.put(gone)
        assert read_documents(database, store, 1_002, watch) == 1
        assert read_documents(database, store, 9_999, watch) == 0
        with database.reading() as session:
            assert session.get_one(Stored, second).packed == SOUND.to_bytes()
