"""Which chain and contracts this is about, how far the index is, and how much it holds."""

from __future__ import annotations

from typing import Final

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.api.answers import Account, AnswerModel, Hex32, Seconds
from backend.database.base import Base
from backend.database.tables import (
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
from backend.index.state import table_of
from backend.reading.tip import Tip
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


def read_status(session: Session, tip: Tip, deployment: Deployment) -> StatusAnswer:
    """The status as of the head."""
    until = session.scalar(_LAST_PAUSE)
    counted = session.execute(_COUNTED).one()
    return StatusAnswer(
        chain_id=tip.chain_id,
        contracts={name: address for address, name in contract_names(session).items()},
        token=deployment.token,
        deployment_block=deployment.block,
        head_number=tip.head_number,
        head_hash=tip.head_hash,
        head_time=tip.head_time,
        final_number=tip.final_number,
        paused_until=until if until is not None and until > tip.head_time else None,
        counts=Counts(**counted._mapping, missing_documents=session.scalar(_MISSING) or 0),
    )


def contract_names(session: Session) -> dict[str, str]:
    """The names of the deployment's contracts by their addresses."""
    contracts = session.scalar(select(_FOLLOWING.c.contracts)) or {}
    return {address: name for name, address in contracts.items()}
