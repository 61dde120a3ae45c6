"""One database, opened from its URL and brought to the newest migration; sessions to write and to read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from alembic import command, context
from alembic.config import Config
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

from obbligato.errors import InputError, ObbligatoError


class Units(TypeDecorator[int]):
    """A whole number up to 2^64 - 1, beyond a database's signed integers, as its decimal digits."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: object) -> int | None:
        return None if value is None else int(value)


ADDRESS: Final = String(42)
"""An account: 0x and 40 hexadecimal digits with their EIP-55 checksum."""

Serial: Final = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts itself: SQLite does that for INTEGER alone."""

COLUMN_TYPES: Final[dict[Any, Any]] = {
    int: BigInteger,
    bytes: LargeBinary,
    str: Text,
    dict[str, Any]: JSON,
    list[Any]: JSON,
}
"""The `type_annotation_map` of every declarative base."""


def now() -> int:
    """The time, in whole seconds."""
    return int(time.time())


BUSY_SECONDS: Final = 30

_READS = "obbligato_reads"
"""The execution option of a connection that only reads."""


class DatabaseError(ObbligatoError):
    """The database could not be opened, or holds something else than expected."""


class Database:
    """Sessions over one engine, each one transaction: all of it or nothing."""

    def __init__(
        self,
        url: str,
        migrations: Path,
        *,
        versions: str = "alembic_version",
        migrate: bool = True,
    ) -> None:
        """Open and migrate, unless another process has just done that.

        Raises InputError for a URL that is none, DatabaseError.

        `migrations` is an Alembic folder, `versions` the table in which it keeps what was applied: two
        services with tables of their own may share one database.

        No message repeats the URL: it may hold a password.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise InputError(
                "give the URL of a database such as sqlite:///name.db or "
                "postgresql+psycopg://user@host/name",
                field="database",
            ) from None
        self._here = threading.local()
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS} if self.is_sqlite else {}
        self.engine: Engine = create_engine(parsed, connect_args=arguments, pool_pre_ping=True)
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        self._reading = self.engine.execution_options(
            **{_READS: True}, **({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})
        )
        if not migrate:
            return
        try:
            upgrade(self.engine, migrations, versions)
        except OperationalError as error:
            raise DatabaseError(f"the database cannot be opened: {error.orig}") from None

    @contextmanager
    def work(self) -> Iterator[Session]:
        """A session whose changes are kept together when the block ends well, and dropped otherwise."""
        if getattr(self._here, "working", False):
            raise RuntimeError("a unit of work within another would wait for it for ever")
        self._here.working = True
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            self._here.working = False

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the database, and neither waits for a writer nor holds one up."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def upgrade(engine: Engine, migrations: Path, versions: str = "alembic_version") -> None:
    """Bring the tables to the newest migration."""
    config = Config()
    config.set_main_option("script_location", os.fspath(migrations))
    config.attributes["versions"] = versions
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def run_migrations(*metadata: MetaData) -> None:
    """What the `env.py` of an Alembic folder does, over the connection that `upgrade` gives."""
    attributes = context.config.attributes
    connection = attributes["connection"]

    def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
        """Migrations name plain types: they must still run when this package has changed."""
        return "sa.String(length=20)" if kind == "type" and isinstance(item, Units) else False

    context.configure(
        connection=connection,
        version_table=attributes["versions"],
        target_metadata=list(metadata),
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()


def _prepare_sqlite(engine: Engine) -> None:
    """Readers beside one writer, waiting instead of failing, and nothing lost at a power cut."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A transaction that reads first and then writes would fail where another wrote in between.
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
