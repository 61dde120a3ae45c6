"""Who may change a licence or mint for somebody, and the document that it has."""

from __future__ import annotations

from backend.db.head import read_head
from backend.http.callers import Caller
from backend.licenses.history import KnownLicense, read_history
from backend.services import Services
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.server.http import Problem
from obbligato.store import ContentStore


def document_of(store: ContentStore, digest: bytes) -> LicenseDocument:
    """What a licence's document says. Raises NotFound, StoreError, DigestMismatch, InputError."""
    return LicenseDocument.from_bytes(store.get(cid_from_digest(digest)))


def license_of_caller(services: Services, caller: Caller, license_id: int) -> KnownLicense:
    """The licence, which the caller or the owner whose operator it is wants to change.

    Raises NotFound, Problem 403, ChainError.
    """
    with services.index_db.reading() as session:
        known = read_history(session, read_head(session), license_id)
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
