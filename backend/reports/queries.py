"""Reports and their rows: what was reported, what it cost, what rulings made of it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import Row, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Challenge, Report, ReportRow
from backend.disputes.queries import ChallengeOutcome, Standing, outcome_of, standing_of
from backend.http.deps import Bytes32Query, IdQuery
from backend.http.paging import ListQuery, decode_cursor, equal, page, read_page
from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Cid,
    Hex32,
    MetricName,
    Page,
    PricingName,
    Quantity,
    Seconds,
    Units,
    metric_name,
    pricing_name,
    tier_name,
)
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound
from obbligato.schemas.terms import TierName

ReportWord = Literal["unfunded", "pending", "settled"]

_REPORTS: Final = table_of(Report)
_ROWS: Final = table_of(ReportRow)
_CHALLENGES: Final = table_of(Challenge)

_ONE: Final = select(_REPORTS).where(_REPORTS.c.report_id == bindparam("report_id"))
_COUNTED: Final = (
    select(_CHALLENGES.c.state, func.count().label("challenges"))
    .where(_CHALLENGES.c.report_id == bindparam("report_id"))
    .group_by(_CHALLENGES.c.state)
)
_CHALLENGES_OF: Final = select(_CHALLENGES).where(
    _CHALLENGES.c.report_id == bindparam("report_id"),
    tuple_(_CHALLENGES.c.license_id, _CHALLENGES.c.tier, _CHALLENGES.c.metric)
    >= tuple_(bindparam("first_license"), bindparam("first_tier"), bindparam("first_metric")),
    tuple_(_CHALLENGES.c.license_id, _CHALLENGES.c.tier, _CHALLENGES.c.metric)
    <= tuple_(bindparam("last_license"), bindparam("last_tier"), bindparam("last_metric")),
)


class ReportSummary(AnswerModel):
    """One report in a list."""

    report_id: Hex32
    number: int = Field(examples=[1])
    """1 for the first report of the deployment, and so on."""
    platform_id: int
    model_id: Hex32
    sequence: int
    period_start: Seconds
    period_end: Seconds
    pricing: PricingName
    row_count: int
    """0: a zero statement."""
    total_units: Units
    """As submitted."""
    state: ReportWord
    """`unfunded`: its total is not reserved yet; `pending`: it can be contested; `settled`: it paid its splits."""
    submitted_at: Seconds
    window_end: Seconds | None
    """Until when its rows can be said to be too high, and before which it does not settle."""
    settled_at: Seconds | None
    settled_units: Units
    ruled_units: Units
    """What rulings, lapses and arrears paid for its rows."""
    certainty: Certainty


class ChallengeCounts(AnswerModel):
    """Challenges of a report's rows."""

    open: int
    ruled: int
    lapsed: int


class ReportAnswer(ReportSummary):
    """One report with its header."""

    attempt: int
    previous: Hex32
    """The report before it in its stream; zeros for the first."""
    rows_digest: Hex32
    evidence: Cid
    """What it was computed from."""
    deadline: Seconds
    reporter: Account
    """The platform's key that signed it."""
    config_version: int
    """Of the attesters that it was judged by."""
    held_rows: list[int]
    """Rows, from 0, that challenges took out of it: the disputes pay them."""
    challenges: ChallengeCounts
    transaction: Hex32


class RowRuling(AnswerModel):
    """One challenge of a row."""

    challenge_id: int
    outcome: ChallengeOutcome
    claimed_quantity: Quantity
    ruled_quantity: Quantity | None
    ruled_units: Units | None


class RowAnswer(AnswerModel):
    """One row: as submitted, and as rulings left it."""

    row: int
    """From 0."""
    license_id: int
    tier: TierName
    metric: MetricName
    split_id: int
    """Whom it pays: the licence's split when it was submitted."""
    quantity: Quantity
    amount_units: Units
    held: bool
    standing_quantity: Quantity
    """By the rulings so far; as submitted where there are none."""
    standing_units: Units
    challenges: list[RowRuling]


class ReportQuery(ListQuery):
    """What a list of reports can be narrowed to."""

    platform_id: IdQuery = None
    model_id: Bytes32Query = None
    state: ReportWord | None = None
    license_id: IdQuery = None
    """With a row of this licence."""


def list_reports(session: Session, head: IndexHead, query: ReportQuery) -> Page[ReportSummary]:
    """Reports, newest first. Raises InputError for a cursor."""
    conditions = equal(
        {
            _REPORTS.c.platform_id: query.platform_id,
            _REPORTS.c.model_id: query.model_id,
            _REPORTS.c.state: query.state,
        }
    )
    if query.license_id is not None:
        numbers = select(_ROWS.c.report_number).where(_ROWS.c.license_id == query.license_id)
        conditions.append(_REPORTS.c.number.in_(numbers))
    return read_page(
        session,
        select(_REPORTS).where(*conditions),
        [_REPORTS.c.number],
        query,
        lambda row: ReportSummary(**_summary(row, head)),
    )


