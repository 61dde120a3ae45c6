"""Transparency reports by month and quarter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from backend.db.periods import PERIOD_PATTERN
from backend.http.caching import IndexRoute
from backend.http.deps import HeadDep, IndexDep
from backend.http.schemas import problems
from backend.transparency.queries import list_periods, read_transparency
from backend.transparency.schemas import PeriodList, TransparencyReport, transparency_csv

router = APIRouter(prefix="/v1/transparency", tags=["transparency"], route_class=IndexRoute)

PeriodPath = Annotated[
    str,
    Path(
        pattern=PERIOD_PATTERN,
        description="A month or a quarter, in UTC.",
        examples=["2026-10", "2026-Q4"],
    ),
]


@router.get("", operation_id="list_periods", response_model=PeriodList, responses=problems(404))
def periods(session: IndexDep, head: HeadDep) -> PeriodList:
    """List the months and quarters that have a report."""
    return list_periods(session, head)


@router.get(
    "/{period}.json",
    operation_id="get_transparency_report",
    responses=problems(404, 422),
)
def report(session: IndexDep, head: HeadDep, period: PeriodPath) -> TransparencyReport:
    """Get the transparency report of a month or a quarter.

    Each section says in plain words what its figures are.
    """
    return read_transparency(session, head, period)


@router.get(
    "/{period}.csv",
    operation_id="get_transparency_report_csv",
    response_class=Response,
    responses={
        200: {
            "description": "One figure a line",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **problems(404, 422),
    },
)
def report_csv(session: IndexDep, head: HeadDep, period: PeriodPath) -> Response:
    """Get the transparency report of a month or a quarter as CSV."""
    text = transparency_csv(read_transparency(session, head, period))
    headers = {"content-disposition": f'attachment; filename="transparency-{period}.csv"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")
