"""What Alembic runs to migrate the index's tables."""

from backend.db.index_db import Base
from obbligato.server.database import run_migrations

run_migrations(Base.metadata)
