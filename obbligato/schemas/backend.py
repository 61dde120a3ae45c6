"""Responses of the backend's sessions and lists, as far as the client relies on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from obbligato.schemas.acts import ResponseModel


class Challenge(ResponseModel):
    """A text to sign in with (EIP-4361)."""

    message: str
    nonce: str = ""
    expires_at: int = 0


class SignedIn(ResponseModel):
    """A session. `token` is a secret; `roles` as the chain has them."""

    token: str = Field(repr=False)
    account: str
    expires_at: int
    roles: dict[str, Any] = Field(default_factory=dict)


class Listed(NamedTuple):
    """A page of a list as JSON, and the cursor of the following page."""

    items: tuple[Mapping[str, Any], ...]
    next: str | None
