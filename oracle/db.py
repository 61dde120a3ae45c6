"""The oracle's tables. Times are whole seconds since 1970, UTC; money is in millionths of a dollar.

Amounts and quantities go to 2^64 - 1, beyond a database's signed integers: they are text of digits (`Units`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from obbligato.schemas.oracle import State
from obbligato.server.database import COLUMN_TYPES, Serial, Units, now
from obbligato.server.database import Database as AnyDatabase
from oracle.states import PART_MOVES, SUBMISSION_MOVES, check_move, overall


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = COLUMN_TYPES


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
    state: Mapped[str] = mapped_column(String(16), default=State.RECEIVED, index=True)
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

    def move(self, state: State, *, waiting: str | None = None) -> None:
        """Go to a state, with why it goes on no further by itself. Raises IllegalMoveError."""
        self.state = check_move(SUBMISSION_MOVES, self.state, state)
        self.waiting = waiting

    def follow_parts(self) -> None:
        """Go to where the parts are, with the first reason that one of them waits.

        A rejected submission stays so, whatever becomes of a part that the chain has.
        """
        if self.state != State.REJECTED:
            waiting = next((part.waiting for part in self.reports if part.waiting), None)
            self.move(overall(part.state for part in self.reports), waiting=waiting)


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
    state: Mapped[str] = mapped_column(String(16), default=State.VALIDATED, index=True)
    config_version: Mapped[int | None]
    attestations: Mapped[bytes | None]
    """Packed signatures of the quorum."""
    window_end: Mapped[int | None]
    final: Mapped[bool] = mapped_column(default=False)
    """Whether the block that holds it can no longer change."""
    waiting: Mapped[str | None]
    updated_at: Mapped[int] = mapped_column(default=now, onupdate=now)

    submission: Mapped[Submission] = relationship(back_populates="reports")

    def move(self, state: State, *, waiting: str | None = None) -> None:
        """Go to a state, with why it goes on no further by itself. Raises IllegalMoveError."""
        self.state = check_move(PART_MOVES, self.state, state)
        self.waiting = waiting


class AttesterAnswerRow(Base):
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


MIGRATIONS: Final = Path(__file__).parent / "migrations"


class OracleDatabase(AnyDatabase):
    """The database of a leader or an attester, at its newest migration."""

    def __init__(self, url: str) -> None:
        """Raises InputError for a URL that is none, DatabaseError."""
        super().__init__(url, MIGRATIONS)
