"""Reports and their rows."""

from __future__ import annotations

from fastapi import APIRouter

from backend.http.caching import IndexRoute
from backend.http.deps import Bytes32Path, Bytes32Query, HeadDep, IdQuery, IndexDep
from backend.http.paging import CursorQuery, LimitQuery
from backend.http.schemas import Page, problems
from backend.reports.queries import (
    ReportAnswer,
    ReportFilter,
    ReportSummary,
    ReportWord,
    RowAnswer,
    list_reports,
    list_rows,
    read_report,
)

router = APIRouter(prefix="/v1/reports", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "",
    operation_id="list_reports",
    response_model=Page[ReportSummary],
    responses=problems(422),
)
def reports(
    session: IndexDep,
    head: HeadDep,
    platform_id: IdQuery = None,
    model_id: Bytes32Query = None,
    state: ReportWord | None = None,
    license_id: IdQuery = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ReportSummary]:
    """List reports, newest first.

    Of a platform, of a model, in a state, or with a row of a licence.
    """
    wanted = ReportFilter(
        platform_id=platform_id, model_id=model_id, state=state, license_id=license_id
    )
    return list_reports(session, head, wanted, limit=limit, cursor=cursor)


@router.get(
    "/{report_id}",
    operation_id="get_report",
    response_model=ReportAnswer,
    responses=problems(404, 422),
)
def report(session: IndexDep, head: HeadDep, report_id: Bytes32Path) -> ReportAnswer:
    """Get a report with its header."""
    return read_report(session, head, report_id)


@router.get(
    "/{report_id}/rows",
    operation_id="list_report_rows",
    response_model=Page[RowAnswer],
    responses=problems(404, 422),
)
def rows(
    session: IndexDep,
    report_id: Bytes32Path,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[RowAnswer]:
    """List the rows of a report: what each costs, whom it pays, and what rulings made of it."""
    return list_rows(session, report_id, limit=limit, cursor=cursor)
