"""API keys of platforms: the admin whom the chain names creates them; only their digests are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from sqlalchemy import func, select, tuple_

from backend.db.service_db import ApiKey
from backend.http.callers import Caller
from backend.services import Services
from obbligato.errors import ContractRefused, NotFound, RefusedError
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.server.api_keys import KeyFormat, is_secret
from obbligato.server.http import Problem

Scope = Literal["consent:read", "grants:read", "webhooks:write"]
KEYS: Final = KeyFormat("obk", 16)
MOST_KEYS: Final = 50
"""Of one platform, at once."""


def admin_of(services: Services, platform_id: int) -> str:
    """The admin of a platform as the chain says right now. Raises NotFound, ChainError."""
    try:
        admin = services.chain.platform(platform_id).admin
    except ContractRefused:
        admin = ZERO_ADDRESS
    if admin == ZERO_ADDRESS:
        raise NotFound(f"there is no platform {platform_id}")
    return admin


def check_platform(services: Services, caller: Caller, platform_id: int) -> None:
    """Make sure that the caller acts for this platform, with a key of it or its admin's session.

    Raises Problem 403, NotFound, ChainError.
    """
    if caller.kind == "key":
        if caller.platform_id != platform_id:
            raise Problem(
                403,
                "Another platform's key",
                f"This key is platform {caller.platform_id}'s, not platform {platform_id}'s.",
            )
    elif admin_of(services, platform_id) != caller.account:
        raise Problem(
            403,
            "Another platform",
            f"{caller.account} is not the admin of platform {platform_id}.",
        )


def make_key(
    services: Services, caller: Caller, platform_id: int, *, label: str, scopes: Iterable[Scope]
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can read again. Raises RefusedError beyond `MOST_KEYS`."""
    new = KEYS.new()
    key = ApiKey(
        id=new.id,
        platform_id=platform_id,
        secret_digest=new.digest,
        scopes=" ".join(sorted(set(scopes))),
        label=label,
        made_by=caller.account,
        created_at=services.now(),
    )
    with services.service_db.work() as session:
        count = session.scalar(
            select(func.count())
            .select_from(ApiKey)
            .where(ApiKey.platform_id == platform_id, ApiKey.revoked_at.is_(None))
        )
        if (count or 0) >= MOST_KEYS:
            raise RefusedError(f"a platform has at most {MOST_KEYS} keys: revoke one first")
        session.add(key)
    return key, new.text


def list_keys(
    services: Services, platform_id: int, *, limit: int, after: tuple[int, str] | None
) -> Sequence[ApiKey]:
    """Up to `limit + 1` keys of a platform, the newest first, after (created_at, id)."""
    query = select(ApiKey).where(ApiKey.platform_id == platform_id)
    if after is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.id) < after)
    with services.service_db.reading() as session:
        return session.scalars(
            query.order_by(ApiKey.created_at.desc(), ApiKey.id.desc()).limit(limit + 1)
        ).all()


def revoke_key(services: Services, platform_id: int, key_id: str) -> None:
    """Revoke a key: it is refused from now on. Raises NotFound."""
    with services.service_db.work() as session:
        key = session.get(ApiKey, key_id)
        if key is None or key.platform_id != platform_id:
            raise NotFound(f"platform {platform_id} has no key {key_id}")
        if key.revoked_at is None:
            key.revoked_at = services.now()


def caller_of_key(services: Services, text: str) -> Caller | None:
    """The caller with this key; None for a key that is unknown or revoked."""
    parsed = KEYS.parse(text)
    if parsed is None:
        return None
    key_id, secret = parsed
    with services.service_db.reading() as session:
        key = session.get(ApiKey, key_id)
    if key is None or not is_secret(secret, key.secret_digest) or key.revoked_at is not None:
        return None
    return Caller(
        account=key.made_by,
        kind="key",
        id=key.id,
        platform_id=key.platform_id,
        scopes=frozenset(key.scopes.split()),
    )
