"""The sender: what is wanted is simulated, written down signed, sent, and followed until it is final."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from obbligato.chain.client import Chain
from obbligato.chain.rpc import WrongChain
from obbligato.errors import ChainError, ContractRefused
from obbligato.keys import Signer, sign_transaction
from obbligato.server.alerts import Alerts
from obbligato.server.database import Database
from obbligato.server.supervisor import Worker, backoff
from obbligato.transactions import outbox
from obbligato.transactions.fees import Fees, SendingSettings, bumped, first_fees
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.node import Head, Node, Receipt
from obbligato.transactions.outbox import Records
from obbligato.transactions.tables import Broadcast, Transaction, TransactionState

KEY_LOCK: Final = "sender key"
WRONG_CHAIN: Final = "wrong chain"
NODE: Final = "node"
NODE_BEHIND: Final = "node behind"
SECOND_NODE: Final = "second node"
GAS_MONEY: Final = "gas money"
BASE_FEE: Final = "base fee"
FEE_CAP: Final = "fee cap"
NOT_TAKEN: Final = "not taken"
_OF_A_TICK: Final = (
    WRONG_CHAIN,
    NODE,
    NODE_BEHIND,
    SECOND_NODE,
    GAS_MONEY,
    BASE_FEE,
    FEE_CAP,
    NOT_TAKEN,
)
"""Alerts that each tick finds again, or clears."""

_log = structlog.get_logger("obbligato.transactions")


class Sender:
    """One key's way to the chain.

    Nothing a node answers to a transaction is believed: what counts is a receipt in a block that is
    final. What was signed is never signed anew, only sent again, or replaced at its own nonce.
    """

    def __init__(
        self,
        database: Database,
        chain: Chain,
        signer: Signer,
        *,
        settings: SendingSettings,
        lock: KeyLock,
        alerts: Alerts,
        second: Chain | None = None,
    ) -> None:
        """`second` is a node of somebody else's: nothing is final before it tells the same."""
        self.address = signer.address
        self.waiting: str | None = None
        """Why this process sends nothing at all: another one holds the key."""
        self._database = database
        self._node = Node(chain)
        self._second = Node(second) if second is not None else None
        self._signer = signer
        self._settings = settings
        self._lock = lock
        self._alerts = alerts
        self._records = Records(database)
        self._problems: dict[str, str] = {}
        self._failures = 0
        """Ticks in a row in which the node did not answer."""
        self._overtaken_since: dict[int, int] = {}
        """Transactions whose nonce others used, and the newest block when that was first seen."""

    def worker(self) -> Worker:
        """The sender as a supervisor runs it: slower while the node fails, and letting the key go at its end."""
        return Worker("sender", self._work, self._settings.poll_seconds, close=self._lock.release)

    def _work(self) -> float | None:
        self._failures = 0 if self.tick() else self._failures + 1
        return backoff(self._failures) if self._failures else None

    def tick(self) -> bool:
        """Do what can be done now, without waiting; whether the node answered."""
        if not self._holds_the_key():
            return True
        self._problems = {}
        try:
            self._node.check_chain()
            self._go_on(self._node.head(self._settings.finality))
        except WrongChain as error:
            self._problems[WRONG_CHAIN] = f"nothing is signed or sent: {error}"
        except ChainError as error:
            self._problems[NODE] = str(error)
        healthy = not {WRONG_CHAIN, NODE} & self._problems.keys()
        self._tell_problems(healthy=healthy)
        return healthy

    def _tell_problems(self, *, healthy: bool) -> None:
        """Alerts as this tick found them; what a tick that was cut short did not find may still stand."""
        for key in _OF_A_TICK:
            if key in self._problems:
                self._alerts.stand(key, self._problems[key])
            elif healthy:
                self._alerts.clear(key)

    def _holds_the_key(self) -> bool:
        if self._lock.try_acquire():
            self.waiting = None
            self._alerts.clear(KEY_LOCK)
            return True
        self.waiting = f"{self._lock.holder()} holds the key of {self.address}: waiting for its end"
        self._alerts.stand(KEY_LOCK, self.waiting)
        return False

    def _go_on(self, head: Head) -> None:
        count = self._node.count(self.address)
        with self._database.work() as session:
            flight = outbox.in_flight(session, self.address)
            consumed = outbox.consumed_nonces(session, self.address)
        if count < consumed:
            self._problems[NODE_BEHIND] = (
                "the node does not know transactions that are final: waiting until it has caught up"
            )
            return
        for transaction in flight:
            self._follow(transaction, head, count)
        self._start_queued(head)

    # ---- what is on its way

    def _follow(self, transaction: Transaction, head: Head, count: int) -> None:
        """One signed transaction: mined, final, gone from its block, dropped, stuck, or overtaken."""
        receipt = self._node.receipt(_hashes(transaction))
        if receipt is not None:
            self._is_mined(transaction, receipt, head)
            return
        if transaction.state == TransactionState.MINED:
            _log.warning("no longer in a block", **_named(transaction))
            self._records.unmined(transaction, head.number)
            transaction.broadcasts[-1].sent_in_block = head.number
        assert transaction.nonce is not None
        if transaction.nonce < count:
            self._is_overtaken(transaction, transaction.nonce, head)
            return
        self._overtaken_since.pop(transaction.id, None)
        newest = transaction.broadcasts[-1]
        if (
            transaction.nonce == count
            and self._is_stuck(newest, head)
            and self._bump(transaction, newest, head)
        ):
            return
        if newest.sent_in_block is None or not self._node.knows(newest.hash):
            self._send(transaction, newest, head)

    def _is_mined(self, transaction: Transaction, receipt: Receipt, head: Head) -> None:
        if transaction.block_hash != receipt.block_hash or transaction.hash != receipt.hash:
            _log.info("mined", **_named(transaction), block=receipt.block_number)
            reason = None if receipt.succeeded else self._node.why_reverted(transaction, receipt)
            self._records.mined(transaction, receipt, reason)
        if receipt.block_number > head.final or not self._second_agrees(transaction, receipt):
            return
        end = TransactionState.FINAL if receipt.succeeded else TransactionState.REVERTED
        self._records.ended(transaction, end)
        _log.info(str(end), **_named(transaction))

    def _second_agrees(self, transaction: Transaction, receipt: Receipt) -> bool:
        """Whether the second node, where there is one, has the same end in the same block."""
        if self._second is None:
            return True
        try:
            other_receipt = self._second.receipt([receipt.hash])
        except ChainError as error:
            self._problems[SECOND_NODE] = f"nothing becomes final: {error}"
            return False
        if other_receipt == receipt:
            return True
        words = "the second node does not have it in the same block: not final"
        self._problems[SECOND_NODE] = "the second node tells otherwise: nothing becomes final"
        self._records.waits(transaction, words)
        return False

    def _is_overtaken(self, transaction: Transaction, nonce: int, head: Head) -> None:
        """The nonce is used, and by none of our bytes as far as the node tells: believed once final."""
        since = self._overtaken_since.setdefault(transaction.id, head.number)
        if since <= head.final and self._used_by_others(transaction, nonce):
            self._records.ended(transaction, TransactionState.SUPERSEDED)
            del self._overtaken_since[transaction.id]
            _log.warning("superseded", **_named(transaction))
            return
        self._records.waits(
            transaction, "its nonce was used by another transaction: waiting until that is final"
        )

    def _used_by_others(self, transaction: Transaction, nonce: int) -> bool:
        """Whether no node knows any of our bytes, and the second one, too, counts the nonce as used."""
        hashes = _hashes(transaction)
        if any(self._node.knows(digest) for digest in hashes):
            return False
        if self._second is None:
            return True
        try:
            used = self._second.count(self.address) > nonce
            return used and not any(self._second.knows(digest) for digest in hashes)
        except ChainError as error:
            self._problems[SECOND_NODE] = f"nothing becomes final: {error}"
            return False

    def _is_stuck(self, broadcast: Broadcast, head: Head) -> bool:
        if broadcast.sent_in_block is None:  # not until it was sent
            return False
        return head.number - broadcast.sent_in_block >= self._settings.bump_after_blocks

    def _bump(self, transaction: Transaction, newest: Broadcast, head: Head) -> bool:
        """Offer more for the same nonce, up to the cap; whether that could be done."""
        fees = bumped(
            Fees(newest.max_fee, newest.priority_fee),
            self._settings.max_fee_wei,
            self._fees_now(head),
        )
        if fees is None:
            self._problems[FEE_CAP] = (
                f"fee cap reached: a transaction ({transaction.purpose}) is not mined for "
                f"{self._settings.max_fee_wei} wei per gas; raise the cap, or wait"
            )
            return False
        assert transaction.nonce is not None
        assert transaction.gas is not None
        if not self._can_pay(transaction.gas * fees.max_fee):
            return False
        self._node.check_chain()
        raw = self._signed(transaction, transaction.nonce, transaction.gas, fees)
        broadcast = self._records.bumped(transaction, raw, fees)
        _log.info("bumped", **_named(transaction), max_fee_wei=fees.max_fee)
        self._send(transaction, broadcast, head)
        return True

    # ---- what is wanted

    def _start_queued(self, head: Head) -> None:
        with self._database.work() as session:
            flight = outbox.in_flight(session, self.address)
            signed = [each for each in flight if each.state == TransactionState.SIGNED]
            room = max(0, self._settings.most_in_flight - len(signed))
            queued = outbox.in_states(session, [TransactionState.QUEUED], limit=room)
        owed = sum(_most_cost(each) for each in signed)
        for transaction in queued:
            # What happened since the tick began: another chain, another holder of the key.
            self._node.check_chain()
            if not self._lock.try_acquire():
                return
            try:
                owed += self._start(transaction, head, owed)
            except ChainError as error:
                self._records.waits(transaction, str(error))

    def _start(self, transaction: Transaction, head: Head, owed: int) -> int:
        """Simulate, sign, write down, send; what it may cost, in wei, 0 where it is not sent."""
        try:
            gas = self._node.gas_for(transaction, self.address)
        except ContractRefused as refused:
            self._records.ended(transaction, TransactionState.REFUSED, refused)
            _log.warning("refused", **_named(transaction), reason=str(refused))
            return 0
        fees = self._fees_now(head)
        if fees is None:
            words = f"the base fee is above the cap of {self._settings.max_fee_wei} wei per gas"
            self._problems[BASE_FEE] = f"{words}: transactions wait"
            self._records.waits(transaction, words)
            return 0
        if not self._can_pay(owed + gas * fees.max_fee):
            self._records.waits(transaction, "the sender's gas money does not reach for it")
            return 0
        nonce = self._next_nonce()
        raw = self._signed(transaction, nonce, gas, fees)
        broadcast = self._records.signed(transaction, self.address, nonce, gas, raw, fees)
        _log.info("signed", **_named(transaction), nonce=nonce, hash=broadcast.hash)
        self._send(transaction, broadcast, head)
        return gas * fees.max_fee

    def _fees_now(self, head: Head) -> Fees | None:
        return first_fees(
            head.base_fee, self._settings.priority_fee_wei, self._settings.max_fee_wei
        )

    def _can_pay(self, wei: int) -> bool:
        if self._node.balance(self.address) >= wei:
            return True
        self._problems[GAS_MONEY] = (
            f"{self.address} has too little for gas: send it some; what is queued then goes on"
        )
        return False

    def _next_nonce(self) -> int:
        """The chain's count, or behind what is on its way."""
        count = self._node.count(self.address)
        with self._database.work() as session:
            return max(count, outbox.next_nonce(session, self.address))

    def _signed(self, transaction: Transaction, nonce: int, gas: int, fees: Fees) -> bytes:
        return sign_transaction(
            self._signer,
            {
                "chainId": self._node.chain_id,
                "nonce": nonce,
                "to": transaction.to,
                "value": 0,
                "data": transaction.data,
                "gas": gas,
                "maxFeePerGas": fees.max_fee,
                "maxPriorityFeePerGas": fees.priority_fee,
            },
        )

    def _send(self, transaction: Transaction, broadcast: Broadcast, head: Head) -> None:
        """Hand the bytes to the node. Whatever it says, the next tick looks for itself."""
        against = self._node.send(broadcast.raw)
        self._records.sent(broadcast, head.number)
        if against is not None:
            self._problems[NOT_TAKEN] = f"a transaction was not taken: {against}"
            _log.warning("not taken", **_named(transaction), reason=against)


def _hashes(transaction: Transaction) -> Sequence[str]:
    """Newest first."""
    return [broadcast.hash for broadcast in reversed(transaction.broadcasts)]


def _most_cost(transaction: Transaction) -> int:
    """Wei that a signed transaction may still take."""
    assert transaction.gas is not None
    return transaction.gas * transaction.broadcasts[-1].max_fee


def _named(transaction: Transaction) -> dict[str, object]:
    return {
        "transaction": transaction.id,
        "purpose": transaction.purpose,
        "subject": transaction.subject,
    }
