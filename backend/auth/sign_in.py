"""Sign-In with Ethereum: a nonce, a signed text, a session. A nonce makes one session at most."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session as Work

from backend.db.service_db import Session, SignInNonce
from backend.http.callers import authority_of, origin_of
from backend.services import Services
from obbligato.chain.signatures import is_signed_by
from obbligato.client.signing import personal_digest
from obbligato.errors import InputError
from obbligato.protocol.types import checked_address
from obbligato.server.http import Problem

MOST_CHARACTERS: Final = 4_000

_HEADER: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[^\s/?#]+)"
    r" wants you to sign in with your Ethereum account:"
)
_ACCOUNT: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_WORDS: Final = {
    "URI": _URI,
    "Version": re.compile(r"[0-9]+"),
    "Chain ID": re.compile(r"[0-9]{1,20}"),
    "Nonce": re.compile(r"[A-Za-z0-9]{8,64}"),
    "Issued At": _TIME,
    "Expiration Time": _TIME,
    "Not Before": _TIME,
    "Request ID": re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})*"),
}
_REQUIRED: Final = frozenset({"URI", "Version", "Chain ID", "Nonce", "Issued At"})


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """A parsed text. Times are whole seconds since 1970."""

    domain: str
    account: str
    """As it is written: 0x and 40 hexadecimal digits."""
    uri: str
    chain_id: int
    nonce: str
    issued_at: int
    version: str = "1"
    scheme: str | None = None
    statement: str | None = None
    expires_at: int | None = None
    not_before: int | None = None
    request_id: str | None = None
    resources: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SignInMessage:
        """Raises InputError naming `message` for a text that is not one of EIP-4361."""
        if len(text) > MOST_CHARACTERS:
            raise _malformed(f"it has more than {MOST_CHARACTERS} characters")
        lines = text.split("\n")
        header = _HEADER.fullmatch(lines[0])
        if header is None:
            raise _malformed("the first line does not say which site wants you to sign in")
        if len(lines) < 5 or not _ACCOUNT.fullmatch(lines[1]) or lines[2]:
            raise _malformed("the second line is not an account, or no empty line follows it")
        statement, rest = (None, lines[4:]) if not lines[3] else (lines[3], lines[5:])
        if statement is not None and (lines[4] or not statement.isprintable()):
            raise _malformed("the statement is not one printable line with an empty line after it")
        values, resources = _fields(rest)
        return cls(
            domain=header["domain"],
            scheme=header["scheme"],
            account=lines[1],
            statement=statement,
            uri=values["URI"],
            version=values["Version"],
            chain_id=int(values["Chain ID"]),
            nonce=values["Nonce"],
            issued_at=_seconds(values["Issued At"]),
            expires_at=_optional_seconds(values.get("Expiration Time")),
            not_before=_optional_seconds(values.get("Not Before")),
            request_id=values.get("Request ID"),
            resources=resources,
        )

    def text(self) -> str:
        """The text to sign with `personal_sign`."""
        scheme = f"{self.scheme}://" if self.scheme else ""
        lines = [
            f"{scheme}{self.domain} wants you to sign in with your Ethereum account:",
            self.account,
            "",
            *([self.statement] if self.statement else []),
            "",
            f"URI: {self.uri}",
            f"Version: {self.version}",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {_timestamp(self.issued_at)}",
        ]
        if self.expires_at is not None:
            lines.append(f"Expiration Time: {_timestamp(self.expires_at)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {_timestamp(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources:
            lines += ["Resources:", *(f"- {each}" for each in self.resources)]
        return "\n".join(lines)


def _fields(lines: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The named lines, each at most once and in the order of the standard, and the resources."""
    values: dict[str, str] = {}
    at = 0
    for name, pattern in _WORDS.items():
        start = f"{name}: "
        if at < len(lines) and lines[at].startswith(start):
            value = lines[at].removeprefix(start)
            if not pattern.fullmatch(value):
                raise _malformed(f"{name} is not what the standard asks for")
            values[name] = value
            at += 1
        elif name in _REQUIRED:
            raise _malformed(f"{name} is missing or not at its place")
    rest = lines[at:]
    if not rest:
        return values, ()
    resources = tuple(line.removeprefix("- ") for line in rest[1:])
    listed = all(line.startswith("- ") for line in rest[1:])
    if rest[0] != "Resources:" or not listed or not all(map(_URI.fullmatch, resources)):
        raise _malformed("its last lines are not a list of resources")
    return values, resources


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text.upper()).timestamp())
    except (ValueError, OverflowError):
        raise _malformed(f"{text} is no moment of any day") from None


def _optional_seconds(text: str | None) -> int | None:
    return None if text is None else _seconds(text)


def _timestamp(seconds: int) -> str:
    # Unlike strftime's %Y, isoformat writes years of four digits.
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _malformed(why: str) -> InputError:
    return InputError(f"is not a text of EIP-4361: {why}; ask for a challenge", field="message")


NONCE_SECONDS: Final = 600
SKEW_SECONDS: Final = 60
"""How far ahead the clock of a wallet may be."""
TOKEN_PREFIX: Final = "obs_"  # noqa: S105 -- names tokens, is none
STATEMENT: Final = (
    "Sign in to Obbligato to manage your licences and see what you earned. "
    "This sends no transaction, costs nothing and licenses nothing."
)


class Nonce(NamedTuple):
    """A nonce for one sign-in, with its end."""

    nonce: str
    expires_at: int


class NewSession(NamedTuple):
    """A new session with its token, of which only the digest is stored."""

    token: str
    account: str
    expires_at: int


