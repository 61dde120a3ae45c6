"""Sending one message of a webhook, signed by the Standard Webhooks scheme.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the headers webhook-id,
webhook-timestamp and webhook-signature; the signature is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final, NamedTuple

import httpx

from backend.live.addresses import resolve
from obbligato.errors import InputError

TIMEOUT_SECONDS: Final = 10.0
SECRET_BYTES: Final = 32
GONE: Final = 410


class Outcome(NamedTuple):
    """What became of an attempt: the HTTP status, if there was an answer, and what was wrong, if anything."""

    status: int | None
    reason: str | None


def new_secret() -> bytes:
    """A key for signing."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(secret: bytes) -> str:
    """As whoever receives is given it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def deliver(
    url: str, secret: bytes, message_id: str, timestamp: int, body: bytes, *, private: bool
) -> Outcome:
    """One attempt. Redirects are not followed: a webhook is where its owner said."""
    try:
        target = resolve(url, private=private)
    except InputError as error:
        return Outcome(None, error.reason)
    headers = {
        "content-type": "application/json",
        "user-agent": "obbligato-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }
    parts = httpx.URL(url)
    headers["host"] = parts.netloc.decode()
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as http:
            # To the address that was looked at; name and certificate are still the host's.
            answer = http.send(
                http.build_request(
                    "POST",
                    parts.copy_with(host=target.address),
                    headers=headers,
                    content=body,
                    extensions={"sni_hostname": target.host},
                ),
                stream=True,
            )
            answer.close()
    except httpx.HTTPError as error:
        return Outcome(None, f"{type(error).__name__}: {error}"[:300] or "no answer")
    if answer.is_success:
        return Outcome(answer.status_code, None)
    return Outcome(answer.status_code, f"answered with {answer.status_code}")
