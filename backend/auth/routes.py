"""Signing in with an account (EIP-4361), and what the chain says of whoever did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.auth.api_keys import Scope, check_platform, list_keys, make_key, revoke_key
from backend.auth.authentication import check_origin
from backend.auth.deps import AccountDep
from backend.auth.roles import Roles, roles_of
from backend.auth.sign_in import (
    MOST_CHARACTERS,
    challenge,
    new_nonce,
    session_end,
    sign_in,
    sign_out,
    signature_bytes,
)
from backend.db.service_db import ApiKey
from backend.http.callers import COOKIE
from backend.http.deps import IndexDep, ServicesDep
from backend.http.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.http.schemas import Account, AnswerModel, Page, Seconds, problems

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

EXAMPLE_TEXT = (
    "obbligato.example wants you to sign in with your Ethereum account:\n"
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n\nSign in to Obbligato.\n\n"
    "URI: https://obbligato.example\nVersion: 1\nChain ID: 31337\n"
    "Nonce: 3f2c9a0e5d7b41868c1e0a4b6d9f2c75\nIssued At: 2026-11-24T00:00:00Z\n"
    "Expiration Time: 2026-11-24T00:10:00Z"
)


class SignInChallengeRequest(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"account": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}]},
    )

    account: str = Field(pattern="^0x[0-9a-fA-F]{40}$")


class SignInRequest(BaseModel):
    """The text, and its signature by `personal_sign`: a key's, or whatever a contract account takes (ERC-1271)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"message": EXAMPLE_TEXT, "signature": "0x" + "1f" * 64 + "1b"}]
        },
    )

    message: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    signature: Annotated[str, Field(pattern="^0x(?:[0-9a-fA-F]{2}){0,5000}$")]


class NonceResponse(AnswerModel):
    """A word for one sign-in."""

    nonce: str = Field(examples=["3f2c9a0e5d7b41868c1e0a4b6d9f2c75"])
    expires_at: Seconds


class SignInChallengeResponse(NonceResponse):
    """The text to sign with `personal_sign`."""

    message: str = Field(examples=[EXAMPLE_TEXT])


class SessionResponse(AnswerModel):
    """Who is signed in."""

    account: Account
    expires_at: Seconds
    roles: Roles


class NewSessionResponse(SessionResponse):
    """A new session. The token is shown once; send it as `Authorization: Bearer …`, or let the cookie do it."""

    token: str = Field(examples=["obs_K3n…"])


@router.post(
    "/challenges",
    operation_id="create_sign_in_challenge",
    status_code=201,
    response_model=SignInChallengeResponse,
    responses=problems(422),
)
def create_challenge(
    body: SignInChallengeRequest, services: ServicesDep, response: Response
) -> SignInChallengeResponse:
    """Make the text that an account signs in with.

    It is good for ten minutes and for one sign-in.
    """
    text, nonce = challenge(services, body.account)
    _never_stored(response)
    return SignInChallengeResponse(message=text, nonce=nonce.nonce, expires_at=nonce.expires_at)


@router.get(
    "/nonce",
    operation_id="create_sign_in_nonce",
    response_model=NonceResponse,
    responses=problems(),
)
def create_nonce(services: ServicesDep, response: Response) -> NonceResponse:
    """Make a nonce, for wallets that write the text themselves."""
    _never_stored(response)
    return NonceResponse.model_validate(new_nonce(services))


