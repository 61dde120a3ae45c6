"""Reports and their rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.http.caching import IndexRoute
from backend.http.deps import Bytes32Path, HeadDep, IndexDep
from backend.http.paging import PageQuery
from backend.http.schemas import Page, problems
from backend.reports.queries import (
    ReportAnswer,
    ReportQuery,
    ReportSummary,
    RowAnswer,
    list_reports,
    list_rows,
    read_report,
)

router = APIRouter(prefix="/v1/reports", tags=["platforms"], route_class=IndexRoute)


@router.get(
    "",
    operation_id="list_reports",
    responses=problems(422),
)
def reports(
    session: IndexDep, head: HeadDep, query: Annotated[ReportQuery, Query()]
) -> Page[ReportSummary]:
    """List reports, newest first.

    Of a platform, of a model, in a state, or with a row of a licence.
    """
    return list_reports(session, head, query)


@router.get(
    "/{report_id}",
    operation_id="get_report",
    responses=problems(404, 422),
)
def report(session: IndexDep, head: HeadDep, report_id: Bytes32Path) -> ReportAnswer:
    """Get a report with its header."""
    return read_report(session, head, report_id)


@router.get(
    "/{report_id}/rows",
    operation_id="list_report_rows",
    responses=problems(404, 422),
)
def rows(session: IndexDep, report_id: Bytes32Path, query: PageQuery) -> Page[RowAnswer]:
    """List the rows of a report: what each costs, whom it pays, and what rulings made of it."""
    return list_rows(session, report_id, query)
