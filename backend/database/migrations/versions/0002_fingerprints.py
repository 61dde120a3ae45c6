"""Fingerprints of recordings, and the values they are found by; documents that were read are asked for again.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("documents", schema=None) as batch_op:
        # 0: by a reading that took no fingerprint, so the index asks for them once more.
        batch_op.add_column(
            sa.Column("read_as", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        )

    op.create_table(
        "fingerprints",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "fingerprint_values",
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("value", "digest"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("fingerprint_values")
    op.drop_table("fingerprints")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_column("read_as")
