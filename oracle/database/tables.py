"""The oracle's tables. Times are whole seconds since 1970, UTC; money is in millionths of a dollar.

Amounts and quantities go to 2^64 - 1, beyond a database's signed integers: they are text of digits (`Units`).
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Units(TypeDecorator[int]):
    """A whole number of any size, as its decimal digits."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: object) -> int | None:
        return None if value is None else int(value)


Serial = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts itself: SQLite does that for INTEGER alone."""


def now() -> int:
    """The time, in whole seconds."""
    return int(time.time())


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        bytes: LargeBinary,
        str: Text,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


class SubmissionState(StrEnum):
    """How far what a platform sent has come; the words platforms are shown."""

    RECEIVED = "received"
    VALIDATED = "validated"
    """Metered and priced: its headers wait for the platform's signature."""
    SIGNED = "signed"
    """The platform has signed: attestations are being collected, part by part."""
    ATTESTED = "attested"
    SUBMITTED = "submitted"
    UNFUNDED = "unfunded"
    CHALLENGEABLE = "challengeable"
    CONTESTED = "contested"
    SETTLED = "settled"
    REJECTED = "rejected"
    QUOTED = "quoted"
    """A dry run, priced."""
    WITHDRAWN = "withdrawn"
    """Taken back by the platform before it signed."""


ReportState = SubmissionState
"""A part has the same states, from validated on."""


class Upload(Base):
    """A file of usage, whole and with the digest it was announced with."""

    __tablename__ = "uploads"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    created_at: Mapped[int] = mapped_column(default=now)


class Submission(Base):
    """What a platform sent for one model and period; it becomes one report or several parts."""

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("platform_id", "idempotency_key"),
        Index("submissions_by_stream", "platform_id", "model_id", "state"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    platform_id: Mapped[int]
    model_id: Mapped[bytes]
    idempotency_key: Mapped[str] = mapped_column(String(200))
    request_digest: Mapped[bytes]
    request: Mapped[dict[str, Any]]
    """The request as it came: period, pricing, files, rows, options."""
    salt: Mapped[bytes]
    dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(16), default=SubmissionState.RECEIVED, index=True)
    waiting: Mapped[str | None]
    """Why it is not going on right now, in words."""
    problem: Mapped[dict[str, Any] | None]
    """Why it was rejected, with the lines."""
    summary: Mapped[dict[str, Any] | None]
    """Counts: events, duplicates, lines left out, rows, parts; and what is unlicensed."""
    created_at: Mapped[int] = mapped_column(default=now)
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)

    reports: Mapped[list[Report]] = relationship(
        back_populates="submission", order_by="Report.part", cascade="all, delete-orphan"
    )


class Report(Base):
    """One part: what becomes one report on the chain."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("submission_id", "part"),)

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id"), index=True)
    part: Mapped[int]
    report_id: Mapped[bytes | None] = mapped_column(index=True)
    """The digest of the header; None until the header is made."""
    header: Mapped[dict[str, Any] | None]
    """`UsageReport` as JSON (camelCase), with 64-bit integers as strings."""
    rows: Mapped[bytes]
    credits: Mapped[bytes]
    """Packed; as last priced, and from the chain once it is there."""
    total: Mapped[int] = mapped_column(Units)
    evidence: Mapped[bytes]
    reporter: Mapped[str | None] = mapped_column(String(42))
    reporter_signature: Mapped[bytes | None]
    state: Mapped[str] = mapped_column(String(16), default=ReportState.VALIDATED, index=True)
    config_version: Mapped[int | None]
    attestations: Mapped[bytes | None]
    """Packed signatures of the quorum."""
    window_end: Mapped[int | None]
    final: Mapped[bool] = mapped_column(default=False)
    """Whether the block that holds it can no longer change."""
    waiting: Mapped[str | None]
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)

    submission: Mapped[Submission] = relationship(back_populates="reports")


class Answer(Base):
    """What an attester answered about a report, the last time it was asked."""

    __tablename__ = "answers"

    report_id: Mapped[bytes] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(500), primary_key=True)
    signer: Mapped[str | None] = mapped_column(String(42))
    config_version: Mapped[int | None]
    signature: Mapped[bytes | None]
    outcome: Mapped[str] = mapped_column(String(16))
    """signed, refused, unreachable or lied."""
    reason: Mapped[str | None]
    asked_at: Mapped[int] = mapped_column(default=now)


class Signed(Base):
    """An attester's memory: the one digest it signs per place in a stream. Written before it signs."""

    __tablename__ = "signed"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[bytes] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[bytes]
    deadline: Mapped[int] = mapped_column(Units)
    signed_at: Mapped[int] = mapped_column(default=now)


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


class Transaction(Base):
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


class Broadcast(Base):
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


class ApiKey(Base):
    """A key of a platform, by the digest of its secret; scopes are words separated by spaces."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    platform_id: Mapped[int] = mapped_column(index=True)
    secret_digest: Mapped[bytes]
    scopes: Mapped[str] = mapped_column(String(200))
    label: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[int] = mapped_column(default=now)
    revoked_at: Mapped[int | None]


class Payout(Base):
    """A payee who asked to be paid without claiming, whenever it has earned at least `minimum`."""

    __tablename__ = "payouts"

    account: Mapped[str] = mapped_column(String(42), primary_key=True)
    minimum: Mapped[int] = mapped_column(Units)
    created_at: Mapped[int] = mapped_column(default=now)
