"""What a platform has made of reporting and paying, counted."""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from backend.api.answers import AnswerModel, Units
from backend.database.tables import Challenge, Report, Stream
from backend.index.state import table_of
from backend.reading.outcomes import outcome_of
from backend.reading.tip import Tip
from obbligato.ledger.records import ReportState

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


def read_record(session: Session, tip: Tip, platform_id: int) -> PlatformRecord:
    """The record of a platform; of one that there is not, an empty one."""
    asked = {"platform_id": platform_id}
    reports = session.execute(_REPORTS_OF, asked).all()
    states = Counter(report.state for report in reports)
    streams, covered_until = session.execute(_STREAMS_OF, asked).one()
    return PlatformRecord(
        reports=ReportCounts(
            unfunded=states[ReportState.UNFUNDED],
            pending=states[ReportState.PENDING],
            settled=states[ReportState.SETTLED],
            zero_statements=sum(report.row_count == 0 for report in reports),
        ),
        paid_units=sum(report.settled_units + report.ruled_units for report in reports),
        contested=_contested(session, asked),
        streams=streams,
        longest_behind_seconds=0
        if covered_until is None
        else max(0, tip.head_time - covered_until),
    )


def _contested(session: Session, asked: dict[str, int]) -> ContestCounts:
    found = session.execute(_CHALLENGES_OF, asked).all()
    outcomes = Counter(
        outcome_of(
            each.state,
            reported=each.reported_millionths,
            claimed=each.claimed_millionths,
            ruled=each.ruled_millionths,
            won=bool(each.challenger_won),
        )
        for each in found
    )
    return ContestCounts(
        rows=len({(each.report_id, each.license_id, each.tier, each.metric) for each in found}),
        open=outcomes["open"],
        upheld=outcomes["upheld"],
        dismissed=outcomes["dismissed"],
        drawn=outcomes["drawn"],
        lapsed=outcomes["lapsed"],
        arrears_units=sum(each.arrears_units for each in found),
    )
