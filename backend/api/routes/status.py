"""The deployment and how far the index has followed it."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.answers import problems
from backend.api.context import IndexDep, ServicesDep, TipDep
from backend.reading.status import StatusAnswer, read_status

router = APIRouter(prefix="/v1", tags=["health"])


@router.get(
    "/status",
    operation_id="get_status",
    response_model=StatusAnswer,
    responses=problems(404),
)
def status(services: ServicesDep, session: IndexDep, tip: TipDep) -> StatusAnswer:
    """Say which chain and contracts this is about, and how far it was read.

    How many blocks the node is ahead of that, `/readyz` says.
    """
    return read_status(session, tip, services.chain.deployment)
