"""Which chain and contracts this is about, how far the index is, and how much it holds."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.base import Base, table_of
from backend.db.head import IndexHead
from backend.db.index_db import (
    Challenge,
    Document,
    DocumentState,
    Following,
    License,
    Pause,
    Platform,
    Report,
    RivalClaim,
    Split,
    Terms,
)
from backend.http.deps import HeadDep, IndexDep, ServicesDep
from backend.http.schemas import Account, AnswerModel, Hex32, Seconds, problems
from obbligato.chain.deployment import Deployment

_FOLLOWING: Final = table_of(Following)
_PAUSES: Final = table_of(Pause)
_DOCUMENTS: Final = table_of(Document)

_LAST_PAUSE: Final = (
    select(_PAUSES.c.until)
    .order_by(_PAUSES.c.block_number.desc(), _PAUSES.c.log_index.desc())
    .limit(1)
)
_MISSING: Final = select(func.count()).where(_DOCUMENTS.c.state == DocumentState.MISSING)


_COUNTS: Final[dict[str, tuple[type[Base], str]]] = {
    "licenses": (License, "license_id"),
    "terms": (Terms, "terms_id"),
    "splits": (Split, "split_id"),
    "platforms": (Platform, "platform_id"),
    "reports": (Report, "number"),
    "challenges": (Challenge, "challenge_id"),
    "rival_claims": (RivalClaim, "claim_id"),
}
"""Ids count from 1 without a gap: the largest says how many there are."""
_COUNTED: Final = select(
    *(
        select(func.coalesce(func.max(table_of(model).c[column]), 0)).scalar_subquery().label(name)
        for name, (model, column) in _COUNTS.items()
    )
)


class Counts(AnswerModel):
    """How many there are."""

    licenses: int
    terms: int
    splits: int
    platforms: int
    reports: int
    challenges: int
    rival_claims: int
    missing_documents: int
    """Documents of licences that nobody could read so far."""


class StatusAnswer(AnswerModel):
    """The deployment, and how far the index has followed it."""

    chain_id: int = Field(examples=[31337])
    contracts: dict[str, Account]
    """The five contracts by name."""
    token: Account
    """The dollar token, with 6 decimals."""
    deployment_block: int
    head_number: int
    head_hash: Hex32
    head_time: Seconds
    """The newest block's time: what the answers of the index take for now."""
    final_number: int
    """Blocks up to this one are final: what they say never changes."""
    paused_until: Seconds | None
    """Until when submitting and settling are paused; null where they are not."""
    counts: Counts


def read_status(session: Session, head: IndexHead, deployment: Deployment) -> StatusAnswer:
    """The status as of the head."""
    until = session.scalar(_LAST_PAUSE)
    counted = session.execute(_COUNTED).one()
    return StatusAnswer(
        chain_id=head.chain_id,
        contracts={name: address for address, name in contract_names(session).items()},
        token=deployment.token,
        deployment_block=deployment.block,
        head_number=head.head_number,
        head_hash=head.head_hash,
        head_time=head.head_time,
        final_number=head.final_number,
        paused_until=until if until is not None and until > head.head_time else None,
        counts=Counts(**counted._mapping, missing_documents=session.scalar(_MISSING) or 0),
    )


def contract_names(session: Session) -> dict[str, str]:
    """The names of the deployment's contracts by their addresses."""
    contracts = session.scalar(select(_FOLLOWING.c.contracts)) or {}
    return {address: name for name, address in contracts.items()}


router = APIRouter(prefix="/v1", tags=["health"])


@router.get(
    "/status",
    operation_id="get_status",
    response_model=StatusAnswer,
    responses=problems(404),
)
def status(services: ServicesDep, session: IndexDep, head: HeadDep) -> StatusAnswer:
    """Say which chain and contracts this is about, and how far it was read.

    How many blocks the node is ahead of that, `/readyz` says.
    """
    return read_status(session, head, services.chain.deployment)
