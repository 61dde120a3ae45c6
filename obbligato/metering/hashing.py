"""HMAC-SHA256 (RFC 2104) in SQL: two plain hashes with the padded key before the text."""

from __future__ import annotations

from typing import Final, Literal

from obbligato.documents.canonical import sha256
from obbligato.documents.events import MIN_SALT_BYTES
from obbligato.errors import InputError

_BLOCK_BYTES: Final = 64


def salted_hash_sql(domain: Literal["event", "output"], column: str) -> str:
    """SQL: the 32 bytes that `documents.events.salted_hash` gives, null for null.

    The statement needs the parameters of `salt_parameters`: the salt itself is in no text that an
    error could show.
    """
    inner = f"unhex(sha256($inner::BLOB || encode('{domain}:' || {column})))"
    return f"unhex(sha256($outer::BLOB || {inner}))"


def salt_parameters(salt: bytes) -> dict[str, bytes]:
    """The padded keys `inner` and `outer`. Raises InputError for a salt of under 16 bytes."""
    if len(salt) < MIN_SALT_BYTES:
        raise InputError(f"a salt has at least {MIN_SALT_BYTES} random bytes", field="salt")
    key = (salt if len(salt) <= _BLOCK_BYTES else sha256(salt)).ljust(_BLOCK_BYTES, b"\0")
    return {
        "inner": bytes(each ^ 0x36 for each in key),
        "outer": bytes(each ^ 0x5C for each in key),
    }
