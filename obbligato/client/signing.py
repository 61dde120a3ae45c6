"""Requests signed by an account: the headers a platform sends, and what the oracle checks of them.

The account signs (EIP-191, `personal_sign`) a text that names the chain, the oracle's contract, the
method, the path with its query, the digest of the body (RFC 9530) and the time. A request that is
sent again by whoever saw it is harmless: uploads are addressed by their content, reports by an
idempotency key, and the other acts end in the same state when they are done twice.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from eth_hash.auto import keccak

from obbligato.client.errors import ActRefused
from obbligato.documents.canonical import sha256
from obbligato.errors import InputError, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.quorum import recover_signer
from obbligato.protocol.types import ZERO_ADDRESS, checked_address

ACCOUNT_HEADER: Final = "Obbligato-Account"
TIME_HEADER: Final = "Obbligato-Time"
DIGEST_HEADER: Final = "Content-Digest"
SIGNATURE_HEADER: Final = "Obbligato-Signature"
HEADERS: Final = (ACCOUNT_HEADER, TIME_HEADER, DIGEST_HEADER, SIGNATURE_HEADER)

TOLERANCE_SECONDS: Final = 300
"""How far the clocks of the two sides may be apart, travel included."""

EMPTY_BODY_DIGEST: Final = sha256(b"")

_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_TIME = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class SignatureRejected(RefusedError):  # noqa: N818 -- says what happened
    """A request is not signed, or not by the account it names for this request here and now."""


def content_digest(body_digest: bytes) -> str:
    """The value of `Content-Digest` for the sha-256 of a body."""
    return f"sha-256=:{base64.b64encode(body_digest).decode()}:"


def read_content_digest(value: str) -> bytes:
    """The sha-256 in a `Content-Digest` of exactly that algorithm. Raises InputError."""
    matched = _DIGEST.fullmatch(value)
    try:
        digest = base64.b64decode(matched[1], validate=True) if matched else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32 or content_digest(digest) != value:
        raise InputError(
            "is not sha-256=:…: with 32 bytes in base64 (RFC 9530)", field=DIGEST_HEADER
        )
    return digest


def request_text(
    *, chain_id: int, oracle: str, method: str, path: str, body_digest: bytes, time: int
) -> str:
    """The text that is signed. `path` is the target as it is sent: escaped, with its query.

    Raises InputError where the method or the path holds a space, a control or a letter beyond ASCII,
    with which one request could be signed in the words of another.
    """
    if not _VISIBLE.fullmatch(method) or not _VISIBLE.fullmatch(path):
        raise InputError("holds what no request line may: escape it", field="path")
    return "\n".join(
        (
            "Obbligato request",
            f"chain: {chain_id}",
            f"oracle: {checked_address(oracle)}",
            f"method: {method.upper()}",
            f"path: {path}",
            f"content: {content_digest(body_digest)}",
            f"time: {time}",
        )
    )


def personal_digest(text: str) -> bytes:
    """The 32 bytes that `personal_sign` signs for a text (EIP-191, version 0x45)."""
    data = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def sign_request(
    signer: Signer,
    *,
    chain_id: int,
    oracle: str,
    method: str,
    path: str,
    body_digest: bytes,
    time: int,
) -> dict[str, str]:
    """The headers of one request. `oracle` is the UsageOracle's address, `time` in seconds since 1970."""
    text = request_text(
        chain_id=chain_id,
        oracle=oracle,
        method=method,
        path=path,
        body_digest=body_digest,
        time=time,
    )
    return {
        ACCOUNT_HEADER: signer.address,
        TIME_HEADER: str(time),
        DIGEST_HEADER: content_digest(body_digest),
        SIGNATURE_HEADER: "0x" + signer.sign_digest(personal_digest(text)).hex(),
    }


