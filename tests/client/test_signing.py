"""Signed requests: what is signed, against eth_account's own; what is refused, and in which words."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from obbligato.client.signing import (
    EMPTY_BODY_DIGEST,
    SignatureRejected,
    check_request,
    content_digest,
    read_content_digest,
    request_text,
    sign_request,
)
from obbligato.errors import InputError
from obbligato.keys import LocalSigner
from obbligato.protocol.quorum import CURVE_ORDER

KEY, OTHER_KEY = b"\x01" * 32, b"\x02" * 32
ORACLE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
BODY = b'{"hello": "world"}'
NOW = 1_769_904_000
REQUEST: dict[str, Any] = {
    "chain_id": 31337,
    "oracle": ORACLE,
    "method": "POST",
    "path": "/v1/platforms/1/reports?x=y",
}


def signed(**changes: Any) -> dict[str, str]:
    return sign_request(
        LocalSigner(KEY),
        **{
            **REQUEST,
            "body_digest": hashlib.sha256(BODY).digest(),
            "time": NOW,
            **changes,
        },
    )


def checked(headers: dict[str, str], **changes: Any) -> tuple[str, bytes]:
    return check_request(headers, **{**REQUEST, "now": NOW, **changes})


def test_what_is_signed_is_the_text_that_the_page_shows() -> None:
    text = request_text(**REQUEST, body_digest=hashlib.sha256(BODY).digest(), time=NOW)
    # The digest is the one that RFC 9530 gives for this body.
    assert text == (
        "Obbligato request\n"
        "chain: 31337\n"
        "oracle: 0x5FbDB2315678afecb367f032d93F642f64180aa3\n"
        "method: POST\n"
        "path: /v1/platforms/1/reports?x=y\n"
        "content: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\n"
        "time: 1769904000"
    )


def test_any_wallet_makes_the_same_signature() -> None:
    digest = hashlib.sha256(BODY).digest()
    text = request_text(**REQUEST, body_digest=digest, time=NOW)
    expected = Account.sign_message(encode_defunct(text=text), KEY).signature
    assert signed()["Obbligato-Signature"] == "0x" + bytes(expected).hex()


def test_a_signed_request_tells_who_signed_and_what_its_body_must_be() -> None:
    account, digest = checked(signed())
    assert account == Account.from_key(KEY).address
    assert digest == hashlib.sha256(BODY).digest()


def test_the_case_of_header_names_does_not_matter() -> None:
    assert checked({name.lower(): value for name, value in signed().items()})
    assert checked({name.upper(): value for name, value in signed().items()})


def test_an_empty_body_is_signed_too() -> None:
    headers = signed(body_digest=EMPTY_BODY_DIGEST)
    expected = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert headers["Content-Digest"] == f"sha-256=:{expected}:"
    assert checked(headers)[1] == EMPTY_BODY_DIGEST


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chain_id", 1),
        ("oracle", "0x" + "11" * 20),
        ("method", "PUT"),
        ("path", "/v1/platforms/2/reports?x=y"),
        ("path", "/v1/platforms/1/reports"),
    ],
)
def test_a_request_signed_for_somewhere_else_is_refused(name: str, value: object) -> None:
    with pytest.raises(SignatureRejected, match="did not sign this request"):
        checked(signed(**{name: value}))


def test_a_request_with_the_digest_of_another_body_is_refused() -> None:
    headers = signed()
    headers["Content-Digest"] = content_digest(hashlib.sha256(b"another").digest())
    with pytest.raises(SignatureRejected, match="did not sign this request"):
        checked(headers)


def test_a_request_in_the_name_of_another_account_is_refused() -> None:
    headers = signed()
    headers["Obbligato-Account"] = Account.from_key(OTHER_KEY).address
    with pytest.raises(SignatureRejected, match="did not sign this request"):
        checked(headers)


@pytest.mark.parametrize("late", [-300, 300])
def test_clocks_may_be_five_minutes_apart(late: int) -> None:
    assert checked(signed(), now=NOW + late)


def test_a_request_of_long_ago_is_refused() -> None:
    with pytest.raises(SignatureRejected, match="301 seconds ago, 300 are allowed: sign again"):
        checked(signed(), now=NOW + 301)


def test_a_request_of_the_future_is_refused() -> None:
    with pytest.raises(SignatureRejected, match="301 seconds from now: set the clock"):
        checked(signed(), now=NOW - 301)


def high_s(signature: str) -> str:
    """The same signature with the other root: valid mathematics, refused by the chain."""
    raw = bytes.fromhex(signature[2:])
    other = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return "0x" + (raw[:32] + other.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("0x", "a signature is 65 bytes"),
        ("0x" + "00" * 64, "a signature is 65 bytes"),
        ("0x" + "00" * 65, "out of range"),
        ("0xzz", "hexadecimal"),
        ("11" * 65, "hexadecimal"),
    ],
)
def test_what_is_no_signature_is_refused_in_words(signature: str, reason: str) -> None:
    with pytest.raises(SignatureRejected, match=reason):
        checked({**signed(), "Obbligato-Signature": signature})


def test_a_signature_with_s_in_the_upper_half_is_refused() -> None:
    headers = signed()
    headers["Obbligato-Signature"] = high_s(headers["Obbligato-Signature"])
    with pytest.raises(SignatureRejected, match="s is in the upper half"):
        checked(headers)


def test_the_zero_address_signs_nothing() -> None:
    with pytest.raises(SignatureRejected, match="zero address"):
        checked({**signed(), "Obbligato-Account": "0x" + "00" * 20})


@pytest.mark.parametrize("name", ["Obbligato-Account", "Obbligato-Time", "Content-Digest"])
def test_a_header_that_is_missing_is_named(name: str) -> None:
    headers = signed()
    del headers[name]
    with pytest.raises(SignatureRejected, match=f"not signed: {name} missing"):
        checked(headers)


def test_a_header_given_twice_is_refused() -> None:
    headers = {**signed(), "obbligato-account": Account.from_key(OTHER_KEY).address}
    with pytest.raises(SignatureRejected, match="Obbligato-Account is given twice"):
        checked(headers)


@pytest.mark.parametrize("time", ["", "-1", "+1", "1e9", "1769904000.0", "\uff11\uff17"])
def test_a_time_is_whole_seconds(time: str) -> None:
    with pytest.raises(SignatureRejected, match="Obbligato-Time: is not a number of seconds"):
        checked({**signed(), "Obbligato-Time": time})


def test_an_account_with_a_mistyped_digit_is_refused() -> None:
    address = Account.from_key(KEY).address
    headers = {**signed(), "Obbligato-Account": address[:-1] + address[-1].swapcase()}
    wrong = headers["Obbligato-Account"]
    if wrong == address:  # its last digit is no letter
        headers["Obbligato-Account"] = address.replace("E", "e", 1)
    with pytest.raises(SignatureRejected, match="EIP-55 checksum"):
        checked(headers)


@pytest.mark.parametrize("path", ["/v1\ntime: 0", "/v1/a b", "/v1/é", ""])
def test_a_path_that_could_be_read_in_two_ways_is_not_signed(path: str) -> None:
    with pytest.raises(InputError, match="no request line"):
        signed(path=path)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha-256=::",
        "sha-512=:" + base64.b64encode(bytes(64)).decode() + ":",
        "sha-256=:" + base64.b64encode(bytes(31)).decode() + ":",
        # The last letter before "=" carries two bits of nothing: one digest, one spelling.
        "sha-256=:" + base64.b64encode(bytes(32)).decode()[:-2] + "B=:",
        content_digest(bytes(32)) + ", sha-512=:AA==:",
    ],
)
def test_a_content_digest_is_one_sha_256_in_one_spelling(value: str) -> None:
    with pytest.raises(InputError, match="RFC 9530"):
        read_content_digest(value)
