"""Earnings of payees summed as they come, rows of reports by split. The index is read from the chain anew.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MADE_BY_BLOCKS = (
    "accounts",
    "blocks",
    "challenges",
    "earnings",
    "events",
    "following",
    "grant_requests",
    "grants",
    "journal",
    "license_acts",
    "license_versions",
    "licenses",
    "operators",
    "pauses",
    "payments",
    "platform_modules",
    "platforms",
    "report_payloads",
    "report_rows",
    "reporters",
    "reports",
    "reserves",
    "rival_claims",
    "split_payees",
    "splits",
    "streams",
    "terms",
)
"""Everything but what documents say, which no block made and which took long to fetch."""


def upgrade() -> None:
    op.create_table(
        "payee_earnings",
        sa.Column("account", sa.String(length=42), nullable=False),
        sa.Column("month", sa.BigInteger(), nullable=False),
        sa.Column("platform_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.BigInteger(), nullable=False),
        sa.Column("amount_units", sa.String(length=20), nullable=False),
        sa.Column("quantity_millionths", sa.String(length=40), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "month", "platform_id", "tier", "metric"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("payee_earnings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payee_earnings_block_number"), ["block_number"], unique=False
        )
    with op.batch_alter_table("report_rows", schema=None) as batch_op:
        batch_op.create_index("report_rows_by_split", ["split_id", "report_number"], unique=False)
    _begin_anew()


def _begin_anew() -> None:
    """Sums carry the blocks that changed them and their journal: only the chain can tell these."""
    for name in _MADE_BY_BLOCKS:
        op.execute(sa.delete(sa.table(name)))


def downgrade() -> None:
    with op.batch_alter_table("report_rows", schema=None) as batch_op:
        batch_op.drop_index("report_rows_by_split")
    op.drop_table("payee_earnings")