def read_report(session: Session, head: IndexHead, report_id: bytes) -> ReportAnswer:
    """One report. Raises NotFound."""
    row = _report(session, report_id)
    counts = {
        each.state: each.challenges for each in session.execute(_COUNTED, {"report_id": report_id})
    }
    return ReportAnswer(
        **_summary(row, head),
        attempt=row.attempt,
        previous=row.previous,
        rows_digest=row.rows_digest,
        evidence=cid_from_digest(row.evidence),
        deadline=row.deadline,
        reporter=row.reporter,
        config_version=row.config_version,
        held_rows=row.held,
        challenges=ChallengeCounts(
            **{word: counts.get(word, 0) for word in ("open", "ruled", "lapsed")}
        ),
        transaction=row.transaction,
    )


def list_rows(session: Session, report_id: bytes, query: ListQuery) -> Page[RowAnswer]:
    """The rows of a report in order. Raises NotFound, InputError for a cursor."""
    report = _report(session, report_id)
    selected = select(_ROWS).where(_ROWS.c.report_number == report.number).order_by(_ROWS.c.row)
    if query.cursor is not None:
        (last,) = decode_cursor(query.cursor, int)
        selected = selected.where(_ROWS.c.row > last)
    rows = session.execute(selected.limit(query.limit + 1)).all()
    contested = _contested(session, report_id, rows)
    held = set(report.held)
    return page(
        rows,
        query.limit,
        lambda row: (row.row,),
        lambda row: _row(row, contested[_key(row)], held=row.row in held),
    )


def _report(session: Session, report_id: bytes) -> Row[*tuple[Any, ...]]:
    row = session.execute(_ONE, {"report_id": report_id}).first()
    if row is None:
        raise NotFound(f"no report 0x{report_id.hex()}")
    return row


def _contested(
    session: Session, report_id: bytes, rows: Any
) -> defaultdict[tuple[int, int, int], list[Row[*tuple[Any, ...]]]]:
    """The challenges of some rows that follow each other, by the row's key."""
    by_key: defaultdict[tuple[int, int, int], list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    if rows:
        first, last = rows[0], rows[-1]
        parameters = {
            "report_id": report_id,
            "first_license": first.license_id,
            "first_tier": first.tier,
            "first_metric": first.metric,
            "last_license": last.license_id,
            "last_tier": last.tier,
            "last_metric": last.metric,
        }
        for challenge in session.execute(_CHALLENGES_OF, parameters):
            by_key[_key(challenge)].append(challenge)
    return by_key


def _key(row: Row[*tuple[Any, ...]]) -> tuple[int, int, int]:
    return row.license_id, row.tier, row.metric


def _row(
    row: Row[*tuple[Any, ...]], challenges: list[Row[*tuple[Any, ...]]], *, held: bool
) -> RowAnswer:
    submitted = Standing(row.quantity_millionths, row.amount_units)
    standing = standing_of(submitted, challenges)
    return RowAnswer(
        row=row.row,
        license_id=row.license_id,
        tier=tier_name(row.tier),
        metric=metric_name(row.metric),
        split_id=row.split_id,
        quantity=row.quantity_millionths,
        amount_units=row.amount_units,
        held=held,
        standing_quantity=standing.quantity_millionths,
        standing_units=standing.amount_units,
        challenges=[
            RowRuling(
                challenge_id=each.challenge_id,
                outcome=outcome_of(each),
                claimed_quantity=each.claimed_millionths,
                ruled_quantity=each.ruled_millionths,
                ruled_units=each.ruled_units,
            )
            for each in sorted(challenges, key=lambda each: each.challenge_id)
        ],
    )


def _summary(row: Row[*tuple[Any, ...]], head: IndexHead) -> dict[str, Any]:
    return {
        "report_id": row.report_id,
        "number": row.number,
        "platform_id": row.platform_id,
        "model_id": row.model_id,
        "sequence": row.sequence,
        "period_start": row.period_start,
        "period_end": row.period_end,
        "pricing": pricing_name(row.pricing),
        "row_count": row.row_count,
        "total_units": row.total_units,
        "state": row.state,
        "submitted_at": row.submitted_at,
        "window_end": row.window_end,
        "settled_at": row.settled_at,
        "settled_units": row.settled_units,
        "ruled_units": row.ruled_units,
        "certainty": certainty(head, row.changed_in),
    }
