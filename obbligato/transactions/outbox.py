"""The outbox: which transactions are wanted, and where each of them is. All within the caller's unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from eth_hash.auto import keccak
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from obbligato.errors import ContractRefused, InputError
from obbligato.protocol.types import checked_address
from obbligato.server.database import Database, now
from obbligato.transactions.fees import Fees
from obbligato.transactions.node import Receipt
from obbligato.transactions.tables import Broadcast, Transaction, TransactionState

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
    newest = latest(session, purpose, subject)
    if newest is not None and newest.state in STANDING:
        return newest
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
    rows = session.execute(
        select(Transaction.state, func.count()).group_by(Transaction.state)
    ).all()
    return {state.value: 0 for state in TransactionState} | {row[0]: row[1] for row in rows}


class Records:
    """The outbox as the one sender changes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def signed(
        self, transaction: Transaction, sender: str, nonce: int, gas: int, raw: bytes, fees: Fees
    ) -> Broadcast:
        """The nonce is taken and the bytes are kept; only now may they be sent."""
        with self._database.work() as session:
            row = session.get_one(Transaction, transaction.id)
            row.sender, row.nonce, row.gas = sender, nonce, gas
            row.state, row.waiting = TransactionState.SIGNED, None
            return _broadcast(row, raw, fees)

    def bumped(self, transaction: Transaction, raw: bytes, fees: Fees) -> Broadcast:
        """Further bytes for the same nonce."""
        with self._database.work() as session:
            return _broadcast(session.get_one(Transaction, transaction.id), raw, fees)

    def sent(self, broadcast: Broadcast, block: int) -> None:
        """The node was given the bytes, whatever it said."""
        with self._database.work() as session:
            row = session.get_one(Broadcast, broadcast.id)
            row.sent_at = now()
            if row.sent_in_block is None:
                row.sent_in_block = block

    def mined(
        self, transaction: Transaction, receipt: Receipt, error: ContractRefused | None
    ) -> None:
        """It is in a block, which may still change; `error` is why it failed there, if it did."""
        with self._database.work() as session:
            row = session.get_one(Transaction, transaction.id)
            row.state, row.waiting = TransactionState.MINED, None
            row.hash, row.gas_used = receipt.hash, receipt.gas_used
            row.block_number, row.block_hash = receipt.block_number, receipt.block_hash
            row.error = None if error is None else _as_json(error)

    def unmined(self, transaction: Transaction, block: int) -> None:
        """Its block is gone: it is on its way again, and has until its next bump from `block` on."""
        with self._database.work() as session:
            row = session.get_one(Transaction, transaction.id)
            row.state = TransactionState.SIGNED
            row.hash = row.block_number = row.block_hash = row.gas_used = row.error = None
            row.broadcasts[-1].sent_in_block = block

    def ended(
        self,
        transaction: Transaction,
        state: TransactionState,
        error: ContractRefused | None = None,
    ) -> None:
        """It is over: final, reverted, refused or superseded."""
        with self._database.work() as session:
            row = session.get_one(Transaction, transaction.id)
            row.state, row.waiting = state, None
            if error is not None:
                row.error = _as_json(error)

    def waits(self, transaction: Transaction, words: str) -> None:
        """Why it does not go on right now."""
        if transaction.waiting == words:
            return
        with self._database.work() as session:
            session.get_one(Transaction, transaction.id).waiting = words


def _broadcast(row: Transaction, raw: bytes, fees: Fees) -> Broadcast:
    added = Broadcast(
        hash="0x" + keccak(raw).hex(),
        raw=raw,
        max_fee=fees.max_fee,
        priority_fee=fees.priority_fee,
    )
    row.broadcasts.append(added)
    return added


def _as_json(error: ContractRefused) -> dict[str, object]:
    printable = {
        name: value if isinstance(value, int | str) else str(value)
        for name, value in error.arguments.items()
    }
    return {"error": error.error, "arguments": printable}
