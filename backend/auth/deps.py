"""The caller as a dependency of routes: anybody, somebody who signed in, or a key with a scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from backend.auth.authentication import caller_of
from backend.http.callers import Caller
from backend.http.deps import ServicesDep
from obbligato.server.http import Problem


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