@router.post(
    "",
    operation_id="sign_in",
    status_code=201,
    response_model=NewSessionResponse,
    responses=problems(401, 403, 422),
)
def create_session(
    body: SignInRequest,
    request: Request,
    response: Response,
    services: ServicesDep,
    index: IndexDep,
) -> NewSessionResponse:
    """Sign in: give the signed text, get a session.

    Sets the cookie `obbligato_session` for pages; programs send the token.
    """
    if "origin" in request.headers:
        check_origin(request, services)
    created = sign_in(services, body.message, signature_bytes(body.signature))
    response.set_cookie(
        COOKIE,
        created.token,
        max_age=services.settings.session_seconds,
        secure=services.settings.public_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    _never_stored(response)
    return NewSessionResponse(
        token=created.token,
        account=created.account,
        expires_at=created.expires_at,
        roles=roles_of(index, created.account),
    )


@router.get(
    "/current",
    operation_id="get_current_session",
    response_model=SessionResponse,
    responses=problems(401, 403),
)
def current_session(
    caller: AccountDep, services: ServicesDep, index: IndexDep, response: Response
) -> SessionResponse:
    """Who is signed in, until when, and what the chain says they are."""
    _never_stored(response)
    return SessionResponse(
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


keys_router = APIRouter(prefix="/v1/platforms/{platform_id}/keys", tags=["sessions"])

PlatformId = Annotated[int, Path(ge=1, le=2**32 - 1)]
KeyId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return text


class ApiKeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"label": "training jobs", "scopes": ["consent:read"]}]},
    )

    label: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""
    scopes: list[Scope] = Field(min_length=1, max_length=10)


class ApiKeyResponse(AnswerModel):
    """A key without its secret."""

    id: str = Field(examples=["0f8e4c0c1b6d4f2fa6d25b1f3a7c9e10"])
    platform_id: int = Field(examples=[1])
    label: str = Field(examples=["training jobs"])
    scopes: list[Scope]
    made_by: Account
    created_at: Seconds
    revoked_at: Seconds | None = None


class NewApiKeyResponse(ApiKeyResponse):
    """A new key. `key` is shown this once; send it as `Authorization: Bearer …`."""

    key: str = Field(examples=["obk_0f8e4c0c1b6d4f2fa6d25b1f3a7c9e10_9tY…"])


@keys_router.post(
    "",
    operation_id="create_api_key",
    status_code=201,
    response_model=NewApiKeyResponse,
    responses=problems(401, 403, 404, 422),
)
def create_key(
    platform_id: PlatformId,
    body: ApiKeyRequest,
    caller: AccountDep,
    services: ServicesDep,
    response: Response,
) -> NewApiKeyResponse:
    """Make a key of a platform.

    Only the platform's admin may, as the chain says right now.
    """
    check_platform(services, caller, platform_id)
    key, text = make_key(services, caller, platform_id, label=body.label, scopes=body.scopes)
    response.headers["cache-control"] = "no-store"
    return NewApiKeyResponse(key=text, **_key_response(key).model_dump())


@keys_router.get(
    "",
    operation_id="list_api_keys",
    response_model=Page[ApiKeyResponse],
    responses=problems(401, 403, 404, 422),
)
def keys(
    platform_id: PlatformId,
    caller: AccountDep,
    services: ServicesDep,
    response: Response,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ApiKeyResponse]:
    """List the keys of a platform, the newest first, revoked ones included. Secrets are not kept."""
    check_platform(services, caller, platform_id)
    after = decode_cursor(cursor, int, str) if cursor else None
    response.headers["cache-control"] = "no-store"
    rows = list_keys(services, platform_id, limit=limit, after=after)
    return page(rows, limit, lambda key: (key.created_at, key.id), _key_response)


@keys_router.delete(
    "/{key_id}",
    operation_id="revoke_api_key",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
def delete_key(
    platform_id: PlatformId, key_id: KeyId, caller: AccountDep, services: ServicesDep
) -> None:
    """Revoke a key: it is refused from now on."""
    check_platform(services, caller, platform_id)
    revoke_key(services, platform_id, key_id)


def _key_response(key: ApiKey) -> ApiKeyResponse:
    return ApiKeyResponse.model_validate(
        {
            "id": key.id,
            "platform_id": key.platform_id,
            "label": key.label,
            "scopes": key.scopes.split(),
            "made_by": key.made_by,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
    )
