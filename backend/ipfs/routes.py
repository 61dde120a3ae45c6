"""Blocks for IPFS: a trustless gateway, and everything in one CAR."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from backend.http.deps import ServicesDep
from backend.http.paging import CursorQuery, LimitQuery
from backend.http.schemas import Page, problems
from backend.ipfs.gateway import CAR, CAR_TYPE, RAW, negotiate_format, read_block
from backend.ipfs.pins import DocumentStatus, PinState, list_documents, read_document
from backend.ipfs.references import export_car

router = APIRouter(tags=["blocks"])

CidPath = Annotated[
    str,
    Path(
        max_length=200,
        description="CIDv1, raw, sha2-256, base32.",
        examples=["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    ),
]
FormatQuery = Annotated[
    str | None, Query(alias="format", max_length=20, description="raw or car; goes before Accept.")
]
_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The block", "content": {RAW: _BINARY, CAR: _BINARY}},
    304: {"description": "You have it"},
    **problems(400, 404, 422, 502),
    406: {"description": "Only raw blocks and CARs are served"},
    412: {"description": "It is not held here, and `Cache-Control: only-if-cached` was sent"},
}


@router.get("/ipfs/{cid}", operation_id="get_block", response_class=Response, responses=_ANSWERS)
def block(
    request: Request,
    services: ServicesDep,
    cid: CidPath,
    format_name: FormatQuery = None,
    accept: Annotated[str | None, Header(max_length=1_000)] = None,
) -> Response:
    """Get a block, raw or as a CAR, to be checked against its CID.

    A trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/) for what this deployment refers
    to or holds: nothing else is fetched from IPFS.
    """
    return _answer(request, services, cid, format_name, accept)


@router.head("/ipfs/{cid}", operation_id="head_block", response_class=Response, responses=_ANSWERS)
def block_head(
    request: Request,
    services: ServicesDep,
    cid: CidPath,
    format_name: FormatQuery = None,
    accept: Annotated[str | None, Header(max_length=1_000)] = None,
) -> Response:
    """Ask whether a block is there, and how large it is."""
    return _answer(request, services, cid, format_name, accept)


def _answer(
    request: Request, services: ServicesDep, cid: str, format_name: str | None, accept: str | None
) -> Response:
    form = negotiate_format(format_name, accept)
    held_only = "only-if-cached" in request.headers.get("cache-control", "").lower()
    answer = read_block(services, cid, form, held_only=held_only)
    if _known(request, answer.headers["etag"]):
        return Response(status_code=304, headers=answer.headers)
    if request.method == "HEAD":
        length = {"content-length": str(len(answer.body))}
        return Response(headers={**answer.headers, **length})
    return Response(answer.body, headers=answer.headers)


@router.get(
    "/v1/export.car",
    operation_id="export_blocks",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A CAR of version 1", "content": {CAR: _BINARY}},
        304: {"description": "You have it"},
        **problems(),
    },
)
def export(request: Request, services: ServicesDep) -> Response:
    """Get everything this deployment refers to in one CAR.

    Documents of licences, legal texts, evidence and its chunks, each a root, so `ipfs dag import` pins them all.
    `x-missing-blocks` says how many are not here: list documents with state absent to see which.
    """
    export_file = export_car(services)
    headers = {
        "content-type": CAR_TYPE,
        "content-disposition": 'attachment; filename="export.car"',
        "etag": export_file.etag,
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "x-missing-blocks": str(len(export_file.written.absent)),
    }
    if _known(request, export_file.etag):
        export_file.file.close()
        return Response(status_code=304, headers=headers)
    return StreamingResponse(
        export_file.pieces(), headers={**headers, "content-length": str(export_file.written.size)}
    )


def _known(request: Request, etag: str) -> bool:
    header = request.headers.get("if-none-match", "")
    return header.strip() == "*" or etag in {
        each.strip().removeprefix("W/") for each in header.split(",")
    }


documents_router = APIRouter(prefix="/v1/documents", tags=["blocks"])


@documents_router.get(
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
    with services.service_db.reading() as session:
        return list_documents(session, state=state, limit=limit, cursor=cursor)


@documents_router.get(
    "/{cid}",
    operation_id="get_document_status",
    response_model=DocumentStatus,
    responses=problems(404, 422),
)
def document(services: ServicesDep, cid: Annotated[str, Path(max_length=200)]) -> DocumentStatus:
    """Get the status of one document."""
    with services.service_db.reading() as session:
        return read_document(session, cid)
