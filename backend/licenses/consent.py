"""Consent of one licence, at a moment and through time, and for many uses at once.

Source: docs/rules.md, "Licences in time". Absence is not consent: whatever is not a plain yes is a no, with its
reason. Where several licences claim one recording, the one in force that was minted first is used, and the others are
listed as rivals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead
from backend.db.index_db import Document, DocumentState, Grant, License, LicenseVersion
from backend.http.schemas import AnswerModel, Certainty, LicenseState, Seconds, license_state
from backend.licenses.history import KnownLicense, read_histories, read_history
from backend.licenses.terms import TierPrices, tier_prices
from obbligato.consent.checks import why_not
from obbligato.documents.identifiers import Isrc
from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME, Flag, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.types import ZERO_DIGEST, Bytes32
from obbligato.schemas.terms import TierName


class TierConsent(AnswerModel):
    """Whether one tier may be used at a moment, and why."""

    tier: TierName
    allowed: bool
    """The licence consents to it. Where `needs_grant`, a platform needs a grant as well."""
    needs_grant: bool
    reason: str = Field(examples=["by terms 1"])
    prices: TierPrices | None
    """By the terms in force; null without consent."""


class ConsentAnswer(AnswerModel):
    """What a licence allows at a moment."""

    license_id: int
    at: Seconds
    moment_is_over: bool
    """Nothing that happens later changes the answer; only a reorg could, until it is final."""
    state: LicenseState
    terms_id: int | None
    tiers: list[TierConsent]
    certainty: Certainty


class ConsentInterval(AnswerModel):
    """Consent by the same terms from `start` until before `end`."""

    start: Seconds
    end: Seconds | None
    """Null: until something changes."""
    terms_id: int


class TierHistory(AnswerModel):
    """When there was, is and will be consent to one tier, as far as it is decided."""

    tier: TierName
    intervals: list[ConsentInterval]


class ConsentHistory(AnswerModel):
    """Consent of a licence through time, for every tier."""

    license_id: int
    tiers: list[TierHistory]
    certainty: Certainty


def read_consent(
    session: Session, head: IndexHead, license_id: int, *, tiers: Sequence[Tier], at: int | None
) -> ConsentAnswer:
    """What a licence allows of some tiers at a moment (default: the head's). Raises NotFound."""
    moment = head.head_time if at is None else at
    known = read_history(session, head, license_id)
    history = known.history
    version = history.version_at(moment)
    return ConsentAnswer(
        license_id=license_id,
        at=moment,
        moment_is_over=moment < head.head_time,
        state=license_state(history.minted_at, history.ends_at, moment),
        terms_id=None if version is None else version.terms_id,
        tiers=[tier_consent(history, tier, moment) for tier in tiers],
        certainty=known.certainty,
    )


def read_consent_history(session: Session, head: IndexHead, license_id: int) -> ConsentHistory:
    """Raises NotFound."""
    known = read_history(session, head, license_id)
    return ConsentHistory(
        license_id=license_id,
        tiers=[TierHistory(tier=tier.name, intervals=_intervals(known, tier)) for tier in Tier],
        certainty=known.certainty,
    )


def tier_consent(history: LicenseHistory, tier: Tier, at: int) -> TierConsent:
    """Whether and by what a tier may be used at a moment."""
    version = history.version_at(at)
    if version is None or not version.terms.offers(tier):
        reason = why_not(history, tier, at)
        return TierConsent(
            tier=tier.name, allowed=False, needs_grant=False, reason=reason, prices=None
        )
    needs_grant = version.terms.has(Flag.GRANT_REQUIRED)
    return TierConsent(
        tier=tier.name,
        allowed=True,
        needs_grant=needs_grant,
        reason=f"by terms {version.terms_id}" + (", with a grant" if needs_grant else ""),
        prices=tier_prices(tier, version.terms.card(tier)),
    )


def _intervals(known: KnownLicense, tier: Tier) -> list[ConsentInterval]:
    """Not empty, in order; what touches and has the same terms is one."""
    history = known.history
    ends = [version.start for version in history.versions[1:]] + [history.ends_at]
    intervals: list[ConsentInterval] = []
    for version, end in zip(history.versions, ends, strict=True):
        if history.ends_at is not None:
            end = history.ends_at if end is None else min(end, history.ends_at)
        if not version.terms.offers(tier) or (end is not None and end <= version.start):
            continue
        start = version.start
        if intervals and intervals[-1].end == start and intervals[-1].terms_id == version.terms_id:
            start = intervals.pop().start
        intervals.append(ConsentInterval(start=start, end=end, terms_id=version.terms_id))
    return intervals


MOST_USES: Final = 1_000
MOST_RIVALS: Final = 100
"""Shown of one recording."""

_LICENSES: Final = table_of(License)
_VERSIONS: Final = table_of(LicenseVersion)
_DOCUMENTS: Final = table_of(Document)
_GRANTS: Final = table_of(Grant)

_BY_ISRC: Final = (
    select(_DOCUMENTS.c.isrc, _VERSIONS.c.license_id)
    .join(_VERSIONS, _VERSIONS.c.document == _DOCUMENTS.c.digest)
    .where(_DOCUMENTS.c.isrc.in_(bindparam("isrcs", expanding=True)))
    .distinct()
)
_BY_CONTENT: Final = select(_LICENSES.c.content, _LICENSES.c.license_id).where(
    _LICENSES.c.content.in_(bindparam("contents", expanding=True))
)
_GRANTS_AT: Final = select(
    _GRANTS.c.license_id, _GRANTS.c.platform_id, _GRANTS.c.tier, _GRANTS.c.model_id
).where(
    _GRANTS.c.license_id.in_(bindparam("license_ids", expanding=True)),
    _GRANTS.c.platform_id.in_(bindparam("platform_ids", expanding=True)),
    _GRANTS.c.start <= bindparam("at"),
    _GRANTS.c.end > bindparam("at"),
)
_UNREAD: Final = select(func.count()).where(_DOCUMENTS.c.state == DocumentState.MISSING)


class ConsentUse(BaseModel):
    """One question: may this recording be used for this tier? Name it by one of three."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"isrc": "AA6Q72000047", "tier": "TRAINING"},
                {
                    "license_id": 3,
                    "tier": "GENERATIVE",
                    "platform_id": 1,
                    "model_id": "0x" + "5a" * 32,
                },
            ]
        },
    )

    license_id: int | None = Field(default=None, ge=1, le=2**32 - 1)
    isrc: Isrc | None = None
    content: Bytes32 | None = None
    """The sha-256 of the recording's file."""
    tier: TierName
    platform_id: int | None = Field(default=None, ge=1, le=2**32 - 1)
    """Who asks: needed where the terms ask for a grant."""
    model_id: Bytes32 | None = None
    """For which model; without one, only grants for any model count."""

    @model_validator(mode="after")
    def _names_one_recording(self) -> Self:
        names = [each for each in (self.license_id, self.isrc, self.content) if each is not None]
        if len(names) != 1:
            raise InputError("give license_id, isrc or content, one of them")
        return self


class ConsentQuestions(BaseModel):
    """Up to 1 000 questions about one moment."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"uses": [{"isrc": "AA6Q72000047", "tier": "GENERATIVE", "platform_id": 1}]}
            ]
        },
    )

    at: int | None = Field(default=None, strict=True, ge=0, le=MAX_TIME)
    """Seconds since 1970, UTC; default: the newest block's."""
    uses: list[ConsentUse] = Field(min_length=1, max_length=MOST_USES)


class UseAnswer(AnswerModel):
    """Yes or no, and why."""

    allowed: bool
    """Consent, and a grant where the terms ask for one."""
    license_id: int | None
    """The licence that was found."""
    terms_id: int | None
    needs_grant: bool
    has_grant: bool
    reason: str = Field(examples=["by terms 1"])
    rivals: list[int]
    """Other licences in force for the same recording, under other owners."""
    certainty: Certainty | None
    """Null where no licence was found."""


class ConsentAnswers(AnswerModel):
    """One answer a question, in their order."""

    at: Seconds
    answers: list[UseAnswer]


def check_uses(session: Session, head: IndexHead, questions: ConsentQuestions) -> ConsentAnswers:
    """Answer every question, as of one moment."""
    moment = head.head_time if questions.at is None else questions.at
    facts = _Facts.read(session, head, questions.uses, moment)
    return ConsentAnswers(at=moment, answers=[facts.answer(use) for use in questions.uses])


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that the questions are about, read at once."""

    at: int
    known: dict[int, KnownLicense]
    by_isrc: dict[str, list[int]]
    by_content: dict[bytes, list[int]]
    granted: set[tuple[int, int, int, bytes]]
    """Grants in force, as (licence, platform, tier, model)."""
    unread: int
    """Documents that nobody could read so far."""

    @classmethod
    def read(cls, session: Session, head: IndexHead, uses: Sequence[ConsentUse], at: int) -> _Facts:
        isrcs = {use.isrc for use in uses if use.isrc is not None}
        contents = {use.content for use in uses if use.content is not None}
        by_isrc = _listed(session.execute(_BY_ISRC, {"isrcs": sorted(isrcs)}) if isrcs else ())
        by_content = _listed(
            session.execute(_BY_CONTENT, {"contents": sorted(contents)}) if contents else ()
        )
        license_ids = {use.license_id for use in uses if use.license_id is not None}
        for ids in (*by_isrc.values(), *by_content.values()):
            license_ids.update(ids)
        known = read_histories(session, head, license_ids)
        unnamed = isrcs - by_isrc.keys()
        return cls(
            at=at,
            known=known,
            by_isrc=by_isrc,
            by_content=by_content,
            granted=_granted(session, known, uses, at),
            unread=(session.scalar(_UNREAD) or 0) if unnamed else 0,
        )

    def answer(self, use: ConsentUse) -> UseAnswer:
        license_id, rivals = self._license(use)
        known = None if license_id is None else self.known.get(license_id)
        if known is None:
            return UseAnswer(
                allowed=False,
                license_id=None,
                terms_id=None,
                needs_grant=False,
                has_grant=False,
                reason=self._no_license(use),
                rivals=[],
                certainty=None,
            )
        tier = Tier[use.tier]
        consent = tier_consent(known.history, tier, self.at)
        terms_id = known.history.terms_at(self.at) or None
        version = known.history.version_at(self.at)
        bound = version is not None and version.terms.has(Flag.MODEL_BOUND)
        has_grant = self._has_grant(known.license_id, tier, use, bound=bound)
        reason = consent.reason
        if consent.needs_grant:
            if has_grant:
                reason = f"by terms {terms_id} and a grant"
            elif use.platform_id is None:
                reason = "asks for a grant: name the platform"
            else:
                reason = "asks for a grant: buy one first"
        return UseAnswer(
            allowed=consent.allowed and (has_grant or not consent.needs_grant),
            license_id=known.license_id,
            terms_id=terms_id,
            needs_grant=consent.needs_grant,
            has_grant=has_grant,
            reason=reason,
            rivals=rivals,
            certainty=known.certainty,
        )

    def _license(self, use: ConsentUse) -> tuple[int | None, list[int]]:
        """The licence that a question is about, and its rivals."""
        if use.license_id is not None:
            return use.license_id, []
        if use.content is not None:
            claiming = self.by_content.get(use.content, [])
        else:
            claiming = [
                license_id
                for license_id in self.by_isrc.get(use.isrc or "", [])
                if self.known[license_id].isrc_at(self.at) == use.isrc
            ]
        live = [each for each in claiming if self.known[each].history.version_at(self.at)]
        if not live:  # the first that there was says since when there is no consent
            return (claiming[0] if claiming else None), []
        used = live[0]
        owner = self.known[used].owner
        rivals = [each for each in live[1:] if self.known[each].owner != owner]
        return used, rivals[:MOST_RIVALS]

    def _no_license(self, use: ConsentUse) -> str:
        if use.isrc is None or not self.unread:
            return "no licence"
        return (
            f"no licence that can be read: {self.unread} documents are missing, and one may name it"
        )

    def _has_grant(self, license_id: int, tier: Tier, use: ConsentUse, *, bound: bool) -> bool:
        """Whether a grant in force serves the use; `bound`: one for any model does not."""
        if use.platform_id is None:
            return False
        models = {ZERO_DIGEST, use.model_id or ZERO_DIGEST} - ({ZERO_DIGEST} if bound else set())
        return any(
            (license_id, use.platform_id, int(tier), model) in self.granted for model in models
        )


def _listed(rows: Iterable[Row[*tuple[Any, ...]]]) -> dict[Any, list[int]]:
    """Licences in the order of their minting, by what they claim."""
    by_claim: defaultdict[Any, list[int]] = defaultdict(list)
    for claimed, license_id in rows:
        by_claim[claimed].append(license_id)
    return {claimed: sorted(license_ids) for claimed, license_ids in by_claim.items()}


def _granted(
    session: Session, known: dict[int, KnownLicense], uses: Sequence[ConsentUse], at: int
) -> set[tuple[int, int, int, bytes]]:
    platforms = {use.platform_id for use in uses if use.platform_id is not None}
    if not platforms or not known:
        return set()
    parameters = {"license_ids": sorted(known), "platform_ids": sorted(platforms), "at": at}
    rows = session.execute(_GRANTS_AT, parameters)
    return {(row.license_id, row.platform_id, row.tier, row.model_id) for row in rows}
