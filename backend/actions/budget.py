"""What the relay may spend: acts and gas a day for one account, gas a day for all accounts.

Everybody can make a new account with a new allowance, so only the cap for all accounts bounds the money.
Days are UTC. A transaction that is not mined yet counts with all the gas that it may use.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.db.service_db import Act, Spending
from backend.settings import BackendSettings
from obbligato.schemas.act_states import ActState
from obbligato.server.http import Problem
from obbligato.transactions.fees import GIGAWEI
from obbligato.transactions.tables import Broadcast, Transaction, TransactionState

DAY_SECONDS: Final = 86_400
ETHER: Final = 10**18
MINED: Final = (TransactionState.MINED, TransactionState.FINAL, TransactionState.REVERTED)
USUAL_GAS: Final = 600_000
"""The gas of an act before it is estimated, with what it needs interned."""


class Budget:
    """The limits of the settings, over the records of one unit of work."""

    def __init__(self, settings: BackendSettings) -> None:
        self._acts = settings.acts_per_day
        self._account_wei = int(settings.account_day_ether * ETHER)
        self._day_wei = int(settings.day_ether * ETHER)
        self._most_fee = int(settings.max_fee_gwei * GIGAWEI)

    def check(self, session: Session, account: str, now: int) -> None:
        """Refuse early, before anything costly is asked. Raises Problem 429."""
        row = session.get(Spending, (now // DAY_SECONDS, account))
        if (0 if row is None else row.acts) >= self._acts:
            raise self._used_up(now)

    def take(self, session: Session, account: str, now: int) -> None:
        """Count one act of today. One statement compares and counts: of two at once only one gets the last.

        Raises Problem 429.
        """
        _row(session, account, now)
        session.flush()
        taken = session.execute(
            update(Spending)
            .where(
                Spending.day == now // DAY_SECONDS,
                Spending.account == account,
                Spending.acts < self._acts,
            )
            .values(acts=Spending.acts + 1)
            .returning(Spending.acts)
        ).all()
        if not taken:
            raise self._used_up(now)

    def _used_up(self, now: int) -> Problem:
        return Problem(
            429,
            "No more acts today",
            f"{self._acts} acts a day are paid for one account; send it with your own wallet, or tomorrow.",
            retry_after_seconds=DAY_SECONDS - now % DAY_SECONDS,
        )

    def refusal(self, session: Session, account: str, now: int, fee: int) -> str | None:
        """Why the relay cannot pay for another act right now; None where it can. `fee` is wei per gas."""
        usual = USUAL_GAS * min(fee, self._most_fee)
        day = now // DAY_SECONDS
        if _spent(session, day) + _pending_wei(session, usual) + usual > self._day_wei:
            return "what the relay pays for on one day is used up: it goes on tomorrow"
        account_wei = _row(session, account, now).wei
        if account_wei + usual * _pending_acts(session, account) > self._account_wei:
            return "what is paid for one account on one day is used up: it goes on tomorrow"
        return None

    def spend(self, session: Session, account: str, wei: int, now: int) -> None:
        """Count the gas that was paid for an account."""
        _row(session, account, now).wei += wei


def _row(session: Session, account: str, now: int) -> Spending:
    key = (now // DAY_SECONDS, account)
    row = session.get(Spending, key)
    if row is None:
        row = Spending(day=key[0], account=account, acts=0, wei=0)
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:  # another request made it meanwhile
            row = session.get_one(Spending, key)
    return row


def _newest() -> Any:
    """The newest broadcast of each transaction: its fees are the highest."""
    return (
        select(Broadcast.transaction_id, func.max(Broadcast.id).label("id"))
        .group_by(Broadcast.transaction_id)
        .subquery()
    )


def _spent(session: Session, day: int) -> int:
    """An upper bound of the wei paid on a day: the gas used, at the highest fee offered."""
    newest = _newest()
    rows = session.execute(
        select(Transaction.gas_used, Broadcast.max_fee)
        .join(newest, newest.c.transaction_id == Transaction.id)
        .join(Broadcast, Broadcast.id == newest.c.id)
        .where(Transaction.state.in_(MINED), Transaction.updated_at >= day * DAY_SECONDS)
    )
    return sum((gas or 0) * fee for gas, fee in rows)


def _pending_wei(session: Session, usual_wei: int) -> int:
    """Wei that open transactions may still take."""
    newest = _newest()
    rows = session.execute(
        select(Transaction.gas, Broadcast.max_fee)
        .outerjoin(newest, newest.c.transaction_id == Transaction.id)
        .outerjoin(Broadcast, Broadcast.id == newest.c.id)
        .where(Transaction.state.in_((TransactionState.QUEUED, TransactionState.SIGNED)))
    )
    return sum(gas * fee if gas and fee else usual_wei for gas, fee in rows)


def _pending_acts(session: Session, account: str) -> int:
    """Acts of an account that are sent and not mined, and the next one."""
    sent = session.scalar(
        select(func.count()).where(Act.account == account, Act.state == ActState.SENT)
    )
    return (sent or 0) + 1
