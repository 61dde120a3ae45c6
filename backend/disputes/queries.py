"""Challenges of rows with what rulings made of them, and rival claims. Source: docs/rules.md, "Rulings"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from pydantic import Field
from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Challenge, DisputeState, Report, RivalClaim
from backend.http.deps import AddressQuery, Bytes32Query, IdQuery
from backend.http.paging import ListQuery, equal, read_page
from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Cid,
    Hex32,
    MetricName,
    Page,
    Quantity,
    Seconds,
    Units,
    metric_name,
    tier_name,
)
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound
from obbligato.schemas.terms import TierName

DisputeWord = Literal["open", "ruled", "lapsed"]
ChallengeOutcome = Literal["open", "upheld", "dismissed", "drawn", "lapsed"]

_CHALLENGES: Final = table_of(Challenge)
_REPORTS: Final = table_of(Report)
_CLAIMS: Final = table_of(RivalClaim)

_WITH_REPORT: Final = select(
    _CHALLENGES, _REPORTS.c.platform_id, _REPORTS.c.model_id, _REPORTS.c.number
).join(_REPORTS, _REPORTS.c.report_id == _CHALLENGES.c.report_id)
_ONE: Final = _WITH_REPORT.where(_CHALLENGES.c.challenge_id == bindparam("challenge_id"))


class ChallengeAnswer(AnswerModel):
    """One challenge of one row: a claim that another quantity is right."""

    challenge_id: int = Field(examples=[1])
    report_id: Hex32
    platform_id: int
    model_id: Hex32
    license_id: int
    tier: TierName
    metric: MetricName
    split_id: int
    """Whom the row pays."""
    challenger: Account
    reported_quantity: Quantity
    """The row's as it stood; 0 where the report leaves it out."""
    claimed_quantity: Quantity
    amount_units: Units
    """What the row had as it stood."""
    bond_units: Units
    evidence: Cid
    opened_at: Seconds
    state: DisputeWord
    outcome: ChallengeOutcome
    """`upheld`: the challenger was nearer to what was ruled; `dismissed`: the platform was."""
    closed_at: Seconds | None
    ruled_quantity: Quantity | None
    ruled_units: Units | None
    """What the row is worth by the ruling."""
    paid_units: Units
    """What the row's split got by it, arrears that were paid included."""
    arrears_units: Units
    """What the platform still owes by it."""
    transaction: Hex32
    certainty: Certainty


class RivalClaimAnswer(AnswerModel):
    """A bonded claim that a licence is somebody else's recording."""

    claim_id: int = Field(examples=[1])
    license_id: int
    claimant: Account
    bond_units: Units
    evidence: Cid
    opened_at: Seconds
    state: DisputeWord
    upheld: bool | None
    """Whether the licence was voided; null before a ruling, and where nobody ruled."""
    closed_at: Seconds | None
    certainty: Certainty


class ChallengeQuery(ListQuery):
    """What a list of challenges can be narrowed to."""

    report_id: Bytes32Query = None
    license_id: IdQuery = None
    platform_id: IdQuery = None
    challenger: AddressQuery = None
    state: DisputeWord | None = None


class RivalClaimQuery(ListQuery):
    """What a list of rival claims can be narrowed to."""

    license_id: IdQuery = None
    state: DisputeWord | None = None


def list_challenges(
    session: Session, head: IndexHead, query: ChallengeQuery
) -> Page[ChallengeAnswer]:
    """Challenges, newest first. Raises InputError for a cursor."""
    conditions = equal(
        {
            _CHALLENGES.c.report_id: query.report_id,
            _CHALLENGES.c.license_id: query.license_id,
            _REPORTS.c.platform_id: query.platform_id,
            _CHALLENGES.c.challenger: query.challenger,
            _CHALLENGES.c.state: query.state,
        }
    )
    keys = [_CHALLENGES.c.challenge_id]
    selected = _WITH_REPORT.where(*conditions)
    return read_page(session, selected, keys, query, lambda row: challenge_answer(row, head))


