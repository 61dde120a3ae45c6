"""Finds the caller of a request from its headers, and refuses cookies that another site's page sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from starlette.requests import Request

from backend.auth.api_keys import KEYS, caller_of_key
from backend.auth.sign_in import TOKEN_PREFIX, token_digest
from backend.db.service_db import Session
from backend.http.callers import COOKIE, SAFE_METHODS, Caller, origin_of
from backend.services import Services
from obbligato.server.http import Problem

MOST_CHARACTERS: Final = 200
"""Of a token: ours have fewer than a hundred."""


def caller_of(request: Request, services: Services) -> Caller | None:
    """The caller of a request; None for an anonymous one.

    A bad `Authorization` is refused (Problem 401); a cookie that has expired is nobody's, so that pages go on
    to show what is public. A cookie counts only for what our own pages send (Problem 403 otherwise).
    """
    header = request.headers.get("authorization")
    caller: Caller | None
    if header is not None:
        caller = _bearer(services, header)
    else:
        token = request.cookies.get(COOKIE)
        caller = _session(services, token) if token else None
        if caller is not None and request.method not in SAFE_METHODS:
            check_origin(request, services)
    if caller is not None:
        request.state.caller = caller  # the rate limits learn from it whose token it was
    return caller


def check_origin(request: Request, services: Services) -> None:
    """Make sure that a page of ours, or of an allowed site, sent the request. Raises Problem 403."""
    settings = services.settings
    ours = {origin_of(settings.public_url), *settings.origins}
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site") == "same-origin":
            return
        raise _foreign("no Origin: send the token as Authorization: Bearer instead of the cookie")
    if origin not in ours:
        raise _foreign(f"the page that sent it is of {origin[:200]}")


def _bearer(services: Services, header: str) -> Caller:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    caller = None
    if scheme.lower() == "bearer" and len(token) <= MOST_CHARACTERS:
        if token.startswith(TOKEN_PREFIX):
            caller = _session(services, token)
        elif token.startswith(f"{KEYS.prefix}_"):
            caller = caller_of_key(services, token)
    if caller is None:
        raise Problem(
            401,
            "Not known here",
            "Authorization: this token or key is unknown, has expired or was revoked; "
            "sign in again, or make a new key.",
            field="Authorization",
        )
    return caller


def _session(services: Services, token: str) -> Caller | None:
    if len(token) > MOST_CHARACTERS:
        return None
    with services.service_db.reading() as session:
        row = session.scalar(
            select(Session).where(
                Session.token_digest == token_digest(token), Session.expires_at > services.now()
            )
        )
    return None if row is None else Caller(account=row.account, kind="session", id=row.id)


def _foreign(why: str) -> Problem:
    return Problem(
        403, "From another site", f"Origin: a cookie is not enough: {why}.", field="Origin"
    )
