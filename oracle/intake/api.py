"""The HTTP interface of the leader. Errors are problem documents (RFC 9457); docs/platform.md shows it in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from obbligato.errors import InputError
from obbligato.protocol.types import checked_address
from obbligato.schemas.oracle_requests import (
    KeyRequest,
    PayoutRequest,
    ReportRequest,
    SignaturesRequest,
)
from obbligato.server.http import Checks, Problem, add_blocks, add_errors, add_health
from obbligato.store import ContentStore
from oracle.db import ApiKey, OracleDatabase, Payout
from oracle.intake.callers import Caller, Callers, check_digest, new_key, read_body
from oracle.intake.responses import shown_item, shown_rows, shown_submission
from oracle.intake.submissions import Submissions
from oracle.intake.uploads import Uploads

PlatformId = Annotated[int, Path(ge=1, le=2**32 - 1)]
SubmissionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Body = TypeVar("Body", bound=BaseModel)


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
    _add_uploads(app, intake)
    _add_reports(app, intake)
    _add_keys(app, intake)
    _add_payouts(app, intake)

    @app.get("/v1/status", tags=["status"])
    def status() -> dict[str, Any]:
        """Which chain and contracts this is for, who attests, what waits, and what is wrong."""
        return intake.status()

    return app


def _add_uploads(app: FastAPI, intake: Intake) -> None:
    where = "/v1/platforms/{platform_id}/uploads/{sha256}"

    @app.head(where, tags=["uploads"], operation_id="upload_is_here")
    def known(platform_id: PlatformId, sha256: Sha256, request: Request) -> Response:
        """Whether the file is here whole."""
        intake.callers.of_platform(request, platform_id, "reports:write", "quotes")
        found = intake.uploads.known(platform_id, sha256)
        return Response(status_code=200 if found else 404)

    @app.put(where, tags=["uploads"], operation_id="upload")
    async def receive(platform_id: PlatformId, sha256: Sha256, request: Request) -> JSONResponse:
        """Upload a file of usage events (JSONL, CSV, Parquet; gzip allowed), named by its sha-256."""
        caller = await run_in_threadpool(
            intake.callers.of_platform, request, platform_id, "reports:write", "quotes"
        )
        check_digest(caller, bytes.fromhex(sha256))
        found = await run_in_threadpool(intake.uploads.known, platform_id, sha256)
        upload = found or await intake.uploads.receive(request, platform_id, sha256)
        return JSONResponse(
            {"sha256": upload.sha256, "size": upload.size}, status_code=200 if found else 201
        )


def _add_reports(app: FastAPI, intake: Intake) -> None:
    where = "/v1/platforms/{platform_id}/reports"

    def take(platform_id: int, key: str, content: bytes, *, dry_run: bool) -> JSONResponse:
        wanted = _parsed(ReportRequest, content)
        identity, is_new = intake.submissions.take(platform_id, key, wanted, dry_run=dry_run)
        intake.wake()
        return JSONResponse(shown(platform_id, identity), status_code=202 if is_new else 200)

    def shown(platform_id: int, identity: str) -> dict[str, Any]:
        with intake.database.work() as session:
            found = intake.submissions.find(session, platform_id, identity)
            return shown_submission(session, found)

    async def allowed(request: Request, platform_id: int, scope: str) -> Caller:
        return await run_in_threadpool(intake.callers.of_platform, request, platform_id, scope)

    @app.post(where, tags=["reports"], operation_id="submit")
    async def submit(platform_id: PlatformId, request: Request, key: Key) -> JSONResponse:
        """Report usage of one model in one period; once for each idempotency key."""
        caller = await allowed(request, platform_id, "reports:write")
        content = await read_body(request, caller)
        return await run_in_threadpool(take, platform_id, key, content, dry_run=False)

    @app.post("/v1/platforms/{platform_id}/quotes", tags=["reports"], operation_id="quote")
    async def quote(platform_id: PlatformId, request: Request, key: Key) -> JSONResponse:
        """What a report would come to: the same, but nothing is ever submitted."""
        caller = await allowed(request, platform_id, "quotes")
        content = await read_body(request, caller)
        return await run_in_threadpool(take, platform_id, key, content, dry_run=True)

    @app.get(where, tags=["reports"], operation_id="list_reports")
    def listed(
        platform_id: PlatformId,
        request: Request,
        cursor: Annotated[str, Query(max_length=32)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Reports, the newest first."""
        intake.callers.of_platform(request, platform_id, "reports:read")
        with intake.database.work() as session:
            found = intake.submissions.listed(session, platform_id, cursor, limit + 1)
        items = [shown_item(submission) for submission in found[:limit]]
        return {"items": items, "next": items[-1]["id"] if len(found) > limit else None}

    @app.get(where + "/{submission_id}", tags=["reports"], operation_id="report_status")
    def one(platform_id: PlatformId, submission_id: SubmissionId, request: Request) -> Any:
        """How far a report has come."""
        intake.callers.of_platform(request, platform_id, "reports:read", "quotes")
        return shown(platform_id, submission_id)

    @app.get(where + "/{submission_id}/rows", tags=["reports"], operation_id="report_rows")
    def rows(
        platform_id: PlatformId,
        submission_id: SubmissionId,
        request: Request,
        part: Annotated[int, Query(ge=1)] = 1,
    ) -> dict[str, Any]:
        """The rows of one part, with what each will be credited."""
        intake.callers.of_platform(request, platform_id, "reports:read")
        with intake.database.work() as session:
            report = intake.submissions.part(session, platform_id, submission_id, part)
            return {"rows": shown_rows(report)}

    @app.post(where + "/{submission_id}/signatures", tags=["reports"], operation_id="sign_report")
    async def sign(
        platform_id: PlatformId, submission_id: SubmissionId, request: Request
    ) -> JSONResponse:
        """The reporter's signatures of the headers: from here on it goes to the chain."""
        caller = await allowed(request, platform_id, "reports:write")
        given = _parsed(SignaturesRequest, await read_body(request, caller))
        await run_in_threadpool(intake.submissions.sign, platform_id, submission_id, given)
        intake.wake()
        return JSONResponse(await run_in_threadpool(shown, platform_id, submission_id))

    @app.post(
        where + "/{submission_id}/withdrawal", tags=["reports"], operation_id="withdraw_report"
    )
    async def withdraw(
        platform_id: PlatformId, submission_id: SubmissionId, request: Request
    ) -> JSONResponse:
        """Take back a report that was not signed."""
        caller = await allowed(request, platform_id, "reports:write")
        await read_body(request, caller)
        await run_in_threadpool(intake.submissions.withdraw, platform_id, submission_id)
        intake.wake()
        return JSONResponse(await run_in_threadpool(shown, platform_id, submission_id))