def read_challenge(session: Session, head: IndexHead, challenge_id: int) -> ChallengeAnswer:
    """Raises NotFound."""
    row = session.execute(_ONE, {"challenge_id": challenge_id}).first()
    if row is None:
        raise NotFound(f"no challenge {challenge_id}: ids count from 1")
    return challenge_answer(row, head)


def list_rival_claims(
    session: Session, head: IndexHead, query: RivalClaimQuery
) -> Page[RivalClaimAnswer]:
    """Rival claims, newest first. Raises InputError for a cursor."""
    conditions = equal({_CLAIMS.c.license_id: query.license_id, _CLAIMS.c.state: query.state})
    selected = select(_CLAIMS).where(*conditions)
    return read_page(session, selected, [_CLAIMS.c.claim_id], query, lambda row: _claim(row, head))


class Standing(NamedTuple):
    """A row as rulings left it."""

    quantity_millionths: int
    amount_units: int


def outcome_of(challenge: Row[*tuple[Any, ...]]) -> ChallengeOutcome:
    """What became of a challenge. The nearer side wins; a ruling as far from one as from the other is a draw."""
    ruled = challenge.ruled_millionths
    if challenge.state == DisputeState.OPEN:
        return "open"
    if ruled is None:
        return "lapsed"
    if challenge.challenger_won:
        return "upheld"
    to_reported = abs(ruled - challenge.reported_millionths)
    return "drawn" if to_reported == abs(ruled - challenge.claimed_millionths) else "dismissed"


def standing_of(as_reported: Standing, challenges: Iterable[Row[*tuple[Any, ...]]]) -> Standing:
    """A row as it stands, by the challenges of it, in any order.

    A ruling that raised it is not undone by a reduction, and a claim of more that failed left it as it was. Of
    those that raised it each begins where the one before ended: the last that was opened has the last word.
    """
    ruled = [each for each in challenges if each.ruled_millionths is not None]
    raised = [each for each in ruled if each.ruled_millionths > each.reported_millionths]
    lowered = [each for each in ruled if each.claimed_millionths < each.reported_millionths]
    decisive = max(raised or lowered, key=lambda each: each.challenge_id, default=None)
    if decisive is None:
        return as_reported
    return Standing(decisive.ruled_millionths, decisive.ruled_units)


def challenge_answer(row: Row[*tuple[Any, ...]], head: IndexHead) -> ChallengeAnswer:
    """A challenge with its report's platform and model."""
    return ChallengeAnswer(
        challenge_id=row.challenge_id,
        report_id=row.report_id,
        platform_id=row.platform_id,
        model_id=row.model_id,
        license_id=row.license_id,
        tier=tier_name(row.tier),
        metric=metric_name(row.metric),
        split_id=row.split_id,
        challenger=row.challenger,
        reported_quantity=row.reported_millionths,
        claimed_quantity=row.claimed_millionths,
        amount_units=row.amount_units,
        bond_units=row.bond_units,
        evidence=cid_from_digest(row.evidence),
        opened_at=row.opened_at,
        state=row.state,
        outcome=outcome_of(row),
        closed_at=row.closed_at,
        ruled_quantity=row.ruled_millionths,
        ruled_units=row.ruled_units,
        paid_units=row.paid_units,
        arrears_units=row.arrears_units,
        transaction=row.transaction,
        certainty=certainty(head, row.changed_in),
    )


def _claim(row: Row[*tuple[Any, ...]], head: IndexHead) -> RivalClaimAnswer:
    return RivalClaimAnswer(
        claim_id=row.claim_id,
        license_id=row.license_id,
        claimant=row.claimant,
        bond_units=row.bond_units,
        evidence=cid_from_digest(row.evidence),
        opened_at=row.opened_at,
        state=row.state,
        upheld=row.upheld,
        closed_at=row.closed_at,
        certainty=certainty(head, row.changed_in),
    )
