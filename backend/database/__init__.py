"""Tables, migrations and sessions of the backend's database (SQLite by default, PostgreSQL by URL)."""

from backend.database.connection import Database, DatabaseError

__all__ = ["Database", "DatabaseError"]