def _add_keys(app: FastAPI, intake: Intake) -> None:
    where = "/v1/platforms/{platform_id}/keys"

    @app.post(where, tags=["keys"], operation_id="create_key", status_code=201)
    async def create(platform_id: PlatformId, request: Request) -> JSONResponse:
        """Make an API key; its text is shown this once."""
        caller = await run_in_threadpool(intake.callers.admin, request, platform_id)
        wanted = _parsed(KeyRequest, await read_body(request, caller))
        made, text = new_key(platform_id, wanted.label, wanted.scopes)
        with intake.database.work() as session:
            session.add(made)
        body = {"id": made.id, "key": text, "label": wanted.label, "scopes": wanted.scopes}
        return JSONResponse(body, status_code=201, headers={"cache-control": "no-store"})

    @app.get(where, tags=["keys"], operation_id="list_keys")
    def listed(platform_id: PlatformId, request: Request) -> dict[str, Any]:
        """The API keys, without their secrets."""
        intake.callers.admin(request, platform_id)
        with intake.database.work() as session:
            found = session.scalars(
                select(ApiKey).where(ApiKey.platform_id == platform_id).order_by(ApiKey.created_at)
            ).all()
        return {
            "items": [
                {
                    "id": key.id,
                    "label": key.label,
                    "scopes": key.scopes.split(),
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                }
                for key in found
            ]
        }

    @app.delete(where + "/{key_id}", tags=["keys"], operation_id="revoke_key", status_code=204)
    def revoke(platform_id: PlatformId, key_id: str, request: Request) -> Response:
        """Revoke an API key."""
        intake.callers.admin(request, platform_id)
        with intake.database.work() as session:
            key = session.get(ApiKey, key_id)
            if key is None or key.platform_id != platform_id:
                raise Problem(404, "Not found", f"Platform {platform_id} has no key {key_id}.")
            key.revoked_at = key.revoked_at or int(time.time())
        return Response(status_code=204)


def _add_payouts(app: FastAPI, intake: Intake) -> None:
    where = "/v1/payouts/{account}"

    def own(request: Request, account: str) -> str:
        """The account, checksummed, if it signed the request itself."""
        caller, named = intake.callers.signer(request), checked_address(account)
        if caller.account != named:
            raise Problem(403, "Not your account", f"Sign the request with {named} itself.")
        return named

    @app.put(where, tags=["payouts"], operation_id="ask_for_payouts")
    async def ask(account: str, request: Request) -> dict[str, str]:
        """A payee asks to be paid without claiming, whenever it has earned at least `minimum`."""
        account = own(request, account)
        caller = intake.callers.signer(request)
        wanted = _parsed(PayoutRequest, await read_body(request, caller))
        with intake.database.work() as session:
            session.merge(
                Payout(account=account, minimum=wanted.minimum, created_at=int(time.time()))
            )
        return {"account": account, "minimum": str(wanted.minimum)}

    @app.delete(where, tags=["payouts"], operation_id="stop_payouts", status_code=204)
    def stop(account: str, request: Request) -> Response:
        """Claims are the payee's own affair again."""
        with intake.database.work() as session:
            found = session.get(Payout, own(request, account))
            if found is not None:
                session.delete(found)
        return Response(status_code=204)


def _parsed(kind: type[Body], content: bytes) -> Body:
    """A JSON body. Raises Problem 422 naming every field that is wrong."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(str(part) for part in each["loc"]),
                "reason": each["msg"].removeprefix("Value error, "),
            }
            for each in error.errors(include_url=False, include_input=False)
        ]
        for each in errors:  # a model's own check names its field before a colon
            if not each["field"] and ": " in each["reason"]:
                each["field"], each["reason"] = each["reason"].split(": ", 1)
        detail = "; ".join(f"{each['field']}: {each['reason']}" for each in errors[:5])
        raise Problem(
            422, "The input is wrong", detail, field=errors[0]["field"], errors=errors[:100]
        ) from None
    except InputError as error:
        raise Problem(422, "The input is wrong", str(error), field=error.field) from None
