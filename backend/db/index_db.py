"""Every table of the backend's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from backend.db.base import Base, Units
from backend.db.chain_tables import Block, Following, JournalEntry, RawEvent
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
