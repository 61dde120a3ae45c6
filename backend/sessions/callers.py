"""The caller of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
