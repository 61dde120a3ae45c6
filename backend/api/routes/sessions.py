"""Signing in with an account (EIP-4361), and what the chain says of whoever did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from backend.api.answers import Account, AnswerModel, Seconds, problems
from backend.api.context import AccountDep, IndexDep, ServicesDep
from backend.sessions.checking import COOKIE, check_origin
from backend.sessions.messages import MOST_CHARACTERS
from backend.sessions.roles import Roles, roles_of
from backend.sessions.signing_in import (
    challenge,
    new_nonce,
    session_end,
    sign_in,
    sign_out,
    signature_bytes,
)

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

EXAMPLE_TEXT = (
    "obbligato.example wants you to sign in with your Ethereum account:\n"
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n\nSign in to Obbligato.\n\n"
    "URI: https://obbligato.example\nVersion: 1\nChain ID: 31337\n"
    "Nonce: 3f2c9a0e5d7b41868c1e0a4b6d9f2c75\nIssued At: 2026-11-24T00:00:00Z\n"
    "Expiration Time: 2026-11-24T00:10:00Z"
)


class AccountGiven(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"account": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}]},
    )

    account: str = Field(pattern="^0x[0-9a-fA-F]{40}$")


class SignedGiven(BaseModel):
    """The text, and its signature by `personal_sign`: a key's, or whatever a contract account takes (ERC-1271)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"message": EXAMPLE_TEXT, "signature": "0x" + "1f" * 64 + "1b"}]
        },
    )

    message: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    signature: Annotated[str, Field(pattern="^0x(?:[0-9a-fA-F]{2}){0,5000}$")]


class NonceMade(AnswerModel):
    """A word for one sign-in."""

    nonce: str = Field(examples=["3f2c9a0e5d7b41868c1e0a4b6d9f2c75"])
    expires_at: Seconds


class ChallengeMade(NonceMade):
    """The text to sign with `personal_sign`."""

    message: str = Field(examples=[EXAMPLE_TEXT])


class SessionShown(AnswerModel):
    """Who is signed in."""

    account: Account
    expires_at: Seconds
    roles: Roles


class SessionMade(SessionShown):
    """A new session. The token is shown once; send it as `Authorization: Bearer …`, or let the cookie do it."""

    token: str = Field(examples=["obs_K3n…"])


@router.post(
    "/challenges",
    operation_id="create_sign_in_challenge",
    status_code=201,
    response_model=ChallengeMade,
    responses=problems(422),
)
def create_challenge(
    given: AccountGiven, services: ServicesDep, response: Response
) -> ChallengeMade:
    """Make the text that an account signs in with.

    It is good for ten minutes and for one sign-in.
    """
    text, nonce = challenge(services, given.account)
    _never_stored(response)
    return ChallengeMade(message=text, nonce=nonce.nonce, expires_at=nonce.expires_at)


@router.get(
    "/nonce",
    operation_id="create_sign_in_nonce",
    response_model=NonceMade,
    responses=problems(),
)
def create_nonce(services: ServicesDep, response: Response) -> NonceMade:
    """Make a nonce, for wallets that write the text themselves."""
    _never_stored(response)
    return NonceMade.model_validate(new_nonce(services))


@router.post(
    "",
    operation_id="sign_in",
    status_code=201,
    response_model=SessionMade,
    responses=problems(401, 403, 422),
)
def create_session(
    given: SignedGiven,
    request: Request,
    response: Response,
    services: ServicesDep,
    index: IndexDep,
) -> SessionMade:
    """Sign in: give the signed text, get a session.

    Sets the cookie `obbligato_session` for pages; programs send the token.
    """
    if "origin" in request.headers:
        check_origin(request, services)
    made = sign_in(services, given.message, signature_bytes(given.signature))
    response.set_cookie(
        COOKIE,
        made.token,
        max_age=services.settings.session_seconds,
        secure=services.settings.public_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    _never_stored(response)
    return SessionMade(
        token=made.token,
        account=made.account,
        expires_at=made.expires_at,
        roles=roles_of(index, made.account),
    )


@router.get(
    "/current",
    operation_id="get_current_session",
    response_model=SessionShown,
    responses=problems(401, 403),
)
def current_session(
    caller: AccountDep, services: ServicesDep, index: IndexDep, response: Response
) -> SessionShown:
    """Who is signed in, until when, and what the chain says they are."""
    _never_stored(response)
    return SessionShown(
        account=caller.account,
        expires_at=session_end(services, caller.id),
        roles=roles_of(index, caller.account),
    )


@router.delete("/current", operation_id="sign_out", status_code=204, responses=problems(401, 403))
def delete_session(caller: AccountDep, services: ServicesDep, response: Response) -> None:
    """Sign out: the token is good for nothing from now on."""
    sign_out(services, caller.id)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


def _never_stored(response: Response) -> None:
    response.headers["cache-control"] = "no-store"
