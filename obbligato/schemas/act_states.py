"""The kinds of acts by name, the states of acts and invitations, and which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, TypeVar

from obbligato.errors import RefusedError

ActKind = Literal[
    "mint",
    "amend",
    "revoke",
    "reinstate",
    "change-split",
    "operator",
    "grant",
    "claim",
    "redirect",
    "guard-claims",
    "challenge",
]

State = TypeVar("State", bound=StrEnum)


class ActState(StrEnum):
    """How far an act has come."""

    PREPARED = "prepared"
    """Checked and stored; waits for its author's signature."""
    INVITING = "inviting"
    """Signed by its author; waits for the signatures of others."""
    SIGNED = "signed"
    """Every signature is there: the relay sends it."""
    SENT = "sent"
    CONFIRMED = "confirmed"
    """In a block that may still change."""
    FINAL = "final"
    """In a block that can no longer change."""
    FAILED = "failed"
    """The chain refused it, or its deadline passed; nothing came of it and it can be prepared again."""
    WITHDRAWN = "withdrawn"

    @property
    def has_ended(self) -> bool:
        """Whether no other state follows."""
        return not ACT_TRANSITIONS[self]

    @property
    def waits_for_people(self) -> bool:
        """Whether it stays as it is until somebody signs."""
        return self in (ActState.PREPARED, ActState.INVITING)

    def has_reached(self, other: ActState) -> bool:
        """Whether an act in this state has come at least as far as `other`."""
        states = [state for state in ActState if state not in (ActState.FAILED, ActState.WITHDRAWN)]
        if self in states and other in states:
            return states.index(self) >= states.index(other)
        return self is other


class InvitationState(StrEnum):
    """Whether a payee agrees."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"


ACT_TRANSITIONS: Final[Mapping[ActState, frozenset[ActState]]] = {
    # SENT at once: the author's own wallet sent it.
    ActState.PREPARED: frozenset(
        {ActState.INVITING, ActState.SIGNED, ActState.SENT, ActState.FAILED, ActState.WITHDRAWN}
    ),
    ActState.INVITING: frozenset({ActState.SIGNED, ActState.FAILED, ActState.WITHDRAWN}),
    ActState.SIGNED: frozenset({ActState.SENT, ActState.FAILED}),
    ActState.SENT: frozenset({ActState.CONFIRMED, ActState.FAILED}),
    # SENT again: a reorg took it out of its block.
    ActState.CONFIRMED: frozenset({ActState.FINAL, ActState.SENT, ActState.FAILED}),
    ActState.FINAL: frozenset(),
    ActState.FAILED: frozenset(),
    ActState.WITHDRAWN: frozenset(),
}
"""By state of an act, the states that may follow it."""


INVITATION_TRANSITIONS: Final[Mapping[InvitationState, frozenset[InvitationState]]] = {
    InvitationState.WAITING: frozenset({InvitationState.AGREED, InvitationState.DECLINED}),
    InvitationState.DECLINED: frozenset({InvitationState.AGREED}),
    InvitationState.AGREED: frozenset(),
}
"""By state of an invitation, the states that may follow it."""


def check_transition(before: ActState | InvitationState, after: StrEnum) -> None:
    """Make sure that one state may follow another; the same state always may. Raises RefusedError."""
    if isinstance(before, ActState):
        check_follows(ACT_TRANSITIONS, before, after)
    else:
        check_follows(INVITATION_TRANSITIONS, before, after)


def check_follows(
    transitions: Mapping[State, frozenset[State]], before: State, after: StrEnum
) -> None:
    """Make sure that a table has a transition; the same state always may follow. Raises RefusedError."""
    if after != before and after not in transitions[before]:
        raise RefusedError(f"what is {before.value} cannot become {after.value}")