def check_request(
    headers: Mapping[str, str],
    *,
    chain_id: int,
    oracle: str,
    method: str,
    path: str,
    now: int,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> tuple[str, bytes]:
    """Who signed the request, checksummed, and the sha-256 that its body must have.

    The caller compares the body with it once it has read it. Raises SignatureRejected for a request
    that is not signed, was signed for another chain, oracle, method or path, longer ago than
    `tolerance_seconds` or as far in the future, or with a signature the chain would not take either.
    Accounts that are contracts (ERC-1271) cannot sign requests.
    """
    values = _signature_headers(headers)
    try:
        account = checked_address(values[ACCOUNT_HEADER])
        if account == ZERO_ADDRESS:
            raise InputError("is the zero address, which has no key", field=ACCOUNT_HEADER)
        time = _checked_time(values[TIME_HEADER], now, tolerance_seconds)
        body_digest = read_content_digest(values[DIGEST_HEADER])
        text = request_text(
            chain_id=chain_id,
            oracle=oracle,
            method=method,
            path=path,
            body_digest=body_digest,
            time=time,
        )
        signer = recover_signer(personal_digest(text), _signature_bytes(values[SIGNATURE_HEADER]))
    except InputError as error:
        raise SignatureRejected(f"the request's signature is refused: {error}") from error
    if signer != account:
        raise SignatureRejected(
            f"{account} did not sign this request: sign it for chain {chain_id}, oracle {oracle}, "
            f"{method.upper()} {path}, this body and this time"
        )
    return account, body_digest


def _signature_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The four headers, whatever the case of their names. Raises SignatureRejected."""
    names = {name.lower(): name for name in HEADERS}
    values: dict[str, str] = {}
    for key, value in headers.items():
        name = names.get(key.lower())
        if name is None:
            continue
        if name in values:
            raise SignatureRejected(f"{name} is given twice: send it once")
        values[name] = value.strip()
    missing = [name for name in HEADERS if name not in values]
    if missing:
        raise SignatureRejected(
            f"the request is not signed: {', '.join(missing)} missing; sign it, or send an API key"
        )
    return values


def _checked_time(value: str, now: int, tolerance_seconds: int) -> int:
    if not _TIME.fullmatch(value):
        raise InputError("is not a number of seconds since 1970", field=TIME_HEADER)
    time = int(value)
    if time < now - tolerance_seconds:
        raise InputError(
            f"is {now - time} seconds ago, {tolerance_seconds} are allowed: sign again",
            field=TIME_HEADER,
        )
    if time > now + tolerance_seconds:
        raise InputError(
            f"is {time - now} seconds from now: set the clock of the machine that signs",
            field=TIME_HEADER,
        )
    return time


def _signature_bytes(value: str) -> bytes:
    if not _SIGNATURE.fullmatch(value):
        raise InputError("is not 0x and hexadecimal digits", field=SIGNATURE_HEADER)
    return bytes.fromhex(value[2:])


_SIGN_IN: Final = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?P<domain>[^\s/?#]+)"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<account>0x[0-9a-fA-F]{40})\n"
    r"\n"
    r"(?:(?P<statement>[^\n]+)\n)?"
    r"\n"
    r"URI: (?P<uri>\S+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]+)\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,})\n"
    r"Issued At: (?P<issued_at>\S+)"
    r"(?:\nExpiration Time: (?P<expires>\S+))?"
    r"(?:\nNot Before: (?P<not_before>\S+))?"
    r"(?:\nRequest ID: (?P<request_id>\S*))?"
)
"""A text of EIP-4361, from its first to its last letter. Resources are refused: a sign-in delegates nothing."""


def check_sign_in(text: str, *, account: str, chain_id: int, url: str) -> None:
    """Make sure that a text signs `account` in to the service at `url` on this chain, and does nothing else.

    Raises ActRefused naming what is wrong.
    """
    matched = _SIGN_IN.fullmatch(text)
    if matched is None:
        raise ActRefused("it is no sign-in text of EIP-4361", field="message")
    due = urlsplit(url)
    expected = {
        "domain": due.netloc,
        "account": account,
        "chain_id": str(chain_id),
    }
    for field, value in expected.items():
        if matched[field] != value:
            raise ActRefused(
                f"the sign-in is for {matched[field]}, not for {value}", field=f"message.{field}"
            )
    for field in ("uri", "scheme"):
        value = matched[field]
        differs = value is not None and (
            urlsplit(value)[:2] != (due.scheme, due.netloc)
            if field == "uri"
            else value != due.scheme
        )
        if differs:
            raise ActRefused(f"the sign-in is for {value}, not for {url}", field=f"message.{field}")
