"""What is known of each block that this deployment refers to."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.api.answers import AnswerModel, Cid, Page, Seconds
from backend.api.paging import decode_cursor, page
from backend.records.tables import Pin
from obbligato.documents.cid import digest_from_cid
from obbligato.errors import NotFound

PinState = Literal["unknown", "absent", "stored", "pinned"]


class DocumentStatus(AnswerModel):
    """One block, and whether it is in this service's store."""

    cid: Cid
    what: str
    """What it is for people: `document of licence 3`."""
    state: PinState
    """pinned: here to stay; stored: here for now; absent: see the reason; unknown: not asked for yet."""
    size: int | None
    """In bytes."""
    reason: str | None
    """Why it is absent, or what is wrong with it."""
    attempts: int
    """How often it was asked for in vain."""
    checked_at: Seconds | None
    due_at: Seconds
    """When it is looked at again."""


def list_documents(
    session: Session, *, state: PinState | None, limit: int, cursor: str | None
) -> Page[DocumentStatus]:
    """By CID. Raises InputError for a cursor."""
    query = select(Pin).order_by(Pin.cid).limit(limit + 1)
    if state is not None:
        query = query.where(Pin.state == state)
    if cursor is not None:
        (last,) = decode_cursor(cursor, str)
        query = query.where(Pin.cid > last)
    return page(
        session.scalars(query).all(), limit, lambda pin: (pin.cid,), DocumentStatus.model_validate
    )


def read_document(session: Session, cid: str) -> DocumentStatus:
    """Raises InputError for what is no CID of ours, NotFound."""
    digest_from_cid(cid)
    found = session.get(Pin, cid)
    if found is None:
        raise NotFound(f"nothing here refers to {cid} (yet: new references take some seconds)")
    return DocumentStatus.model_validate(found)
