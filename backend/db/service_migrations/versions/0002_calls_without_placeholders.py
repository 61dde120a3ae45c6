"""calls of acts hold fixed arguments alone: those that are known later follow when they are sent"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PLACEHOLDERS = ("$signed", "$acceptances", "$owed_splits")
LATE = {"change-split": "$acceptances", "claim": "$owed_splits", "challenge": "$owed_splits"}
"""By kind of act: the placeholder that stood before the signature's."""
ACTS = sa.table(
    "acts", sa.column("id", sa.String), sa.column("kind", sa.String), sa.column("material", sa.JSON)
)


def upgrade() -> None:
    connection = op.get_bind()
    for identity, material in connection.execute(sa.select(ACTS.c.id, ACTS.c.material)).all():
        call, direct = material["call"], material["direct"]
        call["arguments"] = [each for each in call["arguments"] if each not in PLACEHOLDERS]
        if direct is not None:
            # A transaction of the owner's own carries no acceptances.
            direct["arguments"] = [
                [] if each == "$acceptances" else each for each in direct["arguments"]
            ]
        connection.execute(sa.update(ACTS).where(ACTS.c.id == identity).values(material=material))


def downgrade() -> None:
    connection = op.get_bind()
    acts = connection.execute(sa.select(ACTS.c.id, ACTS.c.kind, ACTS.c.material)).all()
    for identity, kind, material in acts:
        call, direct = material["call"], material["direct"]
        call["arguments"] += [*([LATE[kind]] if kind in LATE else []), "$signed"]
        if kind == "change-split" and direct is not None:
            direct["arguments"][-1] = "$acceptances"
        connection.execute(sa.update(ACTS).where(ACTS.c.id == identity).values(material=material))
