"""The service's own database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from obbligato.service.database import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSIONS: Final = "records_version"
"""A table of its own: index and records may share a PostgreSQL database."""


class Records(Database):
    """The database of what only this service knows, at its newest migration."""

    def __init__(self, url: str) -> None:
        """Raises InputError for a URL that is none, DatabaseError."""
        super().__init__(url, MIGRATIONS, versions=VERSIONS)
