"""What handlers are given: the services, a moment of the index, the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from backend.api.caching import AnswerCache
from backend.reading.tip import Tip
from backend.services import Services
from backend.sessions.callers import Caller
from backend.sessions.checking import caller_of
from obbligato.service.http import Problem


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _index(services: ServicesDep) -> AsyncIterator[Session]:
    """A session that reads from its first question on; that is asked in the handler's thread."""
    with services.index.reading() as session:
        yield session


IndexDep = Annotated[Session, Depends(_index)]


async def _tip(request: Request) -> Tip:
    """Where the index was a moment ago: what the session sees is that, or newer."""
    cache: AnswerCache = request.app.state.cache
    return await cache.tip()


TipDep = Annotated[Tip, Depends(_tip)]


def _caller(request: Request, services: ServicesDep) -> Caller | None:
    """Raises Problem 401 for a session or key that is not good, 403 for a cookie sent by another site."""
    return caller_of(request, services)


CallerDep = Annotated[Caller | None, Depends(_caller)]


def _signed_in(caller: CallerDep) -> Caller:
    if caller is None:
        raise Problem(401, "Who are you?", "Sign in, or send an API key.")
    return caller


SignedInDep = Annotated[Caller, Depends(_signed_in)]


def _with_account(caller: SignedInDep) -> Caller:
    if caller.kind != "session":
        raise Problem(403, "Not with a key", "An API key cannot do this: sign in with the account.")
    return caller


AccountDep = Annotated[Caller, Depends(_with_account)]
"""Somebody who signed in with an account; keys are refused."""


def scoped(*scopes: str) -> Callable[[Caller], Caller]:
    """A dependency: somebody who signed in, or a key with one of these scopes."""

    def check(caller: SignedInDep) -> Caller:
        if not caller.has(*scopes):
            raise Problem(
                403, "Not in this key's scope", f"This needs the scope {' or '.join(scopes)}."
            )
        return caller

    return check
