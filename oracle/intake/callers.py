"""Authenticates callers: a request signed by a platform's reporter or admin, or an API key with scopes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from obbligato.chain.client import Chain
from obbligato.client.signing import (
    ACCOUNT_HEADER,
    EMPTY_BODY_DIGEST,
    SignatureRejected,
    check_request,
)
from obbligato.server.api_keys import KeyFormat, is_secret
from obbligato.server.http import Problem
from oracle.db import ApiKey, OracleDatabase

KEYS: Final = KeyFormat("obb", 8)
MAX_BODY_BYTES = 32 * 2**20
"""The largest JSON body: 100 000 ready rows."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who it is. `account` for signed requests; `body_digest` is the sha-256 that was signed."""

    account: str | None
    is_admin: bool = False
    body_digest: bytes | None = None


class Callers:
    """Checks who calls, for one platform and one scope."""

    def __init__(
        self, chain: Chain, database: OracleDatabase, clock: Callable[[], float] = time.time
    ):
        self._chain = chain
        self._database = database
        self._clock = clock

    def of_platform(self, request: Request, platform_id: int, *scopes: str) -> Caller:
        """The caller, if it may do this for this platform: an API key with any of these scopes.

        Raises Problem 401 or 403.
        """
        bearer = request.headers.get("authorization")
        if bearer is not None:
            return self._by_key(bearer, platform_id, scopes)
        caller = self.signer(request)
        admin = self._chain.platform(platform_id).admin
        if caller.account == admin:
            return Caller(caller.account, is_admin=True, body_digest=caller.body_digest)
        known = self._chain.call("RoyaltyVault", "isReporter", platform_id, caller.account)
        if not known:
            raise Problem(
                403,
                "Not your platform",
                f"{caller.account} is neither the admin nor a reporter of platform {platform_id}.",
            )
        return caller

    def admin(self, request: Request, platform_id: int) -> Caller:
        """The admin of the platform, by signature. Raises Problem 401 or 403."""
        caller = self.of_platform(request, platform_id)
        if not caller.is_admin:
            raise Problem(
                403, "Admins only", f"Sign with the admin account of platform {platform_id}."
            )
        return caller

    def signer(self, request: Request) -> Caller:
        """Whoever signed the request. Raises Problem 401."""
        if ACCOUNT_HEADER.lower() not in request.headers:
            raise Problem(
                401, "Who are you?", "Sign the request with a reporter key, or send an API key."
            )
        raw = request.scope["raw_path"].decode()
        target = raw + (f"?{request.url.query}" if request.url.query else "")
        try:
            account, digest = check_request(
                request.headers,
                chain_id=self._chain.deployment.chain_id,
                oracle=self._chain.deployment.address("UsageOracle"),
                method=request.method,
                path=target,
                now=int(self._clock()),
            )
        except SignatureRejected as error:
            raise Problem(401, "The signature is not accepted", str(error)) from None
        return Caller(account, body_digest=digest)

    def _by_key(self, bearer: str, platform_id: int, scopes: tuple[str, ...]) -> Caller:
        scheme, _, text = bearer.partition(" ")
        key_id, secret = (scheme.lower() == "bearer" and KEYS.parse(text)) or ("", "")
        with self._database.work() as session:
            key = session.get(ApiKey, key_id)
        if key is None or not is_secret(secret, key.secret_digest):
            raise Problem(
                401, "Unknown API key", "This API key is not known: check it, or make one."
            )
        if key.revoked_at is not None:
            raise Problem(401, "Revoked API key", "This API key was revoked: make another one.")
        if key.platform_id != platform_id:
            raise Problem(
                403, "Not your platform", f"This API key is not of platform {platform_id}."
            )
        if not set(scopes) & set(key.scopes.split()):
            needed = " or ".join(scopes) or "the admin's signature"
            raise Problem(403, "Not in this key's scope", f"This needs {needed}.")
        return Caller(None)


def new_key(platform_id: int, label: str, scopes: tuple[str, ...]) -> tuple[ApiKey, str]:
    """A new API key and its text, which is shown once and not stored."""
    made = KEYS.new()
    key = ApiKey(
        id=made.id,
        platform_id=platform_id,
        secret_digest=made.digest,
        scopes=" ".join(scopes),
        label=label,
    )
    return key, made.text


async def read_body(request: Request, caller: Caller) -> bytes:
    """The body of a small request, compared with what was signed. Raises Problem 401 or 413."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Problem(
                413, "Too large", f"At most {MAX_BODY_BYTES} bytes: upload files instead."
            )
    check_digest(caller, hashlib.sha256(body).digest())
    return bytes(body)


def check_digest(caller: Caller, digest: bytes) -> None:
    """Whether the body is the one that was signed. Raises Problem 401."""
    expected = caller.body_digest
    if caller.account is not None and (expected or EMPTY_BODY_DIGEST) != digest:
        raise Problem(
            401, "The signature is not accepted", "The body is not the one that was signed."
        )
