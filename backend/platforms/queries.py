"""Platforms: their escrow, and what they have made of reporting and paying."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import (
    Challenge,
    Platform,
    PlatformModule,
    Report,
    Reporter,
    Reserve,
    Stream,
)
from backend.disputes.queries import outcome_of
from backend.http.paging import ListQuery, decode_cursor, page
from backend.http.schemas import Account, AnswerModel, Certainty, Hex32, Page, Seconds, Units
from backend.status import contract_names
from obbligato.errors import InputError, NotFound
from obbligato.protocol.constants import ReportState

_REPORTS: Final = table_of(Report)
_CHALLENGES: Final = table_of(Challenge)
_STREAMS: Final = table_of(Stream)

_REPORTS_OF: Final = select(
    _REPORTS.c.state, _REPORTS.c.row_count, _REPORTS.c.settled_units, _REPORTS.c.ruled_units
).where(_REPORTS.c.platform_id == bindparam("platform_id"))
_CHALLENGES_OF: Final = (
    select(
        _CHALLENGES.c.report_id,
        _CHALLENGES.c.license_id,
        _CHALLENGES.c.tier,
        _CHALLENGES.c.metric,
        _CHALLENGES.c.state,
        _CHALLENGES.c.reported_millionths,
        _CHALLENGES.c.claimed_millionths,
        _CHALLENGES.c.ruled_millionths,
        _CHALLENGES.c.challenger_won,
        _CHALLENGES.c.arrears_units,
    )
    .join(_REPORTS, _REPORTS.c.report_id == _CHALLENGES.c.report_id)
    .where(_REPORTS.c.platform_id == bindparam("platform_id"))
)
_STREAMS_OF: Final = select(func.count(), func.min(_STREAMS.c.covered_until)).where(
    _STREAMS.c.platform_id == bindparam("platform_id")
)


class ReportCounts(AnswerModel):
    """Reports by their state."""

    unfunded: int
    pending: int
    settled: int
    zero_statements: int
    """Of these, the ones that say that there was no use."""


class ContestCounts(AnswerModel):
    """Challenges of the platform's rows, by what became of them."""

    rows: int
    """Rows that were contested, once or more."""
    open: int
    upheld: int
    """The challenger was nearer to what was ruled."""
    dismissed: int
    """The platform was nearer."""
    drawn: int
    lapsed: int
    """Nobody ruled in time, or a far larger claim took its place."""
    arrears_units: Units
    """What it still owes by rulings."""


class PlatformRecord(AnswerModel):
    """Counted over everything that the index has of a platform."""

    reports: ReportCounts
    paid_units: Units
    """What its reports and rulings paid to splits."""
    contested: ContestCounts
    streams: int
    longest_behind_seconds: int
    """How much time up to the newest block its least covered stream leaves without a report; 0 without streams."""


def read_record(session: Session, head: IndexHead, platform_id: int) -> PlatformRecord:
    """The record of a platform; an empty one for an unknown platform."""
    parameters = {"platform_id": platform_id}
    reports = session.execute(_REPORTS_OF, parameters).all()
    states = Counter(report.state for report in reports)
    streams, covered_until = session.execute(_STREAMS_OF, parameters).one()
    return PlatformRecord(
        reports=ReportCounts(
            unfunded=states[ReportState.UNFUNDED],
            pending=states[ReportState.PENDING],
            settled=states[ReportState.SETTLED],
            zero_statements=sum(report.row_count == 0 for report in reports),
        ),
        paid_units=sum(report.settled_units + report.ruled_units for report in reports),
        contested=_contested(session, platform_id),
        streams=streams,
        longest_behind_seconds=0
        if covered_until is None
        else max(0, head.head_time - covered_until),
    )


def _contested(session: Session, platform_id: int) -> ContestCounts:
    challenges = session.execute(_CHALLENGES_OF, {"platform_id": platform_id}).all()
    outcomes = Counter(outcome_of(each) for each in challenges)
    return ContestCounts(
        rows=len(
            {(each.report_id, each.license_id, each.tier, each.metric) for each in challenges}
        ),
        open=outcomes["open"],
        upheld=outcomes["upheld"],
        dismissed=outcomes["dismissed"],
        drawn=outcomes["drawn"],
        lapsed=outcomes["lapsed"],
        arrears_units=sum(each.arrears_units for each in challenges),
    )


PlatformState = Literal["open", "closing", "closed"]

_PLATFORMS: Final = table_of(Platform)
_RESERVES: Final = table_of(Reserve)
_REPORTERS: Final = table_of(Reporter)
_MODULES: Final = table_of(PlatformModule)

_RESERVES_OF: Final = (
    select(_RESERVES)
    .where(_RESERVES.c.platform_id.in_(bindparam("platform_ids", expanding=True)))
    .order_by(_RESERVES.c.platform_id, _RESERVES.c.module)
)
_REPORTERS_OF: Final = (
    select(_REPORTERS.c.account)
    .where(_REPORTERS.c.platform_id == bindparam("platform_id"), _REPORTERS.c.active)
    .order_by(_REPORTERS.c.account)
)
_MODULES_OF: Final = (
    select(_MODULES.c.module)
    .where(_MODULES.c.platform_id == bindparam("platform_id"), _MODULES.c.enabled)
    .order_by(_MODULES.c.module)
)


class ReservedUnits(AnswerModel):
    """What one module holds of a platform's escrow, for reports or rulings in flight."""

    module: str = Field(examples=["UsageOracle"])
    """The contract's name; its address where it is none of the deployment's own."""
    amount_units: Units


