"""What the backend answers, as far as this client relies on it. Members that a newer backend adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class ActState(StrEnum):
    """How far an act has come."""

    PREPARED = "prepared"
    """It waits for its author's signature."""
    INVITING = "inviting"
    """Signed; payees have to agree."""
    SIGNED = "signed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    """In a block."""
    FINAL = "final"
    """In a block that can no longer change."""
    FAILED = "failed"
    WITHDRAWN = "withdrawn"

    @property
    def has_ended(self) -> bool:
        """Nothing will change any more."""
        return self in (ActState.FINAL, ActState.FAILED, ActState.WITHDRAWN)

    @property
    def waits_for_people(self) -> bool:
        """Nothing will change before somebody signs."""
        return self in (ActState.PREPARED, ActState.INVITING)

    def has_reached(self, other: ActState) -> bool:
        """Whether an act in this state has come at least as far as `other`."""
        if self in _WAY and other in _WAY:
            return _WAY.index(self) >= _WAY.index(other)
        return self is other


_WAY = (
    ActState.PREPARED,
    ActState.INVITING,
    ActState.SIGNED,
    ActState.SENT,
    ActState.CONFIRMED,
    ActState.FINAL,
)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AllowedUse(_Answer):
    """One thing that is allowed, and what it costs."""

    tier: str
    meaning: str
    prices: tuple[str, ...] = ()


class PaidTo(_Answer):
    """One who is paid."""

    account: str
    share_ppm: int
    percent: str
    role: str


class Preview(_Answer):
    """An act in plain words."""

    title: str
    sentences: tuple[str, ...] = ()
    allows: tuple[AllowedUse, ...] = ()
    refuses: tuple[str, ...] = ()
    paid_to: tuple[PaidTo, ...] = ()
    until: str | None = None
    costs: str = ""


class ActProblem(_Answer):
    """Why an act failed."""

    title: str
    detail: str
    error: str | None = None


class Act(_Answer):
    """One act: what it does, what to sign, how far it has come. Times are seconds since 1970."""

    id: str
    kind: str
    state: ActState
    account: str
    made_by: str
    license_id: int | None = None
    document: str | None = None
    preview: Preview
    warnings: tuple[str, ...] = ()
    deadline: int
    typed_data: dict[str, Any] | None = None
    invitations: tuple[str, ...] = ()
    waiting: str | None = None
    problem: ActProblem | None = None
    result: dict[str, Any] | None = None
    transaction: str | None = None
    created_at: int = 0
    updated_at: int = 0


class Invitation(_Answer):
    """A split change that one payee has to agree to. Shares are in parts per million."""

    id: str
    act_id: str
    account: str
    share_before_ppm: int
    share_after_ppm: int
    state: str
    deadline: int
    preview: Preview
    typed_data: dict[str, Any] | None = None


class Challenge(_Answer):
    """A text to sign in with (EIP-4361)."""

    message: str
    nonce: str = ""
    expires_at: int = 0


class SignedIn(_Answer):
    """A session. `token` is a secret; `roles` as the chain has them."""

    token: str = Field(repr=False)
    account: str
    expires_at: int
    roles: dict[str, Any] = Field(default_factory=dict)


class Listed(NamedTuple):
    """A page of a list as JSON, and the cursor of the following page."""

    items: tuple[Mapping[str, Any], ...]
    next: str | None
