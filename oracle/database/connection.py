"""The oracle's database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from obbligato.service.database import Database as AnyDatabase
from obbligato.service.database import DatabaseError

__all__ = ["Database", "DatabaseError"]

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database(AnyDatabase):
    """The database of a leader or an attester, at its newest migration."""

    def __init__(self, url: str) -> None:
        """Raises InputError for a URL that is none, DatabaseError."""
        super().__init__(url, MIGRATIONS)