class Escrow(AnswerModel):
    """A platform's money."""

    available_units: Units
    reserved: list[ReservedUnits]
    thawing_units: Units
    """On its way out; it still pays reports and rulings."""
    thaw_ends_at: Seconds | None
    bond_units: Units


class PlatformSummary(AnswerModel):
    """One platform in a list."""

    platform_id: int = Field(examples=[1])
    admin: Account
    state: PlatformState
    closes_at: Seconds | None
    escrow: Escrow
    obligations: int
    """Unfunded reports and arrears: while there are any, it neither submits nor withdraws."""
    certainty: Certainty


class PlatformAnswer(PlatformSummary):
    """All about one platform."""

    next_admin: Account | None
    """Whom the admin named to follow."""
    reporters: list[Account]
    """The keys that may sign its reports."""
    modules: list[str]
    """The modules that it lets touch its money."""
    record: PlatformRecord


class StreamAnswer(AnswerModel):
    """How far the reports of a platform for one model have come."""

    model_id: Hex32
    sequence: int
    last_report_id: Hex32
    covered_until: Seconds
    behind_seconds: int
    """How much time up to the newest block no report covers yet."""
    certainty: Certainty


def list_platforms(session: Session, head: IndexHead, query: ListQuery) -> Page[PlatformSummary]:
    """Platforms in the order in which they registered. Raises InputError for a cursor."""
    selected = select(_PLATFORMS).order_by(_PLATFORMS.c.platform_id).limit(query.limit + 1)
    if query.cursor is not None:
        (last,) = decode_cursor(query.cursor, int)
        selected = selected.where(_PLATFORMS.c.platform_id > last)
    rows = session.execute(selected).all()
    reserves = _reserves(session, rows)
    return page(
        rows,
        query.limit,
        lambda row: (row.platform_id,),
        lambda row: PlatformSummary(**_summary(row, reserves[row.platform_id], head)),
    )


def read_platform(session: Session, head: IndexHead, platform_id: int) -> PlatformAnswer:
    """All about one. Raises NotFound."""
    rows = session.execute(select(_PLATFORMS).where(_PLATFORMS.c.platform_id == platform_id)).all()
    if not rows:
        raise NotFound(f"no platform {platform_id}: ids count from 1")
    row = rows[0]
    names = contract_names(session)
    parameters = {"platform_id": platform_id}
    return PlatformAnswer(
        **_summary(row, _reserves(session, rows)[platform_id], head),
        next_admin=row.next_admin,
        reporters=list(session.scalars(_REPORTERS_OF, parameters)),
        modules=[names.get(module, module) for module in session.scalars(_MODULES_OF, parameters)],
        record=read_record(session, head, platform_id),
    )


def list_streams(
    session: Session, head: IndexHead, platform_id: int, query: ListQuery
) -> Page[StreamAnswer]:
    """A platform's streams, ordered by model. Raises NotFound, InputError for a cursor."""
    selected = select(_STREAMS).where(_STREAMS.c.platform_id == platform_id)
    if query.cursor is not None:
        (model_id,) = decode_cursor(query.cursor, str)
        selected = selected.where(_STREAMS.c.model_id > _model(model_id))
    rows = session.execute(selected.order_by(_STREAMS.c.model_id).limit(query.limit + 1)).all()
    if not rows and query.cursor is None:
        platform = select(_PLATFORMS.c.platform_id).where(_PLATFORMS.c.platform_id == platform_id)
        if session.scalar(platform) is None:
            raise NotFound(f"no platform {platform_id}: ids count from 1")
    return page(
        rows,
        query.limit,
        lambda row: (row.model_id.hex(),),
        lambda row: StreamAnswer(
            model_id=row.model_id,
            sequence=row.sequence,
            last_report_id=row.last,
            covered_until=row.covered_until,
            behind_seconds=max(0, head.head_time - row.covered_until),
            certainty=certainty(head, row.changed_in),
        ),
    )


def _model(text: str) -> bytes:
    """The model of a cursor. Raises InputError."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(
            "is none of ours: give `next` of the page before", field="cursor"
        ) from None


def _reserves(
    session: Session, rows: Sequence[Row[*tuple[Any, ...]]]
) -> defaultdict[int, list[ReservedUnits]]:
    """What modules hold of these platforms' money."""
    names = contract_names(session)
    by_platform: defaultdict[int, list[ReservedUnits]] = defaultdict(list)
    platform_ids = [row.platform_id for row in rows]
    for row in session.execute(_RESERVES_OF, {"platform_ids": platform_ids}):
        module = names.get(row.module, row.module)
        reserved = ReservedUnits(module=module, amount_units=row.amount_units)
        by_platform[row.platform_id].append(reserved)
    return by_platform


def _summary(
    row: Row[*tuple[Any, ...]], reserved: list[ReservedUnits], head: IndexHead
) -> dict[str, Any]:
    return {
        "platform_id": row.platform_id,
        "admin": row.admin,
        "state": _state(row.closes_at, head.head_time),
        "closes_at": row.closes_at,
        "escrow": Escrow(
            available_units=row.available_units,
            reserved=sorted(reserved, key=lambda each: each.module),
            thawing_units=row.thawing_units,
            thaw_ends_at=row.thaw_ends_at,
            bond_units=row.bond_units,
        ),
        "obligations": row.obligations,
        "certainty": certainty(head, row.changed_in),
    }


def _state(closes_at: int | None, now: int) -> PlatformState:
    if closes_at is None:
        return "open"
    return "closing" if now < closes_at else "closed"
