"""Platforms and their escrow, splits and payees, what was earned and what was paid."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import ADDRESS, Base, Changing, Happened, Total, Units


class Platform(Changing, Base):
    """A registered licensee and its money."""

    __tablename__ = "platforms"

    platform_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    admin: Mapped[str] = mapped_column(ADDRESS, index=True)
    next_admin: Mapped[str | None] = mapped_column(ADDRESS)
    """Whom the admin named to follow; None once that account accepted."""
    available_units: Mapped[int] = mapped_column(Units)
    thawing_units: Mapped[int] = mapped_column(Units)
    bond_units: Mapped[int] = mapped_column(Units)
    thaw_ends_at: Mapped[int | None]
    closes_at: Mapped[int | None]
    obligations: Mapped[int]
    """Unfunded reports and arrears: while there are any, nothing is submitted or withdrawn."""


class Reserve(Changing, Base):
    """What a module holds of a platform's escrow."""

    __tablename__ = "reserves"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    amount_units: Mapped[int] = mapped_column(Units)


class Reporter(Changing, Base):
    """A key that signs, or signed, a platform's reports."""

    __tablename__ = "reporters"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True, index=True)
    active: Mapped[bool]


class PlatformModule(Changing, Base):
    """A module that a platform enabled, or disabled."""

    __tablename__ = "platform_modules"

    platform_id: Mapped[int] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    enabled: Mapped[bool]


class Split(Changing, Base):
    """Interned shares, and all that they ever received."""

    __tablename__ = "splits"

    split_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(unique=True)
    received_units: Mapped[int] = mapped_column(Units)


class SplitPayee(Changing, Base):
    """One payee of one split. Its entitlement is `floor(received * share / 1 000 000)`."""

    __tablename__ = "split_payees"
    __table_args__ = (Index("split_payees_by_account", "account", "split_id"),)

    split_id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    share_ppm: Mapped[int]
    role: Mapped[int]
    claimed_units: Mapped[int] = mapped_column(Units)


class Account(Changing, Base):
    """What the vault keeps for an account beside its splits."""

    __tablename__ = "accounts"

    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    refunds_units: Mapped[int] = mapped_column(Units)
    """Bonds that came back and were won."""
    paid_units: Mapped[int] = mapped_column(Units)
    """All that left the vault by its claims."""
    recipient: Mapped[str | None] = mapped_column(ADDRESS)
    """Where its claims are sent; None: to itself."""


class Payment(Happened, Base):
    """One claim: what a payee took. To the vault itself it is the bond of a challenge."""

    __tablename__ = "payments"
    __table_args__ = (Index("payments_by_payee", "payee", "block_number"),)

    payee: Mapped[str] = mapped_column(ADDRESS)
    recipient: Mapped[str] = mapped_column(ADDRESS)
    amount_units: Mapped[int] = mapped_column(Units)
    """Refunds included."""
    refunds_units: Mapped[int] = mapped_column(Units)
    split_ids: Mapped[list[Any]]
    paid_at: Mapped[int]
    transaction: Mapped[bytes]


class Source(StrEnum):
    """Why a split earned something."""

    REPORT = "report"
    RULING = "ruling"
    LAPSE = "lapse"
    """A held row that nobody ruled on."""
    ARREARS = "arrears"
    GRANT = "grant"
    RIVAL_CLAIM = "rival claim"
    """Half of the bond of a claim that its licence withstood."""


class PayeeEarning(Changing, Base):
    """A payee's part of all credits of one month, platform, tier and metric: what most questions are grouped by.

    There are at most as many as a payee has credits, and as a rule one a month and platform. What a credit has none
    of is NO_NUMBER, so that it has a place in the key.
    """

    __tablename__ = "payee_earnings"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True)
    platform_id: Mapped[int] = mapped_column(primary_key=True)
    tier: Mapped[int] = mapped_column(primary_key=True)
    metric: Mapped[int] = mapped_column(primary_key=True)
    amount_units: Mapped[int] = mapped_column(Units)
    quantity_millionths: Mapped[int] = mapped_column(Total)
    credits: Mapped[int]


NO_NUMBER: Final = -1
"""Stands for what a credit has none of, so that it has a place in an order."""


class Earning(Base):
    """One credit of one split, in the order of the chain.

    A payee's part of it is what its entitlement grew by,
    `floor((received_rest + amount) * share / 1e6) - floor(received_rest * share / 1e6)`, so that the parts of
    any set of credits, however they are grouped, sum to the entitlement to the unit. Of what the split had
    received before, only the rest modulo 1 000 000 matters.

    Amounts and quantities are below 2^62: what is larger is divided into several lines.
    """

    __tablename__ = "earnings"
    __table_args__ = (
        Index("earnings_by_license", "license_id", "month"),
        Index("earnings_by_platform", "platform_id", "month"),
        # SQLite keeps the rows in the order of their key: those of a split lie together.
        {"sqlite_with_rowid": False},
    )

    split_id: Mapped[int] = mapped_column(primary_key=True)
    block_number: Mapped[int] = mapped_column(primary_key=True, index=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    amount_units: Mapped[int]
    received_rest: Mapped[int]
    source: Mapped[str] = mapped_column(String(12))
    earned_at: Mapped[int]
    month: Mapped[int]
    """The month of use as yyyymm: that in which the report's period begins; without one, of `earned_at`."""
    quantity_millionths: Mapped[int]
    """The usage that this credit pays for; 0 where another credit of the same row counts it already."""
    license_id: Mapped[int]
    platform_id: Mapped[int | None]
    model_id: Mapped[bytes | None]
    tier: Mapped[int | None]
    metric: Mapped[int | None]
    report_number: Mapped[int | None]
