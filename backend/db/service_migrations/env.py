"""What Alembic runs to migrate the service's tables."""

from backend.db.service_db import Base
from obbligato.server.database import run_migrations
from obbligato.transactions.tables import SendingBase

run_migrations(Base.metadata, SendingBase.metadata)
