"""The model's consent: licences and grants."""

from __future__ import annotations

from collections.abc import Sequence

from obbligato.protocol.constants import Tier
from obbligato.protocol.grants import request_digest
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.terms import Terms
from tests.contracts.stateful.model_money import Money
from tests.contracts.stateful.records import (
    ANY_MODEL,
    DAY,
    GRANT_APPROVAL,
    GRANT_REQUIRED,
    MODEL_BOUND,
    NOT_OFFERED,
    ZERO,
    License,
    Request,
    refuse,
)


class Licenses(Money):
    """What is licensed, and to whom."""

    # ---- licences ---------------------------------------------------------------------------------------------------

    def intern_terms(self, terms: Terms) -> int:
        digest = terms.digest()
        if digest not in self.terms_ids:
            self.terms_ids[digest] = len(self.terms) + 1
            self.terms[len(self.terms) + 1] = terms
        return self.terms_ids[digest]

    def check_minter(self, by: str, owner: str) -> None:
        refuse("NotMinterFor", when=by != owner and (owner, by) not in self.operators)

    def mint(self, owner: str, terms: bytes, split: bytes, document: bytes) -> int:
        refuse("UnknownTerms", when=terms not in self.terms_ids)
        refuse("UnknownSplitDigest", when=split not in self.split_ids)
        license_id = len(self.licenses) + 1
        terms_id = self.terms_ids[terms]
        history = LicenseHistory.mint(
            terms_id=terms_id, terms=self.terms[terms_id], document=document, now=self.now
        )
        self.licenses[license_id] = License(owner, self.split_ids[split], history)
        return license_id

    def licensed(self, license_id: int, by: str) -> License:
        """The licence, if this account may act for it."""
        refuse("UnknownLicense", when=license_id not in self.licenses)
        found = self.licenses[license_id]
        refuse("NotLicensor", when=by != found.owner and (found.owner, by) not in self.operators)
        return found

    def document(self, license_id: int) -> bytes:
        return self.licenses[license_id].history.document_at(self.now)

    def check_document(self, license_id: int, document: bytes) -> None:
        refuse("DocumentMismatch", when=self.document(license_id) != document)

    def check_new_document(self, license_id: int, document: bytes) -> None:
        """What had terms a day ago is bound to no document."""
        history, day_ago = self.licenses[license_id].history, self.now - 86_400
        ended = history.ends_at is not None and history.ends_at <= day_ago
        if history.minted_at > day_ago or ended:
            self.check_document(license_id, document)

    def amend(self, by: str, license_id: int, terms: bytes, document: bytes) -> None:
        found = self.licensed(license_id, by)
        refuse("LicenseEnding", when=found.history.ends_at is not None)
        refuse("UnknownTerms", when=terms not in self.terms_ids)
        refuse("DigestMissing", when=document == bytes(32))
        terms_id = self.terms_ids[terms]
        later, current = self.terms[terms_id], found.history.version_at(self.now).terms
        pending = found.history.pending_at(self.now) is not None
        refuse("AmendmentPending", when=pending and later.only_adds_tiers_to(current))
        found.history = found.history.amend(
            terms_id=terms_id, terms=later, document=document, now=self.now
        )

    def revoke(self, by: str, license_id: int) -> None:
        found = self.licensed(license_id, by)
        refuse("LicenseEnding", when=found.history.ends_at is not None)
        found.history = found.history.revoke(now=self.now, sold_until=found.renewed_until)

    def reinstate(self, by: str, license_id: int) -> None:
        found = self.licensed(license_id, by)
        refuse("NotRevoked", when=found.history.ends_at is None)
        refuse("LicenseEnded", when=self.now >= found.history.ends_at)
        found.history = found.history.reinstate(now=self.now)

    def change_split(
        self,
        by: str,
        license_id: int,
        from_digest: bytes,
        to_digest: bytes,
        to_shares: dict[str, int],
        accepted: Sequence[str],
    ) -> None:
        """`accepted` are the payees that signed, in the order in which their signatures are given."""
        found = self.licensed(license_id, by)
        refuse("SplitMismatch", when=self.split_ids.get(from_digest, 0) != found.split_id)
        losers = [
            account
            for account, share in self.splits[found.split_id].shares.items()
            if account != by and to_shares.get(account, 0) < share
        ]
        signed = iter(accepted)
        refuse("PayeeConsentMissing", when=any(next(signed, None) != loser for loser in losers))
        found.split_id = self.intern_split(to_digest, to_shares)

    def live(self, license_id: int) -> bool:
        """Whether it has been minted and has not ended."""
        found = self.licenses.get(license_id)
        return found is not None and (
            found.history.ends_at is None or found.history.ends_at > self.now
        )

    # ---- grants -----------------------------------------------------------------------------------------------------

    def _terms_for_grant(self, license_id: int, tier: int, model_id: bytes) -> Terms:
        found = self.licenses.get(license_id)
        consents = found is not None and found.history.consent_at(tier, self.now)
        refuse("NoConsent", when=not consents)
        terms = found.history.version_at(self.now).terms
        refuse("GrantNotRequired", when=not terms.flags & GRANT_REQUIRED)
        refuse("ModelMissing", when=bool(terms.flags & MODEL_BOUND) and model_id == ANY_MODEL)
        return terms

    def _check_grant_admin(self, by: str, platform_id: int) -> None:
        admin = self.platforms[platform_id].admin if platform_id in self.platforms else ZERO
        refuse("NotPlatformAdmin", when=by != admin)

    def buy(
        self, by: str, platform_id: int, license_id: int, tier: int, model_id: bytes, maximum: int
    ) -> None:
        self._check_grant_admin(by, platform_id)
        terms = self._terms_for_grant(license_id, tier, model_id)
        refuse("ApprovalRequired", when=bool(terms.flags & GRANT_APPROVAL))
        fee = terms.card(tier).grant_fee
        refuse("NotOffered", when=fee == NOT_OFFERED)
        refuse("FeeAboveMaximum", when=fee > maximum)
        self._grant(by, platform_id, license_id, tier, model_id, fee, terms.term_days)

    def ask(
        self, by: str, platform_id: int, license_id: int, tier: int, model_id: bytes, fee: int
    ) -> None:
        self._check_grant_admin(by, platform_id)
        self._terms_for_grant(license_id, tier, model_id)
        self.requests[len(self.requests) + 1] = Request(
            license_id, tier, platform_id, fee, model_id
        )

    def approve(self, by: str, request_id: int, digest: bytes | None = None) -> None:
        """`digest` is what the licensor named; None by signature, whose message says the same."""
        refuse("UnknownRequest", when=request_id not in self.requests)
        request = self.requests[request_id]
        meant = digest is None or digest == self.request_digest(request_id)
        refuse("RequestMismatch", when=not meant)
        refuse("RequestClosed", when=request.closed)
        found = self.licenses[request.license_id]
        refuse("NotLicensor", when=by != found.owner and (found.owner, by) not in self.operators)
        request.document = self.document(request.license_id)

    def request_digest(self, request_id: int) -> bytes:
        request = self.requests[request_id]
        return request_digest(
            license_id=request.license_id,
            document=self.document(request.license_id),
            tier=Tier(request.tier),
            platform_id=request.platform_id,
            platform_admin=self.platforms[request.platform_id].admin,
            model_id=request.model_id,
            fee=request.fee,
        )

    def withdraw_approval(self, by: str, request_id: int) -> None:
        refuse("UnknownRequest", when=request_id not in self.requests)
        request = self.requests[request_id]
        refuse("RequestClosed", when=request.closed)
        found = self.licenses[request.license_id]
        refuse("NotLicensor", when=by != found.owner and (found.owner, by) not in self.operators)
        refuse("NothingToWithdraw", when=request.document is None)
        request.document = None

    def pay_grant(self, by: str, request_id: int) -> None:
        refuse("UnknownRequest", when=request_id not in self.requests)
        request = self.requests[request_id]
        refuse("RequestClosed", when=request.closed)
        refuse("RequestNotApproved", when=request.document is None)
        self._check_grant_admin(by, request.platform_id)
        self.check_document(request.license_id, request.document)
        terms = self._terms_for_grant(request.license_id, request.tier, request.model_id)
        self._grant(
            by,
            request.platform_id,
            request.license_id,
            request.tier,
            request.model_id,
            request.fee,
            terms.term_days,
        )
        request.closed = True

    def _grant(
        self,
        by: str,
        platform_id: int,
        license_id: int,
        tier: int,
        model_id: bytes,
        fee: int,
        term_days: int,
    ) -> None:
        found = self.licenses[license_id]
        held = self.grants[license_id, tier, platform_id, model_id]
        start, end = self.now, found.history.term_end(self.now)
        if held and held[-1][1] > start:
            refuse("NothingToGrant", when=end in (held[-1][0], found.history.ends_at))
            refuse("RenewalTooEarly", when=end - self.now >= 30 * DAY)
            pending = found.history.pending_at(self.now)
            refuse("AmendmentPending", when=pending is not None and pending.start == end)
            start, end = end, end + term_days * DAY
        if fee:
            # Never out of escrow: that would be a way around the thaw.
            self._pull(by, fee)
            self.splits[found.split_id].received += fee
        held.append((start, end))
        if start > self.now:
            found.renewed_until = end

    def covered(
        self, license_id: int, tier: int, platform_id: int, model_id: bytes, start: int, end: int
    ) -> bool:
        models = {model_id} - {ANY_MODEL}
        found = self.licenses.get(license_id)
        terms = found.history.period_terms(tier, start, end) if found else None
        if terms and not (terms.first.flags | terms.last.flags) & MODEL_BOUND:
            models.add(ANY_MODEL)
        return any(
            max(since, start) < min(until, end)
            for model in models
            for since, until in self.grants[license_id, tier, platform_id, model]
        )
