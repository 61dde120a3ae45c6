"""The database of the index: its connections, every table, and the tables of the chain itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any, Final

from sqlalchemy import JSON, Connection, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.db.base import Base, Units
from backend.db.license_tables import (
    Document,
    DocumentState,
    Fingerprint,
    FingerprintValue,
    Grant,
    GrantRequest,
    License,
    LicenseAct,
    LicenseActKind,
    LicenseVersion,
    Operator,
    Terms,
)
from backend.db.money_tables import (
    Account,
    Earning,
    PayeeEarning,
    Payment,
    Platform,
    PlatformModule,
    Reporter,
    Reserve,
    Source,
    Split,
    SplitPayee,
)
from backend.db.usage_tables import (
    Challenge,
    DisputeState,
    Pause,
    Report,
    ReportPayload,
    ReportRow,
    RivalClaim,
    Stream,
)
from obbligato.server.database import Database as AnyDatabase


class Following(Base):
    """The one row that says which chain this is and how far it was followed."""

    __tablename__ = "following"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chain_id: Mapped[int]
    contracts: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The addresses of the five contracts, by name."""
    head_number: Mapped[int]
    """The last block that was read; one below the deployment's first before any was."""
    head_hash: Mapped[bytes]
    """Empty before any block was read."""
    final_number: Mapped[int]
    """Blocks up to this one are final: they are never undone."""


class Block(Base):
    """A block that has events, or can still be undone, or is the last final one.

    Its parent is not kept: it was compared when the block was read.
    """

    __tablename__ = "blocks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes]
    timestamp: Mapped[int]


class RawEvent(Base):
    """One log of one of the five contracts."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_name", "name", "block_number"),)

    block_number: Mapped[int] = mapped_column(primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
    contract: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(40))
    arguments: Mapped[dict[str, Any]]
    """By name; bytes are 0x hexadecimal, whole numbers stay numbers whatever their size."""
    transaction: Mapped[bytes]


class JournalEntry(Base):
    """What a row was before a block, that is not final, changed it or took it away."""

    __tablename__ = "journal"

    block_number: Mapped[int] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    """The primary key in words: with the block and the table it names the entry."""
    image: Mapped[dict[str, Any]]
    """Every column, bytes as hexadecimal."""


MIGRATIONS: Final = Path(__file__).parent / "index_migrations"


class IndexDatabase(AnyDatabase):
    """The database of the index, at its newest migration."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        """Raises InputError for a URL that is none, DatabaseError."""
        super().__init__(url, MIGRATIONS, migrate=migrate)
        self._lookups: dict[int, Session] = {}
        """By thread."""

    @contextmanager
    def lookups(self) -> Iterator[Session]:
        """A session for a few look-ups, over a connection that this thread keeps: taking one costs more than they."""
        thread = get_ident()
        session = self._lookups.get(thread)
        if session is None:
            session = Session(self._reading.connect(), expire_on_commit=False)
            self._lookups[thread] = session
        try:
            yield session
        finally:
            session.rollback()

    def close(self) -> None:
        """Close the connections."""
        while self._lookups:
            _, session = self._lookups.popitem()
            bound = session.get_bind()
            session.close()
            if isinstance(bound, Connection):
                bound.close()
        super().close()


CONTENT = (Document, Fingerprint, FingerprintValue)
"""Tables of what documents say: no block made their rows, and no reorg takes them away."""

__all__ = [
    "CONTENT",
    "Account",
    "Base",
    "Block",
    "Challenge",
    "DisputeState",
    "Document",
    "DocumentState",
    "Earning",
    "Fingerprint",
    "FingerprintValue",
    "Following",
    "Grant",
    "GrantRequest",
    "JournalEntry",
    "License",
    "LicenseAct",
    "LicenseActKind",
    "LicenseVersion",
    "Operator",
    "Pause",
    "PayeeEarning",
    "Payment",
    "Platform",
    "PlatformModule",
    "RawEvent",
    "Report",
    "ReportPayload",
    "ReportRow",
    "Reporter",
    "Reserve",
    "RivalClaim",
    "Source",
    "Split",
    "SplitPayee",
    "Stream",
    "Terms",
    "Units",
]
