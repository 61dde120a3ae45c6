"""What the relay may spend: acts and gas a day for one account, gas a day for everybody.

Whoever makes a new account has a new allowance, so only the cap for everybody is a bound on the money.
Days are UTC. What is on its way counts as if it took all the gas it may.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.service_db import Act, ActState, Spending
from backend.settings import BackendSettings
from obbligato.server.http import Problem
from obbligato.transactions.fees import GIGAWEI
from obbligato.transactions.tables import Broadcast, Transaction, TransactionState

DAY_SECONDS: Final = 86_400
ETHER: Final = 10**18
MINED: Final = (TransactionState.MINED, TransactionState.FINAL, TransactionState.REVERTED)
USUAL_GAS: Final = 600_000
"""What an act is taken to need before anybody estimated it, what it needs interned included."""


class Budget:
    """The limits of the settings, over the records of one unit of work."""

    def __init__(self, settings: BackendSettings) -> None:
        self._acts = settings.acts_per_day
        self._account_wei = int(settings.account_day_ether * ETHER)
        self._day_wei = int(settings.day_ether * ETHER)
        self._most_fee = int(settings.max_fee_gwei * GIGAWEI)

    def check(self, session: Session, account: str, now: int) -> None:
        """Whether an account has an act left today. Raises Problem 429."""
        if _row(session, account, now).acts >= self._acts:
            raise Problem(
                429,
                "Enough for today",
                f"{self._acts} acts a day are paid for one account; send it with your own wallet, or tomorrow.",
                retry_after_seconds=DAY_SECONDS - now % DAY_SECONDS,
            )

    def take(self, session: Session, account: str, now: int) -> None:
        """One act of today's."""
        _row(session, account, now).acts += 1

    def refusal(self, session: Session, account: str, now: int, fee: int) -> str | None:
        """Why nothing more can be paid for right now; None where it can. `fee` is wei per gas as of now."""
        usual = USUAL_GAS * min(fee, self._most_fee)
        day = now // DAY_SECONDS
        if _spent(session, day) + _on_its_way(session, usual) + usual > self._day_wei:
            return "what the relay pays for on one day is used up: it goes on tomorrow"
        mine = _row(session, account, now).wei
        if mine + usual * _acts_on_their_way(session, account) > self._account_wei:
            return "what is paid for one account on one day is used up: it goes on tomorrow"
        return None

    def spend(self, session: Session, account: str, wei: int, now: int) -> None:
        """Gas that was paid for an account."""
        _row(session, account, now).wei += wei


def _row(session: Session, account: str, now: int) -> Spending:
    day = now // DAY_SECONDS
    row = session.get(Spending, (day, account))
    if row is None:
        row = Spending(day=day, account=account, acts=0, wei=0)
        session.add(row)
    return row


def _newest() -> Any:
    """The newest broadcast of each transaction: its fees are the highest."""
    return (
        select(Broadcast.transaction_id, func.max(Broadcast.id).label("id"))
        .group_by(Broadcast.transaction_id)
        .subquery()
    )


def _spent(session: Session, day: int) -> int:
    """Wei that was paid on a day, at most: what was used, at the highest fee that was offered."""
    newest = _newest()
    rows = session.execute(
        select(Transaction.gas_used, Broadcast.max_fee)
        .join(newest, newest.c.transaction_id == Transaction.id)
        .join(Broadcast, Broadcast.id == newest.c.id)
        .where(Transaction.state.in_(MINED), Transaction.updated_at >= day * DAY_SECONDS)
    )
    return sum((gas or 0) * fee for gas, fee in rows)


def _on_its_way(session: Session, usual_wei: int) -> int:
    """Wei that open transactions may still take."""
    newest = _newest()
    rows = session.execute(
        select(Transaction.gas, Broadcast.max_fee)
        .outerjoin(newest, newest.c.transaction_id == Transaction.id)
        .outerjoin(Broadcast, Broadcast.id == newest.c.id)
        .where(Transaction.state.in_((TransactionState.QUEUED, TransactionState.SIGNED)))
    )
    return sum(gas * fee if gas and fee else usual_wei for gas, fee in rows)


def _acts_on_their_way(session: Session, account: str) -> int:
    """Acts of an account that are sent and not mined, and one more: the one that is asked about."""
    sent = session.scalar(
        select(func.count()).where(Act.account == account, Act.state == ActState.SENT)
    )
    return (sent or 0) + 1
