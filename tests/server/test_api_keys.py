"""The text of API keys: what is stored of one, and what is read as one."""

from __future__ import annotations

import hashlib
import re

import pytest

from obbligato.server.api_keys import KeyFormat, is_secret

KEYS = KeyFormat("obb", 8)
ID = "0123456789abcdef"


def test_a_key_carries_its_id_and_a_secret_whose_digest_alone_is_stored() -> None:
    made = KEYS.new()
    match = re.fullmatch(r"obb_([0-9a-f]{16})_([A-Za-z0-9-]{43})", made.text)
    assert match is not None
    key_id, secret = match.groups()
    assert (made.id, made.digest) == (key_id, hashlib.sha256(secret.encode()).digest())
    assert KEYS.parse(made.text) == (key_id, secret)
    assert KEYS.new().text != made.text


def test_a_secret_is_known_by_its_digest() -> None:
    digest = hashlib.sha256(b"secret").digest()
    assert is_secret("secret", digest)
    assert not is_secret("Secret", digest)


def test_an_underscore_belongs_to_the_secret() -> None:
    assert KEYS.parse(f"obb_{ID}_se_cret") == (ID, "se_cret")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "obb",
        f"obb_{ID}",
        f"obb_{ID}_",
        f"obk_{ID}_secret",
        f"obb_{ID[1:]}_secret",
        f"obb_{ID[1:]}é_secret",
        f"obb_{ID[1:]}._secret",
        f" obb_{ID}_secret",
    ],
)
def test_what_is_no_key_of_this_service_is_none(text: str) -> None:
    assert KEYS.parse(text) is None
