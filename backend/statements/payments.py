"""What left the vault for a payee."""

from __future__ import annotations

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from backend.api.answers import Page
from backend.api.paging import decode_cursor, page
from backend.database.tables import Following, Payment
from backend.reading.tip import Tip, certainty
from backend.statements.answers import PaymentAnswer


def vault_of(session: Session) -> str:
    """The address of the vault: a claim paid to it became a bond."""
    return str(session.get_one(Following, 1).contracts["RoyaltyVault"])


def list_payments(
    session: Session, tip: Tip, account: str, *, limit: int, cursor: str | None
) -> Page[PaymentAnswer]:
    """Claims of a payee, newest first. Raises InputError for a cursor that is none of ours."""
    query = select(Payment).where(Payment.payee == account)
    if cursor is not None:
        block, index = decode_cursor(cursor, int, int)
        query = query.where(
            Payment.block_number <= block,
            tuple_(Payment.block_number, Payment.log_index) < tuple_(block, index),
        )
    query = query.order_by(Payment.block_number.desc(), Payment.log_index.desc()).limit(limit + 1)
    vault = vault_of(session)
    return page(
        list(session.scalars(query)),
        limit,
        lambda row: (row.block_number, row.log_index),
        lambda row: PaymentAnswer(
            recipient=row.recipient,
            amount_units=row.amount_units,
            refunds_units=row.refunds_units,
            posted_as_bond=row.recipient == vault,
            split_ids=row.split_ids,
            paid_at=row.paid_at,
            transaction=row.transaction,
            block_number=row.block_number,
            certainty=certainty(tip, row.block_number),
        ),
    )
