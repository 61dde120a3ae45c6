"""Transparency reports by month and quarter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from backend.api.answers import problems
from backend.api.caching import IndexRoute
from backend.api.context import IndexDep, TipDep
from backend.statements.periods import PERIOD_PATTERN
from backend.statements.transparency import list_periods, read_transparency
from backend.statements.transparency_answers import PeriodList, TransparencyReport
from backend.statements.transparency_files import transparency_csv

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
def periods(session: IndexDep, tip: TipDep) -> PeriodList:
    """List the months and quarters that have a report."""
    return list_periods(session, tip)


@router.get(
    "/{period}.json",
    operation_id="get_transparency_report",
    response_model=TransparencyReport,
    responses=problems(404, 422),
)
def report(session: IndexDep, tip: TipDep, period: PeriodPath) -> TransparencyReport:
    """Get the transparency report of a month or a quarter.

    Each section says in plain words what its figures are.
    """
    return read_transparency(session, tip, period)


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
def report_csv(session: IndexDep, tip: TipDep, period: PeriodPath) -> Response:
    """Get the transparency report of a month or a quarter as CSV."""
    text = transparency_csv(read_transparency(session, tip, period))
    headers = {"content-disposition": f'attachment; filename="transparency-{period}.csv"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")
