"""API keys of platforms, for their admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.api.answers import Account, AnswerModel, Page, Seconds, problems
from backend.api.context import AccountDep, ServicesDep
from backend.api.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.records import ApiKey
from backend.sessions.keys import Scope, check_platform, list_keys, make_key, revoke_key

router = APIRouter(prefix="/v1/platforms/{platform_id}/keys", tags=["sessions"])

PlatformId = Annotated[int, Path(ge=1, le=2**32 - 1)]
KeyId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return text


class KeyGiven(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"label": "training jobs", "scopes": ["consent:read"]}]},
    )

    label: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""
    scopes: list[Scope] = Field(min_length=1, max_length=10)


class KeyShown(AnswerModel):
    """A key without its secret."""

    id: str = Field(examples=["0f8e4c0c1b6d4f2fa6d25b1f3a7c9e10"])
    platform_id: int = Field(examples=[1])
    label: str = Field(examples=["training jobs"])
    scopes: list[Scope]
    made_by: Account
    created_at: Seconds
    revoked_at: Seconds | None = None


class KeyMade(KeyShown):
    """A new key. `key` is shown this once; send it as `Authorization: Bearer …`."""

    key: str = Field(examples=["obk_0f8e4c0c1b6d4f2fa6d25b1f3a7c9e10_9tY…"])


@router.post(
    "",
    operation_id="create_api_key",
    status_code=201,
    response_model=KeyMade,
    responses=problems(401, 403, 404, 422),
)
def create_key(
    platform_id: PlatformId,
    given: KeyGiven,
    caller: AccountDep,
    services: ServicesDep,
    response: Response,
) -> KeyMade:
    """Make a key of a platform.

    Only the platform's admin may, as the chain says right now.
    """
    check_platform(services, caller, platform_id)
    key, text = make_key(services, caller, platform_id, label=given.label, scopes=given.scopes)
    response.headers["cache-control"] = "no-store"
    return KeyMade(key=text, **_shown(key).model_dump())


@router.get(
    "",
    operation_id="list_api_keys",
    response_model=Page[KeyShown],
    responses=problems(401, 403, 404, 422),
)
def keys(
    platform_id: PlatformId,
    caller: AccountDep,
    services: ServicesDep,
    response: Response,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[KeyShown]:
    """List the keys of a platform, the newest first, revoked ones included. Secrets are not kept."""
    check_platform(services, caller, platform_id)
    after = decode_cursor(cursor, int, str) if cursor else None
    response.headers["cache-control"] = "no-store"
    rows = list_keys(services, platform_id, limit=limit, after=after)
    return page(rows, limit, lambda key: (key.created_at, key.id), _shown)


@router.delete(
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


def _shown(key: ApiKey) -> KeyShown:
    return KeyShown.model_validate(
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
