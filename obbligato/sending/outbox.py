"""The outbox: which transactions are wanted, and where each of them is. All within the caller's unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from obbligato.errors import InputError
from obbligato.fields import checked_address
from obbligato.sending.tables import Transaction, TransactionState

LIVE: Final = (TransactionState.SIGNED, TransactionState.MINED)
"""On their way: the nonce is taken, the end is open."""
OPEN: Final = (TransactionState.QUEUED, *LIVE)
STANDING: Final = (*OPEN, TransactionState.FINAL)
"""In these states a transaction stands for what it is for; in the others a new one may be wanted."""
CONSUMED: Final = (
    TransactionState.FINAL,
    TransactionState.REVERTED,
    TransactionState.SUPERSEDED,
)
"""Their nonces are used up, for good."""

_PURPOSE_CHARACTERS: Final = 16
_SUBJECT_CHARACTERS: Final = 200


def want(
    session: Session, *, purpose: str, subject: str, to: str, data: bytes, gas: int | None = None
) -> Transaction:
    """The transaction for (purpose, subject): the one that stands, else a new one, queued.

    One that was reverted, refused or superseded does not stand: whoever wants it again has looked at
    the chain before. `gas` is the limit; None to have it estimated. What depends on another
    transaction is wanted only once that one is mined: each is simulated on the newest block. Raises
    InputError.
    """
    if not 1 <= len(purpose) <= _PURPOSE_CHARACTERS:
        raise InputError(f"give 1 to {_PURPOSE_CHARACTERS} characters", field="purpose")
    if not 1 <= len(subject) <= _SUBJECT_CHARACTERS:
        raise InputError(f"give 1 to {_SUBJECT_CHARACTERS} characters", field="subject")
    _one_at_a_time(session, purpose, subject)
    found = latest(session, purpose, subject)
    if found is not None and found.state in STANDING:
        return found
    transaction = Transaction(
        purpose=purpose,
        subject=subject,
        to=checked_address(to),
        data=data,
        gas=gas,
        state=TransactionState.QUEUED,
    )
    session.add(transaction)
    session.flush()
    return transaction


def _one_at_a_time(session: Session, purpose: str, subject: str) -> None:
    """Let nobody else want the same until this unit of work ends. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        named = func.hashtextextended(f"{purpose} {subject}", 0)
        session.execute(select(func.pg_advisory_xact_lock(named)))


def latest(session: Session, purpose: str, subject: str) -> Transaction | None:
    """The newest transaction for (purpose, subject), in whatever state."""
    return session.scalars(
        select(Transaction)
        .where(Transaction.purpose == purpose, Transaction.subject == subject)
        .order_by(Transaction.id.desc())
        .limit(1)
    ).one_or_none()


def in_states(
    session: Session, states: Iterable[TransactionState], *, limit: int | None = None
) -> Sequence[Transaction]:
    """Transactions in these states, oldest first, with their broadcasts."""
    return session.scalars(
        select(Transaction)
        .where(Transaction.state.in_(tuple(states)))
        .order_by(Transaction.id)
        .limit(limit)
        .options(selectinload(Transaction.broadcasts))
    ).all()


def in_flight(session: Session, sender: str) -> Sequence[Transaction]:
    """What this sender has signed and what is mined and not final, by nonce, with their broadcasts."""
    return session.scalars(
        select(Transaction)
        .where(Transaction.sender == sender, Transaction.state.in_(LIVE))
        .order_by(Transaction.nonce)
        .options(selectinload(Transaction.broadcasts))
    ).all()


def next_nonce(session: Session, sender: str) -> int:
    """One more than the highest nonce this sender ever took here; 0 if none."""
    highest = session.scalar(
        select(func.max(Transaction.nonce)).where(Transaction.sender == sender)
    )
    return 0 if highest is None else highest + 1


def consumed_nonces(session: Session, sender: str) -> int:
    """The least count of transactions that any node must give that knows what is final here."""
    highest = session.scalar(
        select(func.max(Transaction.nonce)).where(
            Transaction.sender == sender, Transaction.state.in_(CONSUMED)
        )
    )
    return 0 if highest is None else highest + 1


def counts(session: Session) -> dict[str, int]:
    """How many transactions are in each state, for status pages and metrics."""
    found = session.execute(
        select(Transaction.state, func.count()).group_by(Transaction.state)
    ).all()
    return {state.value: 0 for state in TransactionState} | {row[0]: row[1] for row in found}
