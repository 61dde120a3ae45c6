"""Payouts: payees who asked for it are paid without claiming, once they have earned what they named."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter
from sqlalchemy import select

from obbligato.chain.client import Chain
from obbligato.chain.follower import MemoryFollower, NewBlocks, Undone
from obbligato.protocol.constants import PPM
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items
from obbligato.transactions.outbox import want
from oracle.db import OracleDatabase, Payout

_log = structlog.get_logger(__name__)
_pushed = Counter("obbligato_payouts_wanted", "Claims made for payees who asked for it.")

CLAIM = "claim"
MOST_SPLITS = 200
"""Splits of one claim: about 1.5 million gas."""


class Payees:
    """Splits by payee, as the vault's events name them.

    Ids that a reorg undid are forgotten: the same id may be another split after it.
    """

    def __init__(self, chain: Chain) -> None:
        self._follower = MemoryFollower(chain, contracts=("RoyaltyVault",), undoes_all=True)
        self._splits: defaultdict[str, list[int]] = defaultdict(list)

    def follow(self) -> None:
        """Read on to the newest block. Raises ChainError; the next time goes on with what was not read."""
        for step in self._follower.steps():
            if isinstance(step, Undone):
                self._splits.clear()
            elif isinstance(step, NewBlocks):
                for event in step.events:
                    if event.name == "SplitInterned":
                        for payee in event["payees"]:
                            self._splits[payee["account"]].append(event["splitId"])

    def splits_of(self, account: str) -> Sequence[int]:
        """The splits that pay an account (checksummed), ascending."""
        return tuple(self._splits.get(account, ()))


@dataclass
class Payouts:
    """Looks through who asked to be paid, at most every `every_seconds`."""

    database: OracleDatabase
    chain: Chain
    payees: Payees
    every_seconds: float
    clock: Callable[[], float] = time.monotonic
    alerts: Alerts | None = None
    items: Items[str] = field(init=False)
    _next: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.items = Items("payouts", self.alerts, self.clock)

    def tick(self) -> int:
        """Want a claim for everybody who has earned enough; how many. Raises ChainError.

        An account that fails is put off and tried again between two rounds, too; the others are paid.
        """
        is_round = self.clock() >= self._next
        again = [account for account in self.items.failing() if self.items.is_due(account)]
        if not is_round and not again:
            return 0
        with self.database.work() as session:
            asked = session.scalars(select(Payout).order_by(Payout.account)).all()
        claims = 0
        if asked:
            self.payees.follow()
        for payout in asked:
            if payout.account in again or (is_round and self.items.is_due(payout.account)):
                with self.items.attempt(payout.account):
                    claims += self._pay(payout)
        if is_round:
            self._next = self.clock() + self.every_seconds
        self.items.report([payout.account for payout in asked])
        return claims

    def _pay(self, payout: Payout) -> int:
        owed: list[tuple[int, int]] = []
        claimed = 0
        for split_id in self.payees.splits_of(payout.account):
            position = self.chain.position(split_id, payout.account)
            claimed += position.claimed_units
            received = self.chain.received_units(split_id)
            due = received * position.share_ppm // PPM - position.claimed_units
            if due > 0:
                owed.append((due, split_id))
        owed.sort(reverse=True)
        chosen = owed[:MOST_SPLITS]
        if sum(due for due, _ in chosen) < payout.minimum:
            return 0
        splits = sorted(split_id for _, split_id in chosen)
        with self.database.work() as session:
            want(
                session,
                purpose=CLAIM,
                # What was claimed before makes each payout another one, and the same one once.
                subject=f"{payout.account}:{claimed}",
                to=self.chain.deployment.address("RoyaltyVault"),
                data=self.chain.encode("RoyaltyVault", "claim", payout.account, splits),
            )
        _pushed.inc()
        _log.info("payout", account=payout.account, splits=len(splits))
        return 1
