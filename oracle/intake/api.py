"""The HTTP interface of the leader. Errors are problem documents (RFC 9457); docs/platform.md shows it in use.

Requests are signed over the digest of their body, so routes read their bodies themselves and say in
`openapi_extra` which model they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from obbligato.protocol.types import checked_address
from obbligato.schemas import oracle as schemas
from obbligato.schemas.oracle_requests import (
    KeyRequest,
    PayoutRequest,
    ReportRequest,
    SignaturesRequest,
)
from obbligato.server.http import (
    Checks,
    Problem,
    add_blocks,
    add_description,
    add_errors,
    add_health,
    body_of,
    problems,
)
from obbligato.store import ContentStore
from oracle.db import ApiKey, OracleDatabase, Payout
from oracle.intake.callers import Caller, Callers, check_digest, new_key, read_body
from oracle.intake.responses import known_key, priced_rows, submission_answer, submission_line
from oracle.intake.submissions import Submissions
from oracle.intake.uploads import Uploads

PlatformId = Annotated[int, Path(ge=1, le=2**32 - 1)]
SubmissionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Body = TypeVar("Body", bound=BaseModel)

MAX_ERRORS: Final = 100
"""How many wrong fields of a body are named."""
PLATFORM: Final = "/v1/platforms/{platform_id}"
BINARY: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@dataclass(frozen=True)
class Intake:
    """What the interface stands on. `wake` tells the pipeline that there is something to do."""

    database: OracleDatabase
    store: ContentStore
    callers: Callers
    uploads: Uploads
    submissions: Submissions
    wake: Callable[[], None]
    status: Callable[[], dict[str, Any]]
    checks: Checks

    def answer(self, platform_id: int, submission_id: str) -> schemas.Submission:
        """A submission of a platform. Raises Problem 404."""
        with self.database.work() as session:
            submission = self.submissions.get(session, platform_id, submission_id)
            return submission_answer(session, submission)

    async def allow(self, request: Request, platform_id: int, *scopes: str) -> Caller:
        """The caller, who may do this for the platform. Raises Problem 401 or 403."""
        return await run_in_threadpool(self.callers.of_platform, request, platform_id, *scopes)

    async def read(self, request: Request, platform_id: int, scope: str) -> bytes:
        """The body of a caller who may do this for the platform. Raises Problem 401, 403 or 413."""
        return await read_body(request, await self.allow(request, platform_id, scope))


def intake_api(intake: Intake) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="Obbligato usage oracle",
        description="AI platforms report usage here; it is attested, submitted to the chain and paid.",
        docs_url="/docs",
        redoc_url=None,
    )
    add_errors(app)
    add_health(app, intake.checks)
    add_blocks(app, intake.store)
    for routes in (_uploads, _reports, _keys, _payouts):
        app.include_router(routes(intake))
    add_description(app, ReportRequest, SignaturesRequest, KeyRequest, PayoutRequest)

    @app.get("/v1/status", tags=["status"], operation_id="oracle_status", responses=problems(503))
    def status() -> schemas.LeaderStatus:
        """Which chain and contracts this is for, who attests, what waits, and what is wrong."""
        return schemas.LeaderStatus.model_validate(intake.status())

    return app


def _router(prefix: str, tag: str, *statuses: int) -> APIRouter:
    """Routes of one subject, each with these problems among its answers and its function as operation id."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        responses=problems(*statuses),
        generate_unique_id_function=lambda route: route.name,
    )


def _uploads(intake: Intake) -> APIRouter:
    routes = _router(PLATFORM + "/uploads", "uploads", 401, 403, 422, 503)

    @routes.head(
        "/{sha256}",
        operation_id="upload_is_here",
        response_class=Response,
        responses=problems(404),
    )
    def is_here(platform_id: PlatformId, sha256: Sha256, request: Request) -> Response:
        """Whether the whole file is here."""
        intake.callers.of_platform(request, platform_id, "reports:write", "quotes")
        known = intake.uploads.known(platform_id, sha256)
        return Response(status_code=200 if known else 404)

    @routes.put(
        "/{sha256}",
        status_code=201,
        openapi_extra={"requestBody": {"required": True, "content": BINARY}},
        responses={
            200: {"model": schemas.StoredFile, "description": "It was here already"},
            **problems(400, 413, 507),
        },
    )
    async def upload(
        platform_id: PlatformId, sha256: Sha256, request: Request, response: Response
    ) -> schemas.StoredFile:
        """Upload a file of usage events (JSONL, CSV, Parquet; gzip allowed), named by its sha-256."""
        caller = await intake.allow(request, platform_id, "reports:write", "quotes")
        check_digest(caller, bytes.fromhex(sha256))
        known = await run_in_threadpool(intake.uploads.known, platform_id, sha256)
        if known:
            response.status_code = 200
        stored = known or await intake.uploads.receive(request, platform_id, sha256)
        return schemas.StoredFile(sha256=stored.sha256, size=stored.size)

    return routes


