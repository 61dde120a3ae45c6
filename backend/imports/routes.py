"""Catalogues: a CSV of recordings is checked line by line, corrected, and minted in batches."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, or_, select

from backend.actions.store import act_response
from backend.auth.deps import AccountDep
from backend.db.service_db import Catalogue, CatalogueLine
from backend.http.callers import Caller
from backend.http.deps import ServicesDep
from backend.http.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.http.schemas import Page, problems
from backend.imports.minting import MOST_ACTS, MOST_IN_BATCH, prepare_acts, prepare_batch
from backend.imports.schemas import (
    FIRST_ERRORS,
    ActsResponse,
    BatchResponse,
    CatalogueResponse,
    LineResponse,
    LineStateWord,
    batch_response,
    catalogue_response,
    errors_file,
    line_response,
    refused_line,
    refused_lines,
)
from backend.imports.store import correct, counts, find, store_catalogue, withdraw
from backend.imports.uploads import FIELDS, Upload, defaults_of, read_upload
from backend.services import Services

router = APIRouter(prefix="/v1/catalogues", tags=["catalogues"])

CSV: Final = "text/csv"
CatalogueId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
UploadDep = Annotated[Upload, Depends(read_upload)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any word of your own: the same file with the same key is one catalogue.",
    ),
]

_EXAMPLE: Final = (
    "title,artists,content_hash,isrc,contributors,preset,GENERATIVE.generation_units\r\n"
    f"Aurora,Nadia Vale|Trio Norte,{'5e' * 32},AA6Q72000047,composer:Nadia Vale,train-dont-imitate,2400\r\n"
)


def _upload(*fields: str) -> dict[str, Any]:
    """The body of a request, described: FastAPI does not see that it is read."""
    file = {"type": "string", "format": "binary", "description": "The CSV."}
    form = {
        "type": "object",
        "properties": {"file": file, **{name: {"type": "string"} for name in fields}},
        "required": ["file"],
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                CSV: {"schema": {"type": "string"}, "example": _EXAMPLE},
                "multipart/form-data": {"schema": form},
            },
        }
    }


class BatchRequest(BaseModel):
    """How many lines to mint at once."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"most": MOST_IN_BATCH}]}
    )

    most: Annotated[int, Field(strict=True, ge=1, le=MOST_IN_BATCH)] = MOST_IN_BATCH
    again: Annotated[
        bool,
        Field(
            strict=True,
            description="Of lines that were handed out before and are not minted. Make sure first that the "
            "transactions of then will not be mined.",
        ),
    ] = False


