"""Payees: what they have, earned, were paid; statements to keep."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from os import SEEK_END
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from backend.db.head import read_head
from backend.db.periods import MONTH_PATTERN
from backend.http.caching import IndexRoute, lookup
from backend.http.deps import HeadDep, IndexDep, ServicesDep
from backend.http.paging import PageQuery
from backend.http.schemas import Page, problems
from backend.payees.balances import read_balance
from backend.payees.credits import list_credits, list_payments
from backend.payees.earnings import EarningQuery, list_earnings
from backend.payees.schemas import (
    Balance,
    Credit,
    EarningGroup,
    PaymentAnswer,
    StatementAnswer,
    StatementMonths,
)
from backend.payees.statement_files import write_csv, write_json, write_parquet, write_pdf
from backend.payees.statements import Statement, list_months, read_statement
from backend.services import Services
from obbligato.errors import InputError
from obbligato.protocol.types import checked_address

router = APIRouter(prefix="/v1/payees", tags=["payees"], route_class=IndexRoute)
files = APIRouter(prefix="/v1/payees", tags=["payees"])
"""What is too large to be kept between two blocks."""

KEPT_IN_MEMORY: Final = 2**20
"""Bytes of a file; a longer one is written to disk before it is sent."""
PIECE: Final = 2**16

AccountPath = Annotated[
    str,
    Path(
        pattern="^0x[0-9a-fA-F]{40}$",
        description="In lower case, or with its EIP-55 checksum.",
        examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"],
    ),
]
MonthPath = Annotated[str, Path(pattern=MONTH_PATTERN, examples=["2026-10"])]


@router.get(
    "/{account}",
    operation_id="get_balance",
    responses=problems(404, 422),
)
@lookup()
def balance(session: IndexDep, head: HeadDep, account: AccountPath) -> Balance:
    """Get what a payee has: pending, claimable, paid; and its splits."""
    return read_balance(session, head, _address(account))


@router.get(
    "/{account}/earnings",
    operation_id="list_earnings",
    responses=problems(404, 422),
)
@lookup(lambda named: named["query"].is_summed)
def earnings(
    session: IndexDep, account: AccountPath, query: Annotated[EarningQuery, Query()]
) -> Page[EarningGroup]:
    """List what a payee earned, summed by any groups.

    Months are those of use. Without any filter the sums of all groups are what its splits earned for it, to the unit.
    """
    return list_earnings(session, _address(account), query)


@router.get(
    "/{account}/credits",
    operation_id="list_credits",
    responses=problems(404, 422),
)
@lookup()
def credits_(
    session: IndexDep,
    head: HeadDep,
    account: AccountPath,
    query: PageQuery,
) -> Page[Credit]:
    """List the single credits of a payee, newest first."""
    return list_credits(session, head, _address(account), query)


@router.get(
    "/{account}/payments",
    operation_id="list_payments",
    responses=problems(404, 422),
)
@lookup()
def payments(
    session: IndexDep,
    head: HeadDep,
    account: AccountPath,
    query: PageQuery,
) -> Page[PaymentAnswer]:
    """List what left the vault for a payee, newest first."""
    return list_payments(session, head, _address(account), query)


@router.get(
    "/{account}/statements",
    operation_id="list_statements",
    responses=problems(404, 422),
)
def statements(session: IndexDep, head: HeadDep, account: AccountPath) -> StatementMonths:
    """List the months of a payee that have a statement, with their sums."""
    return list_months(session, head, _address(account))


def _file_of(media_type: str, words: str, schema: dict[str, Any]) -> dict[int | str, Any]:
    content = {media_type: {"schema": schema}}
    return {200: {"description": words, "content": content}, **problems(404, 422)}


_BYTES: Final = {"type": "string", "format": "binary"}


@files.get(
    "/{account}/statements/{month}.json",
    operation_id="get_statement",
    response_model=StatementAnswer,
    responses=problems(404, 422),
)
def statement_json(
    request: Request, services: ServicesDep, account: AccountPath, month: MonthPath
) -> Response:
    """Get a statement with all its lines."""
    return _file(request, services, account, month, "json", "application/json", write_json)


@files.get(
    "/{account}/statements/{month}.csv",
    operation_id="get_statement_csv",
    response_class=Response,
    responses=_file_of("text/csv", "The lines, one a credit", {"type": "string"}),
)
def statement_csv(
    request: Request, services: ServicesDep, account: AccountPath, month: MonthPath
) -> Response:
    """Get a statement as CSV.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    return _file(request, services, account, month, "csv", "text/csv; charset=utf-8", write_csv)


@files.get(
    "/{account}/statements/{month}.parquet",
    operation_id="get_statement_parquet",
    response_class=Response,
    responses=_file_of("application/vnd.apache.parquet", "The lines, typed", _BYTES),
)
def statement_parquet(
    request: Request, services: ServicesDep, account: AccountPath, month: MonthPath
) -> Response:
    """Get a statement as Parquet."""
    media_type = "application/vnd.apache.parquet"
    return _file(request, services, account, month, "parquet", media_type, write_parquet)


@files.get(
    "/{account}/statements/{month}.pdf",
    operation_id="get_statement_pdf",
    response_class=Response,
    responses=_file_of("application/pdf", "The statement on paper", _BYTES),
)
def statement_pdf(
    request: Request, services: ServicesDep, account: AccountPath, month: MonthPath
) -> Response:
    """Get a statement as PDF.

    It shows the first 400 lines; the other formats have them all.
    """
    return _file(request, services, account, month, "pdf", "application/pdf", write_pdf)


def _file(
    request: Request,
    services: Services,
    account: str,
    month: str,
    extension: str,
    media_type: str,
    write: Callable[[Statement, IO[bytes]], None],
) -> Response:
    """The whole file is made first, so that what goes wrong is an answer and no half of a file."""
    payee = _address(account)
    with services.index_db.reading() as session:
        head = read_head(session)
        etag = f'W/"{head.version}"'
        headers = {
            "etag": etag,
            "cache-control": "no-cache",
            "content-disposition": f'attachment; filename="statement-{payee}-{month}.{extension}"',
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        file = _written(read_statement(session, head, payee, month), write)
    headers["content-length"] = str(file.seek(0, SEEK_END))
    file.seek(0)
    return StreamingResponse(_pieces(file), headers=headers, media_type=media_type)


def _written(statement: Statement, write: Callable[[Statement, IO[bytes]], None]) -> IO[bytes]:
    file: IO[bytes] = tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115 -- sent later
    try:
        write(statement, file)
    except BaseException:
        file.close()
        raise
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _address(account: str) -> str:
    try:
        return checked_address(account)
    except InputError as error:
        raise InputError(error.reason, field="account") from error
