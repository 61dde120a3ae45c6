"""A licence as its acts need it, and who may change it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.head import read_head
from backend.db.index_db import Document, License, LicenseVersion, SplitPayee, Terms
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents import LicenseDocument, cid_from_digest
from obbligato.errors import NotFound
from obbligato.protocol.constants import Role
from obbligato.protocol.history import LicenseHistory, Version
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard
from obbligato.protocol.terms import Terms as TermsRule
from obbligato.server.http import Problem
from obbligato.store import ContentStore


@dataclass(frozen=True, slots=True)
class KnownLicense:
    """A licence as the index has it."""

    license_id: int
    owner: str
    content: bytes
    document: bytes
    """The newest digest, in force or still pending."""
    history: LicenseHistory
    split: Split
    title: str | None
    now: int
    """The time of the newest block that the index has read."""

    @property
    def current_document(self) -> bytes:
        """The digest of the document in force: messages name it."""
        return self.history.document_at(self.now) or self.document

    @property
    def name(self) -> str:
        """The licence as previews name it: `“Title” (licence 3)`."""
        return (
            f"“{self.title}” (licence {self.license_id})"
            if self.title
            else f"licence {self.license_id}"
        )


def known_license(session: Session, license_id: int) -> KnownLicense:
    """The licence. Raises NotFound."""
    row = session.get(License, license_id)
    if row is None:
        raise NotFound(f"there is no licence {license_id}, or the index has not read it yet")
    pairs = session.execute(
        select(LicenseVersion, Terms)
        .join(Terms, Terms.terms_id == LicenseVersion.terms_id)
        .where(LicenseVersion.license_id == license_id)
        .order_by(LicenseVersion.number)
    ).all()
    versions = tuple(
        Version(
            terms_id=version.terms_id,
            terms=terms_of(terms),
            start=version.start,
            anchor=version.anchor,
            document=version.document,
        )
        for version, terms in pairs
    )
    document = session.get(Document, row.document)
    return KnownLicense(
        license_id=license_id,
        owner=row.owner,
        content=row.content,
        document=row.document,
        history=LicenseHistory(versions=versions, ends_at=row.ends_at),
        split=known_split(session, row.split_id),
        title=document.title if document else None,
        now=read_head(session).head_time,
    )


def known_split(session: Session, split_id: int) -> Split:
    """The payees of a split."""
    payees = session.scalars(select(SplitPayee).where(SplitPayee.split_id == split_id))
    return Split.of(
        [Payee(account=each.account, share=each.share_ppm, role=Role(each.role)) for each in payees]
    )


def terms_of(row: Terms) -> TermsRule:
    """A row as the rules have terms."""
    return TermsRule(
        tiers=row.tiers,
        term_days=row.term_days,
        flags=row.flags,
        influence_cap_bps=row.influence_cap_bps,
        rates=tuple(RateCard(**card) for card in row.rates),
        text_digest=row.text_digest,
    )


def document_of(store: ContentStore, digest: bytes) -> LicenseDocument:
    """What a licence's document says. Raises NotFound, StoreError, DigestMismatch, InputError."""
    return LicenseDocument.from_bytes(store.get(cid_from_digest(digest)))


def license_of_caller(services: Services, caller: Caller, license_id: int) -> KnownLicense:
    """The licence, which the caller or the owner whose operator it is wants to change.

    Raises NotFound, Problem 403, ChainError.
    """
    with services.index_db.reading() as session:
        known = known_license(session, license_id)
    if caller.account != known.owner and not services.chain.call(
        "LicenseRegistry", "isLicensor", license_id, caller.account
    ):
        raise Problem(
            403,
            "Not your licence",
            f"Licence {license_id} is of {known.owner}, and {caller.account} is no operator of that account.",
            field="license_id",
        )
    return known


def check_may_mint_for(services: Services, caller: Caller, owner: str) -> None:
    """Make sure that the caller is the owner or its operator. Raises Problem 403, ChainError."""
    if caller.account != owner and not services.chain.call(
        "LicenseRegistry", "isApprovedForAll", owner, caller.account
    ):
        raise Problem(
            403,
            "Not for this account",
            f"{owner} has not made {caller.account} its operator: ask for its signature first.",
            field="owner",
        )


def forbidden_payees(services: Services) -> tuple[str, ...]:
    """Accounts that can never claim: what is credited to them is lost."""
    deployment = services.chain.deployment
    return deployment.address("RoyaltyVault"), deployment.token