class ActsRequest(BaseModel):
    """How many lines to have as acts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"most": 50}]})

    most: Annotated[int, Field(strict=True, ge=1, le=MOST_ACTS)] = MOST_ACTS
    again: Annotated[
        bool, Field(strict=True, description="Of lines that were handed out before.")
    ] = False


@router.post(
    "",
    operation_id="import_catalogue",
    status_code=201,
    responses=problems(401, 403, 409, 413, 415, 422),
    openapi_extra=_upload(*FIELDS),
)
def import_catalogue(
    file: UploadDep,
    services: ServicesDep,
    caller: AccountDep,
    owner: Annotated[
        str | None,
        Query(max_length=42, description="Of lines that name no owner. Default: the caller."),
    ] = None,
    preset: Annotated[
        str | None, Query(max_length=40, description="Of lines that name no preset.")
    ] = None,
    payees: Annotated[
        str | None,
        Query(
            max_length=10_000,
            description="Of lines that name none: a JSON list of account, share_ppm and role.",
        ),
    ] = None,
    key: IdempotencyKey = None,
) -> CatalogueResponse:
    """Import a CSV of recordings.

    Up to 10 000 lines, in UTF-8. `title`, `artists` and `content_hash` (the sha-256 of the file) are needed; several
    artists, contributors (`role:name`), scopes, flags or payees (`account:share_ppm:role`) have a bar between them;
    prices are columns such as `GENERATIVE.generation_units`, in millionths of a dollar, or `not offered`. All lines
    are kept at once and checked in the background: read the catalogue to see how far that is. Lines with errors keep
    no other line up, and can be corrected.
    """
    body = {"owner": owner, "preset": preset, "payees": payees}
    defaults = defaults_of(caller.account, body | dict(file.fields))
    catalogue = store_catalogue(services, caller, file.data, defaults, key)
    return _catalogue_response(services, caller, catalogue)


@router.get("", operation_id="list_catalogues", responses=problems(401, 403, 422))
def list_catalogues(
    services: ServicesDep, caller: AccountDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[CatalogueResponse]:
    """Your catalogues, newest first; their errors are with each by itself."""
    query = select(Catalogue).where(Catalogue.made_by == caller.account)
    if cursor is not None:
        at, identity = decode_cursor(cursor, int, str)
        earlier = and_(Catalogue.created_at == at, Catalogue.id < identity)
        query = query.where(or_(Catalogue.created_at < at, earlier))
    with services.service_db.reading() as session:
        rows = session.scalars(
            query.order_by(Catalogue.created_at.desc(), Catalogue.id.desc()).limit(limit + 1)
        ).all()
        line_counts = counts(session, [each.id for each in rows])
    return page(
        rows,
        limit,
        lambda each: (each.created_at, each.id),
        lambda each: catalogue_response(each, line_counts[each.id], ()),
    )


@router.get("/{catalogue_id}", operation_id="get_catalogue", responses=problems(401, 403, 404, 422))
def get_catalogue(
    catalogue_id: CatalogueId, services: ServicesDep, caller: AccountDep
) -> CatalogueResponse:
    """One catalogue: how far its lines are, and the first errors."""
    return _catalogue_response(services, caller, find(services, caller, catalogue_id))


@router.get(
    "/{catalogue_id}/lines",
    operation_id="list_catalogue_lines",
    responses=problems(401, 403, 404, 422),
)
def list_lines(
    catalogue_id: CatalogueId,
    services: ServicesDep,
    caller: AccountDep,
    state: LineStateWord | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[LineResponse]:
    """The lines of a catalogue in the order of the file.

    Who did not make it sees the lines that name its own account as the owner.
    """
    owner = _visible_owner(caller, find(services, caller, catalogue_id))
    query = select(CatalogueLine).where(CatalogueLine.catalogue_id == catalogue_id)
    if owner is not None:
        query = query.where(CatalogueLine.owner == owner)
    if state is not None:
        query = query.where(CatalogueLine.state == state)
    if cursor is not None:
        (after,) = decode_cursor(cursor, int)
        query = query.where(CatalogueLine.line > after)
    with services.service_db.reading() as session:
        lines = session.scalars(query.order_by(CatalogueLine.line).limit(limit + 1)).all()
    return page(lines, limit, lambda line: (line.line,), line_response)


@router.get(
    "/{catalogue_id}/errors.csv",
    operation_id="download_catalogue_errors",
    response_class=Response,
    responses={
        200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "The CSV."},
        **problems(401, 403, 404, 422),
    },
)
def download_errors(
    catalogue_id: CatalogueId, services: ServicesDep, caller: AccountDep
) -> Response:
    """The refused lines as a CSV to correct: line, field, reason, and the cells.

    Cells that a spreadsheet would take for a formula begin with an apostrophe, which is taken off again when the
    corrected file is sent back.
    """
    owner = _visible_owner(caller, find(services, caller, catalogue_id))
    with services.service_db.reading() as session:
        text = errors_file(refused_lines(session, catalogue_id, owner))
    headers = {
        "content-disposition": f'attachment; filename="errors-{catalogue_id[:8]}.csv"',
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    return Response(text, media_type=f"{CSV}; charset=utf-8", headers=headers)


@router.put(
    "/{catalogue_id}/lines",
    operation_id="correct_catalogue_lines",
    responses=problems(401, 403, 404, 409, 413, 415, 422),
    openapi_extra=_upload(),
)
def correct_lines(
    catalogue_id: CatalogueId, file: UploadDep, services: ServicesDep, caller: AccountDep
) -> CatalogueResponse:
    """Correct refused lines.

    A CSV with the same columns and `line`, as the file of errors has it. Each line is replaced as a whole and checked
    again. All lines of the file are taken, or none.
    """
    return _catalogue_response(services, caller, correct(services, caller, catalogue_id, file.data))


@router.post(
    "/{catalogue_id}/batches",
    operation_id="offer_catalogue_batch",
    responses=problems(401, 403, 404, 409, 422),
)
def post_batch(
    catalogue_id: CatalogueId, body: BatchRequest, services: ServicesDep, caller: AccountDep
) -> BatchResponse:
    """Mint prepared lines with your own wallet: up to 140 in one transaction.

    For owners, and for operators of owners who approved them on the chain. Send the transactions in their order, each
    once the one before is in a block; lines are minted when the chain says so. Each call hands out lines that were not
    handed out before; with `again`, those that were and are not minted.
    """
    batch = prepare_batch(services, caller, catalogue_id, body.most, again=body.again)
    return batch_response(services, batch)


@router.post(
    "/{catalogue_id}/acts",
    operation_id="offer_catalogue_acts",
    responses=problems(401, 403, 404, 409, 422),
)
def post_acts(
    catalogue_id: CatalogueId, body: ActsRequest, services: ServicesDep, caller: AccountDep
) -> ActsResponse:
    """Mint prepared lines of your own by signatures: one act for each, sent for you within the limits."""
    acts = prepare_acts(services, caller, catalogue_id, body.most, again=body.again)
    return ActsResponse(acts=[act_response(services.chain, act) for act in acts])


@router.delete(
    "/{catalogue_id}",
    operation_id="withdraw_catalogue",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
def delete_catalogue(
    catalogue_id: CatalogueId, services: ServicesDep, caller: AccountDep
) -> Response:
    """Withdraw a catalogue. What was minted stays; acts that wait for a signature end."""
    withdraw(services, caller, catalogue_id)
    return Response(status_code=204)


def _visible_owner(caller: Caller, catalogue: Catalogue) -> str | None:
    """Whose lines the caller may see; None for all."""
    return None if caller.account == catalogue.made_by else caller.account


def _catalogue_response(
    services: Services, caller: Caller, catalogue: Catalogue
) -> CatalogueResponse:
    with services.service_db.reading() as session:
        line_counts = counts(session, [catalogue.id])[catalogue.id]
        first = refused_lines(
            session, catalogue.id, _visible_owner(caller, catalogue), FIRST_ERRORS
        )
    return catalogue_response(catalogue, line_counts, [refused_line(each) for each in first])
