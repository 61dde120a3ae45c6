"""What becomes of a transaction, written down: one unit of work each, never open while a node is asked."""

from __future__ import annotations

from eth_hash.auto import keccak

from obbligato.errors import ContractRefused
from obbligato.sending.fees import Fees
from obbligato.sending.node import Receipt
from obbligato.sending.tables import Broadcast, Transaction, TransactionState
from obbligato.service.database import Database
from obbligato.service.tables import now


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
    found = Broadcast(
        hash="0x" + keccak(raw).hex(),
        raw=raw,
        max_fee=fees.max_fee,
        priority_fee=fees.priority_fee,
    )
    row.broadcasts.append(found)
    return found


def _as_json(error: ContractRefused) -> dict[str, object]:
    shown = {
        name: value if isinstance(value, int | str) else str(value)
        for name, value in error.arguments.items()
    }
    return {"error": error.error, "arguments": shown}
