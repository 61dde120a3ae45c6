"""What contests reports and licences: challenges of rows, and rival claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Row, bindparam, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Challenge, Report, RivalClaim
from backend.disputes.rulings import Outcome, outcome_of
from backend.http.names import MetricName, TierName, metric_name, tier_name
from backend.http.paging import decode_cursor, page
from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Cid,
    Hex32,
    Page,
    Quantity,
    Seconds,
    Units,
)
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound

DisputeWord = Literal["open", "ruled", "lapsed"]

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
    outcome: Outcome
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


@dataclass(frozen=True, slots=True)
class ChallengeFilter:
    """What a list of challenges is narrowed to; None narrows nothing."""

    report_id: bytes | None = None
    license_id: int | None = None
    platform_id: int | None = None
    challenger: str | None = None
    state: DisputeWord | None = None


def list_challenges(
    session: Session, head: IndexHead, wanted: ChallengeFilter, *, limit: int, cursor: str | None
) -> Page[ChallengeAnswer]:
    """Challenges, newest first. Raises InputError for a cursor."""
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (_CHALLENGES.c.report_id, wanted.report_id),
            (_CHALLENGES.c.license_id, wanted.license_id),
            (_REPORTS.c.platform_id, wanted.platform_id),
            (_CHALLENGES.c.challenger, wanted.challenger),
            (_CHALLENGES.c.state, wanted.state),
        )
        if value is not None
    ]
    if cursor is not None:
        (last,) = decode_cursor(cursor, int)
        conditions.append(_CHALLENGES.c.challenge_id < last)
    newest = _CHALLENGES.c.challenge_id.desc()
    rows = session.execute(_WITH_REPORT.where(*conditions).order_by(newest).limit(limit + 1)).all()
    return page(
        rows, limit, lambda row: (row.challenge_id,), lambda row: challenge_answer(row, head)
    )


def read_challenge(session: Session, head: IndexHead, challenge_id: int) -> ChallengeAnswer:
    """Raises NotFound."""
    row = session.execute(_ONE, {"challenge_id": challenge_id}).first()
    if row is None:
        raise NotFound(f"no challenge {challenge_id}: ids count from 1")
    return challenge_answer(row, head)


def list_rival_claims(
    session: Session,
    head: IndexHead,
    *,
    license_id: int | None,
    state: DisputeWord | None,
    limit: int,
    cursor: str | None,
) -> Page[RivalClaimAnswer]:
    """Rival claims, newest first. Raises InputError for a cursor."""
    query = select(_CLAIMS).order_by(_CLAIMS.c.claim_id.desc()).limit(limit + 1)
    if license_id is not None:
        query = query.where(_CLAIMS.c.license_id == license_id)
    if state is not None:
        query = query.where(_CLAIMS.c.state == state)
    if cursor is not None:
        (last,) = decode_cursor(cursor, int)
        query = query.where(_CLAIMS.c.claim_id < last)
    rows = session.execute(query).all()
    return page(rows, limit, lambda row: (row.claim_id,), lambda row: _claim(row, head))


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
        outcome=outcome_of(
            row.state,
            reported=row.reported_millionths,
            claimed=row.claimed_millionths,
            ruled=row.ruled_millionths,
            won=bool(row.challenger_won),
        ),
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
