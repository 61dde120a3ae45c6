"""Licences, their terms and documents, who acts for their owners, and grants."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import ADDRESS, Base, Changing, Happened, Made, Units


class Terms(Made, Base):
    """Interned terms."""

    __tablename__ = "terms"

    terms_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(unique=True)
    tiers: Mapped[int]
    term_days: Mapped[int]
    flags: Mapped[int]
    influence_cap_bps: Mapped[int]
    rates: Mapped[list[Any]]
    """One object a tier of the mask, ascending: training_run, generation, playback, grant_fee, in money units."""
    text_digest: Mapped[bytes]


class License(Changing, Base):
    """One licence as it stands; its terms in time are its versions."""

    __tablename__ = "licenses"

    license_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(ADDRESS, index=True)
    content: Mapped[bytes] = mapped_column(index=True)
    """The content hash of the recording: several licences may claim one."""
    split_id: Mapped[int] = mapped_column(index=True)
    document: Mapped[bytes] = mapped_column(index=True)
    """The newest digest that was announced, in force or still pending."""
    minted_at: Mapped[int]
    ends_at: Mapped[int | None] = mapped_column(index=True)
    """When consent ends or ended; None while the licence renews itself."""
    voided: Mapped[bool]
    versions: Mapped[int]
    """How many versions there are, a pending one included."""


class LicenseVersion(Made, Base):
    """Terms that are, were or will be in force from `start` until the next version, or the licence's end."""

    __tablename__ = "license_versions"

    license_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """From 0."""
    start: Mapped[int]
    anchor: Mapped[int]
    """The moment from which its terms are counted."""
    terms_id: Mapped[int] = mapped_column(index=True)
    document: Mapped[bytes] = mapped_column(index=True)


class LicenseActKind(StrEnum):
    """What can happen to a licence."""

    MINTED = "minted"
    TRANSFERRED = "transferred"
    AMENDED = "amended"
    REVOKED = "revoked"
    REINSTATED = "reinstated"
    VOIDED = "voided"
    SPLIT_CHANGED = "split changed"


class LicenseAct(Happened, Base):
    """One thing that happened to a licence; what does not belong to it is None."""

    __tablename__ = "license_acts"
    __table_args__ = (
        Index("license_acts_by_license", "license_id", "block_number"),
        Index("license_acts_by_kind", "act", "block_number", "log_index"),
    )

    license_id: Mapped[int]
    act: Mapped[str] = mapped_column(String(16))
    happened_at: Mapped[int]
    transaction: Mapped[bytes]
    account: Mapped[str | None] = mapped_column(ADDRESS)
    """The owner from then on."""
    terms_id: Mapped[int | None]
    split_id: Mapped[int | None]
    document: Mapped[bytes | None]
    effective_at: Mapped[int | None]
    """From when an amendment is in force; when a revoked or voided licence ends."""


class Operator(Changing, Base):
    """An account that an owner lets act for all its licences, or did."""

    __tablename__ = "operators"

    owner: Mapped[str] = mapped_column(ADDRESS, primary_key=True)
    operator: Mapped[str] = mapped_column(ADDRESS, primary_key=True, index=True)
    approved: Mapped[bool]


class Grant(Happened, Base):
    """A platform's right to a tier of a licence for a term."""

    __tablename__ = "grants"

    license_id: Mapped[int] = mapped_column(index=True)
    platform_id: Mapped[int] = mapped_column(index=True)
    tier: Mapped[int]
    model_id: Mapped[bytes]
    """Zeros: any model of the platform."""
    start: Mapped[int]
    end: Mapped[int]
    fee_units: Mapped[int] = mapped_column(Units)
    split_id: Mapped[int]
    transaction: Mapped[bytes]


class GrantRequest(Changing, Base):
    """What a platform asked a licensor for; `approved_by` is None until one approved."""

    __tablename__ = "grant_requests"

    request_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    license_id: Mapped[int] = mapped_column(index=True)
    platform_id: Mapped[int] = mapped_column(index=True)
    tier: Mapped[int]
    model_id: Mapped[bytes]
    fee_units: Mapped[int] = mapped_column(Units)
    asked_at: Mapped[int]
    approved_by: Mapped[str | None] = mapped_column(ADDRESS)
    approved_at: Mapped[int | None]


class DocumentState(StrEnum):
    """What is known of a licence's document."""

    READ = "read"
    MISSING = "missing"
    """Nobody gave its bytes so far; it is asked for again."""
    INVALID = "invalid"
    """Its bytes are there and are no licence document."""


class Document(Base):
    """What the document of a digest says. It is content, not chain: no reorg changes it."""

    __tablename__ = "documents"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(8), index=True)
    reason: Mapped[str | None]
    """Why it is missing or invalid."""
    attempts: Mapped[int]
    due_at: Mapped[int]
    """When a missing one is asked for again."""
    isrc: Mapped[str | None] = mapped_column(String(12), index=True)
    title: Mapped[str | None]
    artists: Mapped[list[Any] | None]
    read_as: Mapped[int] = mapped_column(default=0)
    """Which reading took these facts from it: a document is asked for again once a later one takes more."""
    read_at: Mapped[int] = mapped_column(default=0, index=True)
    """When its bytes were read, in microseconds; 0 before that."""


class Fingerprint(Base):
    """What the recording of a document sounds like. Content, as documents are: no reorg changes it."""

    __tablename__ = "fingerprints"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the document."""
    packed: Mapped[bytes]
    """Chromaprint's values, 4 bytes each, big-endian."""


class FingerprintValue(Base):
    """One value of the fingerprint in a document: those that share some may be near."""

    __tablename__ = "fingerprint_values"
    __table_args__ = ({"sqlite_with_rowid": False},)

    value: Mapped[int] = mapped_column(primary_key=True)
    """Its upper 28 bits."""
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the document."""
