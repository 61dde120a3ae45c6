"""Terms and splits by their ids."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.answers import problems
from backend.api.caching import IndexRoute
from backend.api.context import IndexDep, TipDep
from backend.api.questions import IdPath
from backend.reading.terms import SplitAnswer, TermsAnswer, read_split, read_terms

router = APIRouter(prefix="/v1", tags=["licenses"], route_class=IndexRoute)


@router.get(
    "/terms/{terms_id}",
    operation_id="get_terms",
    response_model=TermsAnswer,
    responses=problems(404, 422),
)
def terms(session: IndexDep, tip: TipDep, terms_id: IdPath) -> TermsAnswer:
    """Get terms in numbers and in words."""
    return read_terms(session, tip, terms_id)


@router.get(
    "/splits/{split_id}",
    operation_id="get_split",
    response_model=SplitAnswer,
    responses=problems(404, 422),
)
def split(session: IndexDep, tip: TipDep, split_id: IdPath) -> SplitAnswer:
    """Get a split: who is paid, and in what share."""
    return read_split(session, tip, split_id)
