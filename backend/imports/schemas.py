"""Answers about catalogues, and the CSV of their errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.service_db import Catalogue, CatalogueLine, LineState
from backend.http.schemas import Account, AnswerModel, Cid, Seconds
from backend.imports.minting import Batch
from backend.services import Services
from obbligato.documents.catalog_csv import COLUMNS, LINE, REPORTED, REQUIRED
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.csv_safety import guard_cell
from obbligato.schemas.backend import ActResponse, CallResponse

StateWord = Literal["reading", "ready", "withdrawn"]
LineStateWord = Literal["waiting", "prepared", "refused", "offered", "minted"]

FIRST_ERRORS = 10


class Counts(AnswerModel):
    """How many lines are in each state."""

    waiting: int = 0
    prepared: int = 0
    refused: int = 0
    offered: int = 0
    minted: int = 0


class LineError(AnswerModel):
    """What is wrong with a line, by column."""

    field: str
    reason: str
    other_line: Annotated[
        int | None, Field(description="The line of the same file that it collides with.")
    ] = None


class RefusedLine(AnswerModel):
    """A line with its errors."""

    line: int
    errors: list[LineError]


class CatalogueResponse(AnswerModel):
    """A catalogue: how many of its lines are waiting, prepared, refused, offered and minted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5f0c8b1e2d3a4f665f0c8b1e2d3a4f66",
                    "state": "ready",
                    "made_by": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "owner": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "preset": "train-dont-imitate",
                    "lines": 2000,
                    "counts": {
                        "waiting": 0,
                        "prepared": 1999,
                        "refused": 1,
                        "offered": 0,
                        "minted": 0,
                    },
                    "first_errors": [
                        {
                            "line": 14,
                            "errors": [{"field": "isrc", "reason": "'US-UG1' is not an ISRC"}],
                        }
                    ],
                    "created_at": 1790000000,
                    "updated_at": 1790000060,
                }
            ]
        }
    )

    id: str
    state: StateWord
    made_by: Account
    owner: Annotated[Account, Field(description="Of lines that name no other.")]
    preset: str | None
    lines: int
    counts: Counts
    first_errors: list[RefusedLine]
    created_at: Seconds
    updated_at: Seconds


class LineResponse(AnswerModel):
    """One line: its cells as they were given, what is wrong with it, what was made of it."""

    line: Annotated[int, Field(description="As in the file: the header is line 1.")]
    state: LineStateWord
    cells: dict[str, str]
    errors: list[LineError]
    warnings: list[str]
    owner: Account | None
    document: Cid | None
    license_id: int | None


class TransactionResponse(CallResponse):
    """One transaction and what it is for."""

    what: Annotated[str, Field(examples=["mint 140 licences"])]


class SkippedLinesResponse(AnswerModel):
    """Lines of an owner who did not let you mint."""

    owner: Account
    lines: int
    first_line: int
    reason: str


class BatchResponse(AnswerModel):
    """Transactions for your own wallet, each to be sent once the one before is in a block."""

    transactions: list[TransactionResponse]
    lines: Annotated[list[int], Field(description="What the last of them mints, in its order.")]
    left_out: list[SkippedLinesResponse]


class ActsResponse(AnswerModel):
    """Acts to sign, one for each line."""

    acts: list[ActResponse]


def catalogue_response(
    catalogue: Catalogue, counts: Mapping[str, int], errors: Sequence[RefusedLine]
) -> CatalogueResponse:
    """One catalogue."""
    return CatalogueResponse(
        id=catalogue.id,
        state=catalogue.state,
        made_by=catalogue.made_by,
        owner=catalogue.owner,
        preset=catalogue.defaults["preset"],
        lines=catalogue.lines,
        counts=Counts(**counts),
        first_errors=list(errors),
        created_at=catalogue.created_at,
        updated_at=catalogue.updated_at,
    )


def line_response(line: CatalogueLine) -> LineResponse:
    """One line."""
    return LineResponse(
        line=line.line,
        state=line.state,
        cells=line.cells,
        errors=_errors(line),
        warnings=line.warnings,
        owner=line.owner,
        document=None if line.document is None else cid_from_digest(line.document),
        license_id=line.license_id,
    )


def batch_response(services: Services, batch: Batch) -> BatchResponse:
    """The transactions with their calldata."""
    return BatchResponse(
        transactions=[
            TransactionResponse(
                what=what,
                to=services.chain.deployment.address(call.contract),
                data="0x" + call.data(services.chain).hex(),
            )
            for what, call in batch.calls
        ],
        lines=[line.line for line in batch.lines],
        left_out=[SkippedLinesResponse.model_validate(each) for each in batch.left_out],
    )


def refused_lines(
    session: Session, catalogue_id: str, owner: str | None, most: int | None = None
) -> list[CatalogueLine]:
    """Refused lines in the order of the file; `owner`: of this owner alone."""
    query = (
        select(CatalogueLine)
        .where(CatalogueLine.catalogue_id == catalogue_id, CatalogueLine.state == LineState.REFUSED)
        .order_by(CatalogueLine.line)
    )
    if owner is not None:
        query = query.where(CatalogueLine.owner == owner)
    return list(session.scalars(query if most is None else query.limit(most)))


def refused_line(line: CatalogueLine) -> RefusedLine:
    """A line with its errors alone."""
    return RefusedLine(line=line.line, errors=_errors(line))


def errors_file(lines: Sequence[CatalogueLine]) -> str:
    """A CSV of refused lines: line, field, reason and the cells. No cell of it is a formula.

    One record a line, so that it can be corrected in place and sent back.
    """
    used = {column for line in lines for column in line.cells}
    columns = [column for column in COLUMNS if column in used or column in REQUIRED]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([LINE, *REPORTED, *columns])
    for line in lines:
        fields = [error["field"] for error in line.errors]
        reasons = [error["reason"] for error in line.errors]
        if len(fields) > 1:
            reasons = [f"{field}: {reason}" for field, reason in zip(fields, reasons, strict=True)]
        cells = [line.cells.get(column, "") for column in columns]
        writer.writerow(
            [line.line, *map(guard_cell, ("; ".join(fields), "; ".join(reasons), *cells))]
        )
    return text.getvalue()


def _errors(line: CatalogueLine) -> list[LineError]:
    found: list[Any] = line.errors
    return [LineError.model_validate(each) for each in found]
