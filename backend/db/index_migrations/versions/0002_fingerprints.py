"""Fingerprints of recordings; documents that were read are asked for again; indexes for reading.

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
        batch_op.add_column(
            sa.Column("read_at", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        )
        batch_op.create_index(batch_op.f("ix_documents_read_at"), ["read_at"], unique=False)

    with op.batch_alter_table("licenses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licenses_ends_at"), ["ends_at"], unique=False)
    with op.batch_alter_table("license_acts", schema=None) as batch_op:
        batch_op.create_index(
            "license_acts_by_kind", ["act", "block_number", "log_index"], unique=False
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
    with op.batch_alter_table("license_acts", schema=None) as batch_op:
        batch_op.drop_index("license_acts_by_kind")
    with op.batch_alter_table("licenses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licenses_ends_at"))
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_read_at"))
        batch_op.drop_column("read_at")
        batch_op.drop_column("read_as")
