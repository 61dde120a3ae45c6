"""A filled index of an earlier revision: what the next start makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, create_engine, insert, select, text

from backend.db.index_db import CONTENT, MIGRATIONS, Base, IndexDatabase
from backend.indexer.sync import Index
from obbligato.store import BlockStatus
from tests import postgres
from tests.scenario import Scenario

DOCUMENTS = {model.__tablename__ for model in CONTENT}
FINALITY = 3


def to_revision(engine: Engine, revision: str, move: Callable[..., None] = command.upgrade) -> None:
    """Alembic itself, to a revision that is not the newest."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["versions"] = "alembic_version"
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        move(config, revision)


def tables(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table as the database itself has them, by its name."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in found.tables.items()
            if name != "alembic_version"
        }


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database without any table."""
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path}/index.db")
        yield made
        made.dispose()
    else:
        with postgres.database(request.getfixturevalue("postgres_server")) as url:
            made = create_engine(url)
            yield made
            made.dispose()


@pytest.fixture
def filled(engine: Engine, story_database: IndexDatabase) -> Engine:
    """At revision 0002, with the rows that the story left in the tables which were there then."""
    to_revision(engine, "0002")
    then = MetaData()
    then.reflect(engine)
    assert "payee_earnings" not in then.tables
    with story_database.engine.connect() as source, engine.begin() as target:
        for name, table in Base.metadata.tables.items():
            if name in then.tables:
                assert {c.name for c in table.columns} == {
                    c.name for c in then.tables[name].columns
                }
                rows = [dict(row._mapping) for row in source.execute(select(table))]
                if rows:
                    target.execute(insert(table), rows)
        # What an earlier indexer got wrong: nothing of it may be left.
        target.execute(text("UPDATE earnings SET amount_units = '1'"))
    return engine


class CountingStore:
    """The story's store, and how often it was asked for a block."""

    def __init__(self, scenario: Scenario) -> None:
        self._store = scenario.protocol.store
        self.reads = 0

    def get(self, cid: str) -> bytes:
        self.reads += 1
        return self._store.get(cid)

    def put(self, data: bytes) -> str:
        return self._store.put(data)

    def pin(self, cid: str) -> None:
        self._store.pin(cid)

    def status(self, cid: str) -> BlockStatus:
        return self._store.status(cid)


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_the_next_start_keeps_documents_alone_and_reads_the_chain_anew_to_the_same_bytes(
    filled: Engine, scenario: Scenario, story_database: IndexDatabase
) -> None:
    before = tables(filled)
    assert sum(map(len, before.values())) > 200
    documents = {name: rows for name, rows in before.items() if name in DOCUMENTS}
    assert documents["documents"]

    upgraded = IndexDatabase(url_of(filled))
    try:
        after = tables(filled)
        assert {name: rows for name, rows in after.items() if rows} == {
            name: rows for name, rows in documents.items() if rows
        }
        store = CountingStore(scenario)
        index = Index(upgraded, scenario.protocol.chain, store, finality=FINALITY)
        assert index.position().number == scenario.protocol.chain.deployment.block - 1
        index.sync()
        known = Index(story_database, scenario.protocol.chain, finality=FINALITY)
        assert index.dump() == known.dump()
        assert store.reads == 0
        rebuilt = tables(filled)
        assert {name: rebuilt[name] for name in documents} == documents
        assert rebuilt["payee_earnings"]
    finally:
        upgraded.close()


def test_back_to_the_former_revision_and_forwards_again_ends_with_the_same_bytes(
    filled: Engine, scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    database = IndexDatabase(url_of(filled))
    try:
        index = Index(database, chain, finality=FINALITY)
        index.sync()
        head = index.dump()
    finally:
        database.close()

    to_revision(filled, "0002", command.downgrade)
    back = tables(filled)
    assert "payee_earnings" not in back
    assert len(back["licenses"]) == chain.call("LicenseRegistry", "licenseCount")

    database = IndexDatabase(url_of(filled))
    try:
        index = Index(database, chain, finality=FINALITY)
        index.sync()
        assert index.dump() == head
    finally:
        database.close()
