"""The text of an API key: a prefix that names the service, the key's id, and a secret kept as its digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import NamedTuple


def secret_digest(secret: str) -> bytes:
    """What is stored of a secret, which is random and long enough that a plain sha-256 tells nothing."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(secret: str, digest: bytes) -> bool:
    """Whether this is the secret with that digest, in a time that tells nothing about either."""
    return hmac.compare_digest(digest, secret_digest(secret))


class NewKeyText(NamedTuple):
    """A key just made: its `text` is shown once, `id` and `digest` are stored."""

    id: str
    digest: bytes
    text: str


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """`<prefix>_<id>_<secret>`: an id of `id_bytes` in hexadecimal, a secret of letters, digits and -."""

    prefix: str
    id_bytes: int

    def new(self) -> NewKeyText:
        """A key that nobody has."""
        key_id = secrets.token_hex(self.id_bytes)
        secret = secrets.token_urlsafe(32).replace("_", "-")
        return NewKeyText(key_id, secret_digest(secret), f"{self.prefix}_{key_id}_{secret}")

    def parse(self, text: str) -> tuple[str, str] | None:
        """(id, secret) of the text of a key; None for what is none."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        well_formed = key_id.isascii() and key_id.isalnum() and len(key_id) == 2 * self.id_bytes
        return (key_id, secret) if prefix == self.prefix and secret and well_formed else None
