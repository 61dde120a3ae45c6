"""The database: migrations, URLs, and readers beside a writer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from backend.db.index_db import Base, Block, IndexDatabase
from obbligato.errors import InputError
from obbligato.server.database import DatabaseError


def test_migrations_make_the_tables_that_the_code_uses(
    new_database: Callable[[], IndexDatabase],
) -> None:
    with new_database().engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("url", ["", "index.db", "://secret"])
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="give the URL of a database") as refused:
        IndexDatabase(url)
    assert "secret" not in str(refused.value)


def test_a_database_that_cannot_be_opened_is_refused_without_its_password() -> None:
    with pytest.raises(DatabaseError, match="cannot be opened") as refused:
        IndexDatabase("postgresql+psycopg://someone:secret@127.0.0.1:1/none")
    assert "secret" not in str(refused.value)


def test_a_reader_sees_one_moment_while_another_writes(
    new_database: Callable[[], IndexDatabase],
) -> None:
    database = new_database()
    with database.reading() as reader:
        assert reader.scalars(select(Block)).all() == []
        with database.work() as writer:
            writer.add(Block(number=1, hash=b"", timestamp=0))
        assert reader.scalars(select(Block)).all() == []
    with database.reading() as later:
        assert [block.number for block in later.scalars(select(Block))] == [1]


def fail_at_work(database: IndexDatabase) -> None:
    with database.work() as session:
        session.add(Block(number=1, hash=b"", timestamp=0))
        session.flush()
        raise ZeroDivisionError


def test_work_that_fails_leaves_nothing(new_database: Callable[[], IndexDatabase]) -> None:
    database = new_database()
    with pytest.raises(ZeroDivisionError):
        fail_at_work(database)
    with database.reading() as session:
        assert session.scalars(select(Block)).all() == []
