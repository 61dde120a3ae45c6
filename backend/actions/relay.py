"""The relay: sends what an act needs first and the act's own transaction, and stores what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import select
from web3.types import TxReceipt

from backend.actions.budget import Budget
from backend.actions.calls import Call, Prerequisite
from backend.actions.registry import KINDS, late_arguments
from backend.actions.store import missing_block
from backend.db.service_db import Act
from backend.services import Services
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.events import events_in
from obbligato.errors import ChainError, InputError
from obbligato.keys import Signer, open_keystore
from obbligato.schemas.act_states import ActState
from obbligato.server.alerts import Alerts
from obbligato.server.database import now as wall_clock
from obbligato.server.supervisor import Items
from obbligato.transactions import outbox
from obbligato.transactions.fees import SendingSettings
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.sender import Sender
from obbligato.transactions.tables import Transaction, TransactionState

ACT: Final = "act"
OPEN: Final = (ActState.SIGNED, ActState.SENT, ActState.CONFIRMED)
UNSIGNED: Final = (ActState.PREPARED, ActState.INVITING)

FORGOTTEN_SECONDS: Final = 300
"""A step that was refused longer ago may be tried again, for another act."""

_log = structlog.get_logger(__name__)


class ActFollower:
    """Moves acts on, one step at a time; each step is one unit of work, and no node is asked within one."""

    def __init__(self, services: Services, budget: Budget, alerts: Alerts | None = None) -> None:
        self._services = services
        self._budget = budget
        self._items: Items[str] = Items("relay", alerts)

    def step(self) -> None:
        """Move everything on as far as it goes now; an act that fails is put off, the others go on."""
        self._fail_unsigned()
        with self._services.service_db.reading() as session:
            acts = session.scalars(
                select(Act).where(Act.state.in_(OPEN)).order_by(Act.signed_at, Act.id)
            ).all()
        for act in acts:
            if self._items.is_due(act.id):
                with self._items.attempt(act.id):
                    self._step_of(act)
        self._items.report([act.id for act in acts])

    def _step_of(self, act: Act) -> None:
        transaction = self._transaction(act)
        if transaction is None and act.signature is None:
            self._follow_own(act)
        elif transaction is None or transaction.state == TransactionState.SUPERSEDED:
            self._start(act)
        else:
            self._follow(act, transaction)

    # ---- on its way

    def _start(self, act: Act) -> None:
        reason = missing_block(self._services.store, act.material["blocks"])
        if reason is not None:
            self._wait(act, f"its document has to be there first: {reason}")
            return
        chain = self._services.chain
        steps = [Prerequisite.from_json(each) for each in act.material["steps"]]
        open_steps = [step for step in steps if not step.is_done(chain)]
        if open_steps:
            self._queue(act, [(step.purpose, step.subject, step.call, []) for step in open_steps])
            return
        late = late_arguments(self._services, act)
        self._queue(act, [(ACT, act.id, Call.from_json(act.material["call"]), late)], last=True)

    def _queue(
        self, act: Act, calls: list[tuple[str, str, Call, Any]], *, last: bool = False
    ) -> None:
        """Queue these transactions, if the budget allows it; the last one makes the act sent."""
        chain = self._services.chain
        fee = _fee_now(chain)
        ready = [
            (purpose, subject, chain.deployment.address(call.contract), call.data(chain, late))
            for purpose, subject, call, late in calls
        ]
        now = wall_clock()
        refused = failed = None
        with self._services.service_db.work() as session:
            before = [outbox.latest(session, purpose, subject) for purpose, subject, *_ in ready]
            failed = next((each for each in before if _failed_just_now(each, now)), None)
            if failed is None and any(
                each is None or each.state not in outbox.STANDING for each in before
            ):
                refused = self._budget.refusal(session, act.account, now, fee)
            if failed is None and refused is None:
                for purpose, subject, to, data in ready:
                    outbox.want(session, purpose=purpose, subject=subject, to=to, data=data)
                stored = session.get_one(Act, act.id)
                stored.waiting = None if last else "what it refers to is put on the chain first"
                if last:
                    stored.state = ActState.SENT
        if failed is not None:
            self._fail(act, failed.error)
        elif refused is not None:
            self._wait(act, refused)

    def _follow(self, act: Act, transaction: Transaction) -> None:
        state = transaction.state
        if state in (TransactionState.REFUSED, TransactionState.REVERTED):
            self._fail(act, transaction.error)
        elif state in (TransactionState.QUEUED, TransactionState.SIGNED):
            self._move(act, ActState.SENT, waiting=transaction.waiting)
        elif act.state != ActState.CONFIRMED or act.transaction != transaction.hash:
            self._confirm(act, transaction)
        if state == TransactionState.FINAL and act.state == ActState.CONFIRMED:
            self._move(act, ActState.FINAL)

    def _follow_own(self, act: Act) -> None:
        """Follow an act that its author sent with a wallet of its own."""
        assert act.transaction is not None
        chain, finality = self._services.chain, self._services.settings.finality
        receipt = blocks.receipt(chain, act.transaction)
        if receipt is None:
            self._move(act, ActState.SENT)
            return
        if receipt["status"] != 1:
            self._fail(act, {"error": "reverted"})
            return
        if act.state != ActState.CONFIRMED:
            self._store_result(act, act.transaction, receipt, paid=False)
        if int(receipt["blockNumber"]) <= blocks.final_number(chain, finality):
            self._move(act, ActState.FINAL)

    def _confirm(self, act: Act, transaction: Transaction) -> None:
        assert transaction.hash is not None
        receipt = blocks.receipt(self._services.chain, transaction.hash)
        if receipt is None:
            raise ChainError(f"the node does not hold the receipt of {transaction.hash}")
        self._store_result(act, transaction.hash, receipt, paid=act.result is None)

    def _store_result(self, act: Act, digest: str, receipt: TxReceipt, *, paid: bool) -> None:
        """Store what came of an act that is in a block. `paid`: by the relay, and not counted yet."""
        result = self._result(act, receipt)
        with self._services.service_db.work() as session:
            stored = session.get_one(Act, act.id)
            stored.state, stored.waiting = ActState.CONFIRMED, None
            stored.result, stored.transaction = result, digest
            if paid:
                wei = int(receipt["gasUsed"]) * int(receipt["effectiveGasPrice"])
                self._budget.spend(session, act.account, wei, wall_clock())
        act.state, act.result, act.transaction = ActState.CONFIRMED, result, digest
        _log.info("confirmed", act=act.id, kind=act.kind, transaction=digest)

    def _result(self, act: Act, receipt: TxReceipt) -> dict[str, Any] | None:
        expected = KINDS[act.kind].result
        if expected is None:
            return None
        event = next(
            (
                each
                for each in events_in(self._services.chain, receipt)
                if (each.contract, each.name) == (expected.contract, expected.event)
            ),
            None,
        )
        if event is None:  # a claim that pays nothing emits nothing
            return None
        values = {name: event[argument] for name, argument in expected.members.items()}
        return {
            name: str(value) if name.endswith("_units") else int(value)
            for name, value in values.items()
        }

    # ---- ends

    def _fail(self, act: Act, error: dict[str, Any] | None) -> None:
        reason = error or {"error": "unknown"}
        arguments = ", ".join(
            f"{name} {value}" for name, value in reason.get("arguments", {}).items()
        )
        problem = {
            "title": "The chain refused it",
            "detail": f"{reason['error']}({arguments}). Nothing came of it: prepare it again.",
            "error": reason["error"],
        }
        self._move(act, ActState.FAILED, problem=problem)
        _log.warning("failed", act=act.id, kind=act.kind, error=reason["error"])

    def _fail_unsigned(self) -> None:
        now = self._services.now()
        late = {
            "title": "Not signed in time",
            "detail": "Its deadline passed before everybody signed: prepare it again.",
            "error": None,
        }
        with self._services.service_db.work() as session:
            for act in session.scalars(
                select(Act).where(Act.state.in_(UNSIGNED), Act.deadline < now)
            ):
                act.state, act.problem = ActState.FAILED, late

    def _wait(self, act: Act, reason: str) -> None:
        if act.waiting != reason:
            self._move(act, ActState(act.state), waiting=reason)

    def _move(
        self,
        act: Act,
        state: ActState,
        *,
        waiting: str | None = None,
        problem: dict[str, Any] | None = None,
    ) -> None:
        if (act.state, act.waiting, act.problem) == (state, waiting, problem):
            return
        with self._services.service_db.work() as session:
            stored = session.get_one(Act, act.id)
            stored.state, stored.waiting, stored.problem = state, waiting, problem
            if (
                state == ActState.SENT and act.signature is not None
            ):  # also when a reorg took it out of its block
                stored.result = stored.transaction = None
        act.state, act.waiting, act.problem = state, waiting, problem

    def _transaction(self, act: Act) -> Transaction | None:
        with self._services.service_db.reading() as session:
            return outbox.latest(session, ACT, act.id)


def _failed_just_now(transaction: Transaction | None, now: int) -> bool:
    failed = (TransactionState.REFUSED, TransactionState.REVERTED)
    return (
        transaction is not None
        and transaction.state in failed
        and transaction.updated_at > now - FORGOTTEN_SECONDS
    )


def _fee_now(chain: Chain) -> int:
    """Wei per gas that is enough for the next blocks."""
    return 2 * blocks.latest(chain).fee


@dataclass(frozen=True, slots=True)
class Relay:
    """What follows acts, and what sends their transactions."""

    sender: Sender
    follower: ActFollower


def open_relay(services: Services, alerts: Alerts) -> Relay:
    """The relay with the key of the settings. Raises InputError naming the setting."""
    settings = services.settings
    if settings.keystore is None:
        raise InputError(
            "name the keystore of the relay's key, which pays for gas: make one with `obbligato key create`, or "
            "leave `relay` out of OBBLIGATO_BACKEND_PARTS",
            field="OBBLIGATO_BACKEND_KEYSTORE",
        )
    signer: Signer = open_keystore(settings.keystore, settings.password_file)
    sender = Sender(
        services.service_db,
        services.chain,
        signer,
        settings=SendingSettings.read(settings),
        lock=KeyLock(signer.address, settings.keystore.absolute().parent, services.service_db),
        alerts=alerts,
    )
    return Relay(sender, ActFollower(services, Budget(settings), alerts))