def _reports(intake: Intake) -> APIRouter:
    routes = _router(PLATFORM, "reports", 401, 403, 404, 422, 503)
    taking: dict[str, Any] = {
        "status_code": 202,
        "openapi_extra": body_of(ReportRequest),
        "response_model_exclude_unset": True,
        "responses": {
            200: {"model": schemas.Submission, "description": "The key was used for it before"},
            **problems(409, 413),
        },
    }
    changing: dict[str, Any] = {
        "response_model_exclude_unset": True,
        "responses": problems(409, 413),
    }

    async def take(
        request: Request, response: Response, platform_id: int, key: str, scope: str
    ) -> schemas.Submission:
        content = await intake.read(request, platform_id, scope)

        def store() -> tuple[schemas.Submission, bool]:
            report, dry_run = _parsed(ReportRequest, content), scope == "quotes"
            submission_id, is_new = intake.submissions.take(
                platform_id, key, report, dry_run=dry_run
            )
            intake.wake()
            return intake.answer(platform_id, submission_id), is_new

        submission, is_new = await run_in_threadpool(store)
        if not is_new:
            response.status_code = 200
        return submission

    async def change(
        request: Request, platform_id: int, submission_id: str, act: Callable[[bytes], None]
    ) -> schemas.Submission:
        content = await intake.read(request, platform_id, "reports:write")

        def store() -> schemas.Submission:
            act(content)
            intake.wake()
            return intake.answer(platform_id, submission_id)

        return await run_in_threadpool(store)

    @routes.post("/reports", **taking)
    async def submit(
        platform_id: PlatformId, request: Request, response: Response, key: Key
    ) -> schemas.Submission:
        """Report usage of one model in one period; once for each idempotency key."""
        return await take(request, response, platform_id, key, "reports:write")

    @routes.post("/quotes", **taking)
    async def quote(
        platform_id: PlatformId, request: Request, response: Response, key: Key
    ) -> schemas.Submission:
        """What a report would come to: the same, but nothing is ever submitted."""
        return await take(request, response, platform_id, key, "quotes")

    @routes.get("/reports")
    def list_reports(
        platform_id: PlatformId,
        request: Request,
        cursor: Annotated[str, Query(max_length=32)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> schemas.SubmissionPage:
        """Reports, the newest first."""
        intake.callers.of_platform(request, platform_id, "reports:read")
        with intake.database.work() as session:
            rows = intake.submissions.page(session, platform_id, cursor, limit + 1)
        items = tuple(submission_line(submission) for submission in rows[:limit])
        more = items[-1].id if len(rows) > limit else None
        return schemas.SubmissionPage(items=items, next=more)

    @routes.get("/reports/{submission_id}", response_model_exclude_unset=True)
    def report_status(
        platform_id: PlatformId, submission_id: SubmissionId, request: Request
    ) -> schemas.Submission:
        """How far a report has come."""
        intake.callers.of_platform(request, platform_id, "reports:read", "quotes")
        return intake.answer(platform_id, submission_id)

    @routes.get("/reports/{submission_id}/rows")
    def report_rows(
        platform_id: PlatformId,
        submission_id: SubmissionId,
        request: Request,
        part: Annotated[int, Query(ge=1)] = 1,
    ) -> schemas.PricedRows:
        """The rows of one part, with what each will be credited."""
        intake.callers.of_platform(request, platform_id, "reports:read")
        with intake.database.work() as session:
            return priced_rows(intake.submissions.part(session, platform_id, submission_id, part))

    @routes.post(
        "/reports/{submission_id}/signatures", openapi_extra=body_of(SignaturesRequest), **changing
    )
    async def sign_report(
        platform_id: PlatformId, submission_id: SubmissionId, request: Request
    ) -> schemas.Submission:
        """The reporter's signatures of the headers: from here on it goes to the chain."""

        def sign(content: bytes) -> None:
            signatures = _parsed(SignaturesRequest, content)
            intake.submissions.sign(platform_id, submission_id, signatures)

        return await change(request, platform_id, submission_id, sign)

    @routes.post("/reports/{submission_id}/withdrawal", **changing)
    async def withdraw_report(
        platform_id: PlatformId, submission_id: SubmissionId, request: Request
    ) -> schemas.Submission:
        """Take back a report that was not signed."""

        def withdraw(_: bytes) -> None:
            intake.submissions.withdraw(platform_id, submission_id)

        return await change(request, platform_id, submission_id, withdraw)

    return routes


def _keys(intake: Intake) -> APIRouter:
    routes = _router(PLATFORM + "/keys", "keys", 401, 403, 422, 503)

    @routes.post("", status_code=201, openapi_extra=body_of(KeyRequest), responses=problems(413))
    async def create_key(
        platform_id: PlatformId, request: Request, response: Response
    ) -> schemas.NewKey:
        """Make an API key; its text is shown this once."""
        caller = await run_in_threadpool(intake.callers.admin, request, platform_id)
        body = _parsed(KeyRequest, await read_body(request, caller))
        key, text = new_key(platform_id, body.label, body.scopes)
        with intake.database.work() as session:
            session.add(key)
        response.headers["cache-control"] = "no-store"
        return schemas.NewKey(id=key.id, key=text, label=body.label, scopes=body.scopes)

    @routes.get("")
    def list_keys(platform_id: PlatformId, request: Request) -> schemas.KnownKeys:
        """The API keys, without their secrets."""
        intake.callers.admin(request, platform_id)
        keys = select(ApiKey).where(ApiKey.platform_id == platform_id).order_by(ApiKey.created_at)
        with intake.database.work() as session:
            return schemas.KnownKeys(items=tuple(map(known_key, session.scalars(keys))))

    @routes.delete("/{key_id}", status_code=204, responses=problems(404))
    def revoke_key(platform_id: PlatformId, key_id: str, request: Request) -> None:
        """Revoke an API key."""
        intake.callers.admin(request, platform_id)
        with intake.database.work() as session:
            key = session.get(ApiKey, key_id)
            if key is None or key.platform_id != platform_id:
                raise Problem(404, "Not found", f"Platform {platform_id} has no key {key_id}.")
            key.revoked_at = key.revoked_at or int(time.time())

    return routes


def _payouts(intake: Intake) -> APIRouter:
    routes = _router("/v1/payouts", "payouts", 401, 403, 422)

    def own(request: Request, account: str) -> Caller:
        """The account itself, by its signature of the request. Raises Problem 401 or 403."""
        caller, payee = intake.callers.signer(request), checked_address(account)
        if caller.account != payee:
            raise Problem(403, "Not your account", f"Sign the request with {payee} itself.")
        return caller

    @routes.put("/{account}", openapi_extra=body_of(PayoutRequest), responses=problems(413))
    async def ask_for_payouts(account: str, request: Request) -> schemas.PayoutAnswer:
        """A payee asks to be paid without claiming, whenever it has earned at least `minimum`."""
        caller = own(request, account)
        body = _parsed(PayoutRequest, await read_body(request, caller))
        payout = Payout(account=caller.account, minimum=body.minimum, created_at=int(time.time()))
        with intake.database.work() as session:
            session.merge(payout)
        return schemas.PayoutAnswer(account=payout.account, minimum=payout.minimum)

    @routes.delete("/{account}", status_code=204)
    def stop_payouts(account: str, request: Request) -> None:
        """The payee claims for itself again."""
        payee = own(request, account).account
        with intake.database.work() as session:
            payout = session.get(Payout, payee)
            if payout is not None:
                session.delete(payout)

    return routes


def _parsed(model: type[Body], content: bytes) -> Body:
    """A JSON body. Raises RequestValidationError naming the first fields that are wrong."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in errors]
        ) from None
