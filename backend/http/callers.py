"""The caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that signed in, or an API key that a platform's admin made."""

    account: str
    """Checksummed. Of a key: the admin who made it."""
    kind: Literal["session", "key"]
    id: str
    platform_id: int | None = None
    """Whose key it is."""
    scopes: frozenset[str] = frozenset()

    def has(self, *scopes: str) -> bool:
        """Whether it may do what takes one of these scopes. Sessions have none and need none."""
        return self.kind == "session" or bool(self.scopes.intersection(scopes))


COOKIE: Final = "obbligato_session"


SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


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
