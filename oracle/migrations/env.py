"""What Alembic runs to migrate the oracle's tables."""

from obbligato.server.database import run_migrations
from obbligato.transactions.tables import SendingBase
from oracle.db import Base

run_migrations(Base.metadata, SendingBase.metadata)
