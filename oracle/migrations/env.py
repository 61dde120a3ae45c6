"""What Alembic runs: migrations over the connection that `obbligato.server.database` gives."""

from typing import Any, Literal

from alembic import context

from obbligato.server.database import Units
from obbligato.transactions.tables import SendingBase
from oracle.db import Base

connection = context.config.attributes["connection"]
versions = context.config.attributes["versions"]


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Migrations name plain types: they must still run when this package has changed."""
    return "sa.String(length=20)" if kind == "type" and isinstance(item, Units) else False


context.configure(
    connection=connection,
    version_table=versions,
    target_metadata=[Base.metadata, SendingBase.metadata],
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
