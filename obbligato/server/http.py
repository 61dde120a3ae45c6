"""What the HTTP interfaces share: problem documents (RFC 9457), health, metrics, blocks, descriptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from obbligato.errors import (
    ChainError,
    DigestMismatch,
    InputError,
    NotFound,
    ObbligatoError,
    RefusedError,
)
from obbligato.schemas.problems import ProblemDocument
from obbligato.server.processes import exposition
from obbligato.store import ContentStore, StoreError

PROBLEM: Final = "application/problem+json"
RAW_BLOCK: Final = "application/vnd.ipld.raw"
_log = structlog.get_logger(__name__)

Checks = Mapping[str, Callable[[], str | None]]
"""By name, what is wrong right now; None where nothing is."""


class Problem(ObbligatoError):  # noqa: N818 -- is one
    """An error with its HTTP status; `more` are further members of the problem document."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.more = more


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """A problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    seconds = more.get("retry_after_seconds")
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse(body, status_code=status, headers=headers, media_type=PROBLEM)


_STATUS: Final[tuple[tuple[type[ObbligatoError], int, str], ...]] = (
    (InputError, 422, "The input is wrong"),
    (RefusedError, 422, "Refused"),
    (NotFound, 404, "Not found"),
    (DigestMismatch, 502, "Stored bytes are not what they should be"),
    (StoreError, 503, "The store cannot be asked"),
    (ChainError, 503, "The chain cannot be asked"),
)


def add_errors(app: FastAPI, *, not_found: int = 404) -> None:
    """Every error as a problem document. `not_found` is the status of what this service lacks."""

    @app.exception_handler(Problem)
    def on_problem(_: Request, error: Problem) -> JSONResponse:
        return problem(error.status, error.title, error.detail, **error.more)

    @app.exception_handler(ObbligatoError)
    def on_error(_: Request, error: ObbligatoError) -> JSONResponse:
        for kind, status, title in _STATUS:
            if isinstance(error, kind):
                named = {"field": error.field} if isinstance(error, InputError) else {}
                chosen = not_found if kind is NotFound else status
                return problem(chosen, title, str(error), **named)
        _log.error("unexpected", error=str(error))
        return problem(500, "Something went wrong here", str(error))

    @app.exception_handler(RequestValidationError)
    def on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_invalid(each) for each in error.errors()]
        detail = "; ".join(f"{each['field']}: {each['reason']}" for each in errors[:5])
        return problem(422, "The input is wrong", detail, field=errors[0]["field"], errors=errors)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400 and "parsing the body" in str(error.detail):  # FastAPI's own
            words = "is not the JSON that this route takes: check its syntax and its encoding"
            return problem(422, "The input is wrong", f"body: {words}", field="body")
        response = problem(error.status_code, str(error.detail), str(error.detail))
        response.headers.update(error.headers or {})
        methods_of = getattr(request.app.state, "methods_of", None)
        if error.status_code == 405 and methods_of is not None:
            response.headers["Allow"] = ", ".join(methods_of(request.url.path))
        return response

    @app.exception_handler(Exception)
    def on_crash(_: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected", exc_info=error)
        return problem(500, "Something went wrong here", "Try again; the operator's log has more.")


def _invalid(error: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with which field. A model of ours within another names its own field by an InputError."""
    path = [str(part) for part in error["loc"][1:]]
    reason = error["msg"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        path += [cause.field] if cause.field else []
        reason = cause.reason
    return {"field": ".".join(path), "reason": reason}


def add_health(app: FastAPI, checks: Checks) -> None:
    """`/livez`, `/readyz` with every check by name, and `/metrics`."""

    @app.get("/livez", tags=["health"])
    def livez() -> dict[str, str]:
        """Whether the process runs."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz() -> JSONResponse:
        """Whether it can do its work; 503 with the reasons where it cannot."""
        results = {name: check() for name, check in checks.items()}
        wrong = {name: reason for name, reason in results.items() if reason}
        body = {"status": "ready" if not wrong else "not ready", "checks": results}
        return JSONResponse(body, status_code=503 if wrong else 200)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)


def add_blocks(app: FastAPI, store: ContentStore) -> None:
    """`/ipfs/{cid}`: this store's blocks, raw, as a trustless gateway serves them."""

    @app.get(
        "/ipfs/{cid}",
        tags=["blocks"],
        operation_id="get_block",
        response_class=Response,
        responses={
            200: {"content": {RAW_BLOCK: {"schema": {"type": "string", "format": "binary"}}}},
            **problems(404, 422, 502, 503),
        },
    )
    def block(cid: str) -> Response:
        """The raw bytes of a block; they hash to its CID."""
        headers = {
            "cache-control": "public, max-age=29030400, immutable",
            "etag": f'"{cid}.raw"',
            "x-content-type-options": "nosniff",
        }
        return Response(store.get(cid), media_type=RAW_BLOCK, headers=headers)


def stopped_by(stop: threading.Event) -> Callable[[], str | None]:
    """A check that fails once the process was told to stop."""
    return lambda: "stopping" if stop.is_set() else None


_MEANINGS: Final = {
    400: "The request cannot be read",
    401: "Nobody who is known: sign in, sign the request, or send an API key",
    403: "This is somebody else's",
    404: "There is none",
    409: "It is not as it was: read it again",
    413: "Too large",
    415: "Another kind of content",
    422: "Something in the request is wrong: `field` names it",
    429: "Too many requests: see Retry-After",
    502: "Stored bytes are not what they should be",
    503: "The chain, the store or the index cannot be asked right now",
    507: "No room: try again later",
}
_REFERENCE: Final = "#/components/schemas/{model}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: the problems that it may answer with."""
    schema = {"$ref": _REFERENCE.format(model=ProblemDocument.__name__)}
    return {
        status: {"description": _MEANINGS[status], "content": {PROBLEM: {"schema": schema}}}
        for status in sorted(set(statuses))
    }


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its JSON body itself, for the digest that was signed."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def add_description(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Complete the application's OpenAPI by the problem document and the models that `body_of` names."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = describe()
            models: tuple[type[BaseModel], ...] = (ProblemDocument, *bodies)
            _, more = models_json_schema(
                [(model, "validation") for model in models], ref_template=_REFERENCE
            )
            described.setdefault("components", {}).setdefault("schemas", {}).update(more["$defs"])
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it
