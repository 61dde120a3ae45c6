"""The outbox's tables, in the database of whichever service sends."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from obbligato.server.database import COLUMN_TYPES, Serial, Units, now


class SendingBase(DeclarativeBase):
    """The base of the outbox's tables: a service's migrations make them beside its own."""

    type_annotation_map = COLUMN_TYPES


class TransactionState(StrEnum):
    """Where a transaction of the outbox is."""

    QUEUED = "queued"
    """Wanted; no nonce yet."""
    SIGNED = "signed"
    """Nonce taken, bytes written down; sent, or to be sent again."""
    MINED = "mined"
    FINAL = "final"
    REVERTED = "reverted"
    """Mined and failed: whoever wanted it looks at the chain again."""
    REFUSED = "refused"
    """The simulation said no: nothing was sent."""
    SUPERSEDED = "superseded"
    """Its nonce was used by something else."""


class Transaction(SendingBase):
    """One transaction of the outbox. (purpose, subject) names what it is for."""

    __tablename__ = "transactions"
    __table_args__ = (
        UniqueConstraint("sender", "nonce"),
        Index("transactions_by_subject", "purpose", "subject"),
    )

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    purpose: Mapped[str] = mapped_column(String(16))
    """submit, fund, settle, claim or challenge."""
    subject: Mapped[str] = mapped_column(String(200))
    """What it is for: a report's id in hexadecimal, or an account."""
    to: Mapped[str] = mapped_column(String(42))
    data: Mapped[bytes]
    gas: Mapped[int | None]
    sender: Mapped[str | None] = mapped_column(String(42))
    nonce: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16), default=TransactionState.QUEUED, index=True)
    hash: Mapped[str | None] = mapped_column(String(66))
    """The hash that was mined."""
    block_number: Mapped[int | None]
    block_hash: Mapped[str | None] = mapped_column(String(66))
    gas_used: Mapped[int | None]
    error: Mapped[dict[str, Any] | None]
    """{"error": name, "arguments": {...}} of a refusal or a revert."""
    waiting: Mapped[str | None]
    created_at: Mapped[int] = mapped_column(default=now)
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)

    broadcasts: Mapped[list[Broadcast]] = relationship(
        back_populates="transaction", order_by="Broadcast.id", cascade="all, delete-orphan"
    )


class Broadcast(SendingBase):
    """The signed bytes of a transaction at one fee; a bump is a further one with the same nonce."""

    __tablename__ = "broadcasts"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    transaction_id: Mapped[int] = mapped_column(ForeignKey("transactions.id"), index=True)
    hash: Mapped[str] = mapped_column(String(66), unique=True)
    raw: Mapped[bytes]
    max_fee: Mapped[int] = mapped_column(Units)
    """Wei per gas, as `maxFeePerGas`."""
    priority_fee: Mapped[int] = mapped_column(Units)
    sent_at: Mapped[int | None]
    """When it was last sent."""
    sent_in_block: Mapped[int | None]
    """The newest block when it was first sent."""
    created_at: Mapped[int] = mapped_column(default=now)

    transaction: Mapped[Transaction] = relationship(back_populates="broadcasts")
