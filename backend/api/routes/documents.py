"""Whether the documents are on IPFS: the status of every block this deployment refers to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from backend.api.answers import Page, problems
from backend.api.context import ServicesDep
from backend.api.paging import CursorQuery, LimitQuery
from backend.ipfs.pins import DocumentStatus, PinState, list_documents, read_document

router = APIRouter(prefix="/v1/documents", tags=["blocks"])


@router.get(
    "",
    operation_id="list_documents",
    response_model=Page[DocumentStatus],
    responses=problems(422),
)
def documents(
    services: ServicesDep,
    state: PinState | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[DocumentStatus]:
    """List documents, legal texts, evidence and its chunks with their status in the store.

    `state=absent` gives those that nobody has, with the reason.
    """
    with services.records.reading() as session:
        return list_documents(session, state=state, limit=limit, cursor=cursor)


@router.get(
    "/{cid}",
    operation_id="get_document_status",
    response_model=DocumentStatus,
    responses=problems(404, 422),
)
def document(services: ServicesDep, cid: Annotated[str, Path(max_length=200)]) -> DocumentStatus:
    """Get the status of one document."""
    with services.records.reading() as session:
        return read_document(session, cid)
