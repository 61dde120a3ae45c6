"""Reports with their rows, streams, and what contests them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import ADDRESS, LARGE, Base, Changing, Happened, Made, Units


class Report(Changing, Base):
    """One report as the chain accepted it: the header's fields, and what became of it."""

    __tablename__ = "reports"
    __table_args__ = (
        Index("reports_by_stream", "platform_id", "model_id", "sequence"),
        Index("reports_by_state", "state", "window_end"),
    )

    report_id: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    """1 for the first report of the deployment, and so on."""
    platform_id: Mapped[int]
    model_id: Mapped[bytes]
    sequence: Mapped[int]
    attempt: Mapped[int]
    previous: Mapped[bytes]
    period_start: Mapped[int]
    period_end: Mapped[int]
    pricing: Mapped[int]
    row_count: Mapped[int]
    rows_digest: Mapped[bytes]
    total_units: Mapped[int] = mapped_column(Units)
    evidence: Mapped[bytes]
    deadline: Mapped[int] = mapped_column(Units)
    reporter: Mapped[str] = mapped_column(ADDRESS)
    config_version: Mapped[int]
    submitted_at: Mapped[int]
    transaction: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(8))
    """unfunded, pending or settled."""
    window_end: Mapped[int | None]
    settled_at: Mapped[int | None]
    settled_units: Mapped[int] = mapped_column(Units)
    held: Mapped[list[Any]]
    """Rows that challenges took out of it: the disputes pay them."""
    ruled_units: Mapped[int] = mapped_column(Units)
    """What rulings, lapses and arrears paid for its rows."""


class ReportPayload(Made, Base):
    """The packed rows and credits of a report: what settling and challenging it take."""

    __tablename__ = "report_payloads"
    __table_args__ = ({"info": {LARGE: True}},)

    report_id: Mapped[bytes] = mapped_column(primary_key=True)
    rows: Mapped[bytes]
    credits: Mapped[bytes]


class ReportRow(Made, Base):
    """One row with what it costs and whom it pays, as submitted."""

    __tablename__ = "report_rows"
    __table_args__ = (
        Index("report_rows_by_license", "license_id", "report_number"),
        Index("report_rows_by_split", "split_id", "report_number"),
        {"sqlite_with_rowid": False},
    )

    report_number: Mapped[int] = mapped_column(primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    """From 0."""
    license_id: Mapped[int]
    tier: Mapped[int]
    metric: Mapped[int]
    quantity_millionths: Mapped[int] = mapped_column(Units)
    split_id: Mapped[int]
    amount_units: Mapped[int] = mapped_column(Units)


class Stream(Changing, Base):
    """How far the reports of one platform for one model have come."""

    __tablename__ = "streams"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[bytes] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    last: Mapped[bytes]
    covered_until: Mapped[int]


class DisputeState(StrEnum):
    """Where a challenge or a rival claim is."""

    OPEN = "open"
    RULED = "ruled"
    LAPSED = "lapsed"
    """Nobody ruled in time, or a far larger claim took its place."""


class Challenge(Changing, Base):
    """One challenge of one row."""

    __tablename__ = "challenges"

    challenge_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    report_id: Mapped[bytes] = mapped_column(index=True)
    license_id: Mapped[int] = mapped_column(index=True)
    tier: Mapped[int]
    metric: Mapped[int]
    split_id: Mapped[int]
    challenger: Mapped[str] = mapped_column(ADDRESS, index=True)
    reported_millionths: Mapped[int] = mapped_column(Units)
    """The quantity of the row as it stood."""
    claimed_millionths: Mapped[int] = mapped_column(Units)
    amount_units: Mapped[int] = mapped_column(Units)
    """What the row had as it stood."""
    bond_units: Mapped[int] = mapped_column(Units)
    evidence: Mapped[bytes]
    opened_at: Mapped[int]
    transaction: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(8), index=True)
    closed_at: Mapped[int | None]
    ruled_millionths: Mapped[int | None] = mapped_column(Units)
    ruled_units: Mapped[int | None] = mapped_column(Units)
    """What the row is worth by the ruling."""
    challenger_won: Mapped[bool | None]
    paid_units: Mapped[int] = mapped_column(Units)
    """What the row's split got by it, arrears that were paid included."""
    arrears_units: Mapped[int] = mapped_column(Units)
    """What is still due, to the split and as penalty."""


class RivalClaim(Changing, Base):
    """A bonded claim that a licence is somebody else's recording."""

    __tablename__ = "rival_claims"

    claim_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    license_id: Mapped[int] = mapped_column(index=True)
    claimant: Mapped[str] = mapped_column(ADDRESS)
    bond_units: Mapped[int] = mapped_column(Units)
    evidence: Mapped[bytes]
    opened_at: Mapped[int]
    state: Mapped[str] = mapped_column(String(8), index=True)
    upheld: Mapped[bool | None]
    closed_at: Mapped[int | None]


class Pause(Happened, Base):
    """One pause of submitting and settling, or its early end."""

    __tablename__ = "pauses"

    until: Mapped[int]
    account: Mapped[str] = mapped_column(ADDRESS)
