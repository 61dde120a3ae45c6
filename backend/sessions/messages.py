"""Texts of Sign-In with Ethereum (EIP-4361): written, and read by the grammar of the standard.

What is verified is the text as it was signed, never a text written anew from what was read of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from obbligato.errors import InputError

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
    """What a text says. Times are whole seconds since 1970."""

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
        said, resources = _fields(rest)
        return cls(
            domain=header["domain"],
            scheme=header["scheme"],
            account=lines[1],
            statement=statement,
            uri=said["URI"],
            version=said["Version"],
            chain_id=int(said["Chain ID"]),
            nonce=said["Nonce"],
            issued_at=_seconds(said["Issued At"]),
            expires_at=_optional_seconds(said.get("Expiration Time")),
            not_before=_optional_seconds(said.get("Not Before")),
            request_id=said.get("Request ID"),
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
            f"Issued At: {_written(self.issued_at)}",
        ]
        if self.expires_at is not None:
            lines.append(f"Expiration Time: {_written(self.expires_at)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {_written(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources:
            lines += ["Resources:", *(f"- {each}" for each in self.resources)]
        return "\n".join(lines)


def authority_of(url: str) -> str:
    """Host and port of a URL as EIP-4361 names a site: the port only where it is not the scheme's own."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    named = f"[{host}]" if ":" in host else host
    return (
        named if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f"{named}:{port}"
    )


def origin_of(url: str) -> str:
    """`scheme://authority`, as browsers name where a page came from."""
    return f"{urlsplit(url).scheme}://{authority_of(url)}"


def _fields(lines: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The named lines, each at most once and in the order of the standard, and the resources."""
    said: dict[str, str] = {}
    at = 0
    for name, pattern in _WORDS.items():
        start = f"{name}: "
        if at < len(lines) and lines[at].startswith(start):
            value = lines[at].removeprefix(start)
            if not pattern.fullmatch(value):
                raise _malformed(f"{name} is not what the standard asks for")
            said[name] = value
            at += 1
        elif name in _REQUIRED:
            raise _malformed(f"{name} is missing or not at its place")
    rest = lines[at:]
    if not rest:
        return said, ()
    resources = tuple(line.removeprefix("- ") for line in rest[1:])
    listed = all(line.startswith("- ") for line in rest[1:])
    if rest[0] != "Resources:" or not listed or not all(map(_URI.fullmatch, resources)):
        raise _malformed("its last lines are not a list of resources")
    return said, resources


def _seconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text.upper()).timestamp())
    except (ValueError, OverflowError):
        raise _malformed(f"{text} is no moment of any day") from None


def _optional_seconds(text: str | None) -> int | None:
    return None if text is None else _seconds(text)


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _malformed(why: str) -> InputError:
    return InputError(f"is not a text of EIP-4361: {why}; ask for a challenge", field="message")
