"""What is said of licences."""

from __future__ import annotations

from pydantic import Field

from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Cid,
    DocumentWord,
    Hex32,
    LicenseState,
    Seconds,
)
from backend.licenses.terms import SplitAnswer, TermsAnswer
from obbligato.schemas.terms import TierName


class LicenseSummary(AnswerModel):
    """One licence in a list, as it stands at the moment that was asked for."""

    license_id: int = Field(examples=[1])
    state: LicenseState
    """`ending`: revoked, and in force until its term ends."""
    owner: Account
    title: str | None = Field(examples=["Clair de lune"])
    """Null where the document cannot be read: see `document_state`."""
    artists: list[str] | None = Field(examples=[["Ana Silva", "Trio Norte"]])
    isrc: str | None = Field(examples=["AA6Q72000047"])
    content: Hex32
    """The sha-256 of the recording's file: several licences may claim one."""
    document: Cid
    document_state: DocumentWord
    terms_id: int | None = Field(examples=[1])
    """The terms in force; null where none are."""
    tiers: list[TierName]
    """What is allowed by them."""
    split_id: int = Field(examples=[1])
    minted_at: Seconds
    ends_at: Seconds | None
    """When consent ends or ended; null while the licence renews itself."""
    certainty: Certainty


class VersionAnswer(AnswerModel):
    """Terms from one moment until the next version, or the licence's end."""

    start: Seconds
    terms_id: int
    tiers: list[TierName]
    document: Cid


class PendingVersion(AnswerModel):
    """Terms that wait for the next term."""

    start: Seconds
    document: Cid
    terms: TermsAnswer


class RivalLicense(AnswerModel):
    """A licence for the same recording under another owner."""

    license_id: int
    owner: Account
    state: LicenseState
    same_content: bool
    same_isrc: bool
    minted_at: Seconds


class LicenseAnswer(LicenseSummary):
    """All that the chain and the document say of one licence."""

    voided: bool
    """Whether the arbiter ended it."""
    term_ends_at: Seconds | None
    """When the running term ends."""
    terms: TermsAnswer | None
    """In force; null where none are."""
    pending: PendingVersion | None
    split: SplitAnswer
    versions: list[VersionAnswer]
    document_reason: str | None
    """Why the document cannot be read."""
    rivals: list[RivalLicense]
    """Up to 100, oldest first; the list of licences with `rival_of` has all."""
    earliest_live: int | None
    """The licence in force that was minted first for this recording, itself included: the one that is used."""


class RetiredLicense(AnswerModel):
    """A licence whose consent ended or will end."""

    license_id: int
    reason: str = Field(examples=["revoked"], pattern="^(revoked|voided)$")
    retired_at: Seconds
    """When that was decided."""
    ends_at: Seconds
    """From when there is no consent."""
    title: str | None
    artists: list[str] | None
    isrc: str | None
    content: Hex32
    transaction: Hex32
    certainty: Certainty


class ActAnswer(AnswerModel):
    """One thing that happened to a licence; what does not belong to it is null."""

    act: str = Field(examples=["minted"])
    happened_at: Seconds
    account: Account | None
    """The owner from then on."""
    terms_id: int | None
    split_id: int | None
    document: Cid | None
    effective_at: Seconds | None
    """From when an amendment is in force; when a revoked or voided licence ends."""
    transaction: Hex32
    block_number: int
    certainty: Certainty