def token_digest(token: str) -> bytes:
    """The digest that is stored of a token. Tokens are 256 random bits: a slow digest gains nothing."""
    return hashlib.sha256(token.encode()).digest()


def new_nonce(services: Services) -> Nonce:
    """A nonce of 128 random bits."""
    nonce = Nonce(secrets.token_hex(16), services.now() + NONCE_SECONDS)
    with services.service_db.work() as session:
        _sweep(session, services.now())
        session.add(SignInNonce(nonce=nonce.nonce, expires_at=nonce.expires_at))
    return nonce


def challenge(services: Services, account: str) -> tuple[str, Nonce]:
    """The text that this account signs, with its nonce. Raises InputError for what is no account."""
    account = checked_address(account)
    nonce = new_nonce(services)
    public = services.settings.public_url
    message = SignInMessage(
        domain=authority_of(public),
        account=account,
        statement=STATEMENT,
        uri=origin_of(public),
        chain_id=services.chain.deployment.chain_id,
        nonce=nonce.nonce,
        issued_at=nonce.expires_at - NONCE_SECONDS,
        expires_at=nonce.expires_at,
    )
    return message.text(), nonce


def sign_in(services: Services, text: str, signature: bytes) -> NewSession:
    """A session for whoever signed the text.

    Raises InputError for a malformed text, Problem 401 naming what is wrong in a well-formed one, ChainError
    where a contract's account cannot be asked.
    """
    message = SignInMessage.parse(text)
    now = services.now()
    _check_site(services, message)
    _check_times(message, now)
    if not is_checksum_address(message.account):
        raise _refused("account", f"{message.account} is not spelled with its checksum (EIP-55)")
    _check_nonce(services, message.nonce, now)
    if not is_signed_by(services.chain, message.account, personal_digest(text), signature):
        raise _refused("signature", f"{message.account} did not sign this text", field="signature")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = now + services.settings.session_seconds
    with services.service_db.work() as session:
        # Whoever deletes the nonce has it: of two requests at once, the other deletes nothing.
        used = session.execute(delete(SignInNonce).where(SignInNonce.nonce == message.nonce))
        assert isinstance(used, CursorResult)
        if used.rowcount != 1:
            raise _unknown_nonce()
        _sweep(session, now)
        session.add(
            Session(
                id=secrets.token_hex(16),
                token_digest=token_digest(token),
                account=message.account,
                created_at=now,
                expires_at=expires_at,
            )
        )
    return NewSession(token, message.account, expires_at)


def sign_out(services: Services, session_id: str) -> None:
    """Forget a session."""
    with services.service_db.work() as session:
        session.execute(delete(Session).where(Session.id == session_id))


def session_end(services: Services, session_id: str) -> int:
    """When a session ends, in seconds since 1970. Raises Problem 401 for one that is gone."""
    with services.service_db.reading() as session:
        row = session.get(Session, session_id)
    if row is None:
        raise Problem(401, "Who are you?", "This session has ended: sign in again.")
    return row.expires_at


def _check_site(services: Services, message: SignInMessage) -> None:
    """Make sure that the text is for this site and this chain."""
    public = services.settings.public_url
    domain, chain_id = authority_of(public), services.chain.deployment.chain_id
    if message.domain.lower() != domain:
        raise _refused("domain", f"it is for {message.domain}, this is {domain}")
    if message.scheme is not None and message.scheme.lower() != urlsplit(public).scheme:
        raise _refused("scheme", f"it is for {message.scheme}://, this is {origin_of(public)}")
    try:
        origin = origin_of(message.uri)
    except ValueError:
        origin = ""
    if origin != origin_of(public):
        raise _refused("uri", f"it is for {message.uri}, this is {origin_of(public)}")
    if message.version != "1":
        raise _refused("version", f"version {message.version} is not known, version 1 is")
    if message.chain_id != chain_id:
        raise _refused("chain_id", f"it is for chain {message.chain_id}, this is {chain_id}")


def _check_times(message: SignInMessage, now: int) -> None:
    if message.issued_at > now + SKEW_SECONDS:
        raise _refused("issued_at", "it was issued in the future: set the clock of the wallet")
    if message.issued_at < now - NONCE_SECONDS - SKEW_SECONDS:
        raise _refused("issued_at", "it was issued too long ago: ask for a new challenge")
    if message.expires_at is not None and now >= message.expires_at:
        raise _refused("expiration_time", "it has expired: ask for a new challenge")
    if message.not_before is not None and now < message.not_before:
        raise _refused("not_before", "it is not valid yet")


def _check_nonce(services: Services, nonce: str, now: int) -> None:
    with services.service_db.reading() as session:
        row = session.scalar(
            select(SignInNonce).where(SignInNonce.nonce == nonce, SignInNonce.expires_at > now)
        )
    if row is None:
        raise _unknown_nonce()


def _sweep(session: Work, now: int) -> None:
    session.execute(delete(SignInNonce).where(SignInNonce.expires_at <= now))
    session.execute(delete(Session).where(Session.expires_at <= now))


def _unknown_nonce() -> Problem:
    return _refused("nonce", "it is not ours, was used already or has expired: ask for a new one")


def _refused(part: str, why: str, *, field: str | None = None) -> Problem:
    named = field or f"message.{part}"
    return Problem(401, "Not signed in", f"{named}: {why}", field=named)


def signature_bytes(text: str) -> bytes:
    """The bytes of a signature in hexadecimal digits after 0x. Raises InputError."""
    try:
        if not text.startswith("0x"):
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise InputError("give 0x and pairs of hexadecimal digits", field="signature") from None
