"""A licence in time: the versions of its terms and what they answer for any moment.

Pure: every act returns a new history, and no act changes an answer about the past.
Times are whole seconds since 1970, UTC; intervals are half-open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import MAX_TIME, NOTICE_SECONDS, Tier
from obbligato.protocol.terms import PeriodTerms, Terms
from obbligato.protocol.types import member_of, whole_number


@dataclass(frozen=True, slots=True)
class Version:
    """Terms in force from `start` until the next version; their terms are counted from `anchor`."""

    terms_id: int
    terms: Terms
    start: int
    anchor: int
    document: bytes

    def __post_init__(self) -> None:
        whole_number(self.terms_id, field="termsId", least=1, most=2**32 - 1)
        whole_number(self.start, field="start", most=MAX_TIME)
        whole_number(self.anchor, field="anchor", most=self.start)
        if len(self.document) != 32:
            raise InputError("is not 32 bytes: give the sha-256 of it", field="document")

    def term_end(self, moment: int) -> int:
        """When the term that contains `moment` ends. Raises RefusedError beyond uint40."""
        length = self.terms.term_seconds
        end = self.anchor + ((moment - self.anchor) // length + 1) * length
        if end > MAX_TIME:
            raise RefusedError(f"the term would end at {end}, after the last moment of uint40")
        return end


@dataclass(frozen=True, slots=True)
class LicenseHistory:
    """The versions of a licence in order, the last possibly still pending, and its end if any.

    Construct one with `mint`, or from facts read off a chain. Acts come in order of time: one
    before `acted_at`, the moment of the last, raises InputError.
    """

    versions: tuple[Version, ...]
    ends_at: int | None = None
    acted_at: int = 0

    def __post_init__(self) -> None:
        if not self.versions:
            raise InputError("a licence has at least the version it was minted with")
        for row, (before, version) in enumerate(pairwise(self.versions), start=1):
            if version.start < before.start:
                raise InputError("starts before the version before it", field="versions", row=row)
        if self.ends_at is not None:
            whole_number(self.ends_at, field="endsAt", least=self.minted_at, most=MAX_TIME)

    @classmethod
    def mint(cls, *, terms_id: int, terms: Terms, document: bytes, now: int) -> Self:
        """A licence in force from `now` on."""
        return cls(
            versions=(
                Version(terms_id=terms_id, terms=terms, start=now, anchor=now, document=document),
            ),
            acted_at=now,
        )

    # What it answers

    @property
    def minted_at(self) -> int:
        return self.versions[0].start

    def version_at(self, moment: int) -> Version | None:
        """The version in force at `moment`; None before the mint and from the end on."""
        whole_number(moment, field="moment", most=2**64 - 1)
        if self.ends_at is not None and moment >= self.ends_at:
            return None
        return self._latest(moment)

    def terms_at(self, moment: int) -> int:
        """The `termsId` in force at `moment`, 0 for none."""
        version = self.version_at(moment)
        return version.terms_id if version else 0

    def consent_at(self, tier: Tier | int, moment: int) -> bool:
        """Whether `tier` may be used at `moment`."""
        member = member_of(Tier)(tier)
        version = self.version_at(moment)
        return version is not None and version.terms.offers(member)

    def first_moment(self, tier: Tier | int, start: int, end: int) -> int | None:
        """The smallest moment of `[start, end)` with consent for `tier`; None if there is none."""
        whole_number(start, field="start", most=2**64 - 1)
        whole_number(end, field="end", most=2**64 - 1)
        later = [version.start for version in self.versions if start < version.start < end]
        candidates = [start, *later] if start < end else []
        return next((moment for moment in candidates if self.consent_at(tier, moment)), None)

    def last_moment(self, tier: Tier | int, start: int, end: int) -> int | None:
        """The greatest moment of `[start, end)` with consent for `tier`; None if there is none."""
        whole_number(start, field="start", most=2**64 - 1)
        whole_number(end, field="end", most=2**64 - 1)
        ends = [end, *(version.start for version in self.versions), self.ends_at or end]
        candidates = sorted({each - 1 for each in ends if start < each <= end}, reverse=True)
        return next((moment for moment in candidates if self.consent_at(tier, moment)), None)

    def period_terms(self, tier: Tier | int, start: int, end: int) -> PeriodTerms | None:
        """What prices `tier` in `[start, end)`; None where no moment has consent for it."""
        first = self.first_moment(tier, start, end)
        last = self.last_moment(tier, start, end)
        if first is None or last is None:
            return None
        return PeriodTerms(self._running(first).terms, self._running(last).terms)

    def pending_at(self, now: int) -> Version | None:
        """The amendment that waits for the next term, if there is one."""
        last = self.versions[-1]
        return last if last.start > now else None

    def document_at(self, moment: int) -> bytes | None:
        """The sha-256 of the document of the licence at `moment`; None before the mint.

        It outlives consent: after the end the licence keeps the document of its last version that
        was ever in force.
        """
        if moment < self.minted_at:
            return None
        last_moment = moment if self.ends_at is None else min(moment, self.ends_at - 1)
        latest = self._latest(last_moment) or self.versions[0]
        return latest.document

    def term_end(self, now: int) -> int:
        """When the term running at `now` ends. Raises RefusedError where none runs."""
        return self._running(now).term_end(now)

    # What may be done to it

    def amend(self, *, terms_id: int, terms: Terms, document: bytes, now: int) -> Self:
        """New terms or a new document: at once or from the next term, as docs/rules.md says.

        Raises RefusedError after a revoke or the end, and where tiers are added while another
        amendment is pending.
        """
        self._check_order(now)
        current = self._running(now)
        if self.ends_at is not None:
            raise RefusedError("the licence was revoked: reinstate it before you amend it")
        version = Version(
            terms_id=terms_id, terms=terms, start=now, anchor=current.anchor, document=document
        )
        if terms.digest() == current.terms.digest():
            if terms_id != current.terms_id:
                raise InputError(f"these terms have id {current.terms_id}", field="termsId")
            return self._followed_by(version, now=now)
        if terms.only_adds_tiers_to(current.terms):
            if self.pending_at(now):
                raise RefusedError(
                    "another amendment is pending: withdraw it by amending to the terms in force"
                )
            return self._followed_by(version, now=now)
        next_term = current.term_end(now)
        if next_term - now < NOTICE_SECONDS and not terms.is_milder_than(current.terms):
            next_term = current.term_end(next_term)
        return self._followed_by(replace(version, start=next_term, anchor=next_term), now=now)

    def revoke(self, *, now: int, sold_until: int = 0) -> Self:
        """Consent ends with the current term, or with the next one where a grant was renewed for it.

        `sold_until` is the end of the latest renewal of a grant, 0 for none. Raises RefusedError if it
        was revoked already.
        """
        self._check_order(now)
        end = self.term_end(now)
        if self.ends_at is not None:
            raise RefusedError(f"the licence was revoked already and ends at {self.ends_at}")
        return replace(self, ends_at=max(end, sold_until), acted_at=now)

    def reinstate(self, *, now: int) -> Self:
        """Undo a revoke. Raises RefusedError from the end on, or where nothing was revoked."""
        self._check_order(now)
        self._running(now)
        if self.ends_at is None:
            raise RefusedError("the licence was not revoked: there is nothing to undo")
        return replace(self, ends_at=None, acted_at=now)

    def void(self, *, now: int) -> Self:
        """Consent ends now. Raises RefusedError before the mint and where it ended already."""
        self._check_order(now)
        if now < self.minted_at:
            raise RefusedError("the licence does not exist yet")
        if self.ends_at is not None and self.ends_at <= now:
            raise RefusedError(f"the licence ended at {self.ends_at}: there is nothing to void")
        return replace(self, ends_at=now, acted_at=now)

    def _followed_by(self, version: Version, *, now: int) -> Self:
        """With `version` in the place of whatever was pending at `now`."""
        begun = tuple(known for known in self.versions if known.start <= now)
        return replace(self, versions=(*begun, version), acted_at=now)

    def _check_order(self, now: int) -> None:
        whole_number(now, field="now", least=self.acted_at, most=MAX_TIME)

    def _latest(self, moment: int) -> Version | None:
        begun = [version for version in self.versions if version.start <= moment]
        return begun[-1] if begun else None

    def _running(self, now: int) -> Version:
        version = self.version_at(now)
        if version is None:
            raise RefusedError(f"the licence is not in force at {now}")
        return version
