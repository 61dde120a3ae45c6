"""What an operator would look at every minute: gas money, escrow, missing periods, stuck work, old files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Gauge
from sqlalchemy import select

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.schemas.oracle import State
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items, Worker
from obbligato.transactions.gas_money import GasMoney
from oracle.db import OracleDatabase, Submission
from oracle.intake.uploads import Uploads
from oracle.payouts import Payouts
from oracle.settings import LeaderSettings

_log = structlog.get_logger(__name__)
_submissions = Gauge("obbligato_submissions", "Submissions by state.", ["state"])

EVERY_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86_400
MOVING: Final = (
    State.RECEIVED,
    State.SIGNED,
    State.ATTESTED,
    State.SUBMITTED,
)


@dataclass
class HealthChecks:
    """Raises and clears standing alerts; what it finds stops no work."""

    database: OracleDatabase
    chain: Chain
    settings: LeaderSettings
    sender_address: str
    alerts: Alerts
    uploads: Uploads
    payouts: Payouts
    items: Items[str] = field(init=False)

    def __post_init__(self) -> None:
        self.items = Items("health checks", self.alerts)

    def worker(self) -> Worker:
        """The checks as a supervisor runs them."""
        every = min(EVERY_SECONDS, self.settings.payout_every_seconds)
        return Worker("health checks", self.tick, every)

    def tick(self) -> None:
        """Look once; a check that fails is tried again later, the others go on."""
        least = self.settings.low_gas_ether
        gas_money = GasMoney(self.chain, self.sender_address, least, self.alerts)
        checks: dict[str, Callable[[], object]] = {
            "gas money": gas_money.tick,
            "work": self._look_at_work,
            "platforms": self._look_at_platforms,
            "payouts": self.payouts.tick,
            "uploads": lambda: self.uploads.sweep(int(time.time())),
        }
        for name, check in checks.items():
            with self.items.attempt(name):
                check()
        self.items.report(list(checks))

    def _look_at_work(self) -> None:
        with self.database.work() as session:
            found = session.execute(
                select(Submission.id, Submission.state, Submission.updated_at, Submission.waiting)
            ).all()
        for state in State:
            _submissions.labels(state).set(sum(row.state == state for row in found))
        oldest = time.time() - self.settings.stuck_after_seconds
        for row in found:
            words = f"{row.id} is {row.state} since {row.updated_at}: {row.waiting or 'unknown'}"
            stuck = row.state in MOVING and row.updated_at < oldest
            self._alert_if(f"stuck report {row.id}", stuck, words)

    def _look_at_platforms(self) -> None:
        """Escrow that runs low, and streams whose last period is long ago."""
        with self.database.work() as session:
            streams = session.execute(
                select(Submission.platform_id, Submission.model_id)
                .where(Submission.dry_run.is_(False))
                .distinct()
            ).all()
        now = blocks.latest(self.chain).timestamp
        late = now - self.settings.missing_after_days * DAY_SECONDS
        for platform_id, model_id in streams:
            covered = self.chain.stream(platform_id, model_id).covered_until
            self._alert_if(
                f"missing period {platform_id} {model_id.hex()}",
                0 < covered < late,
                f"platform {platform_id} has reported model 0x{model_id.hex()} until {covered}",
            )
        if self.settings.low_escrow_units:
            for platform_id in {row.platform_id for row in streams}:
                available = self.chain.escrow(platform_id).available_units
                self._alert_if(
                    f"low escrow {platform_id}",
                    available < self.settings.low_escrow_units,
                    f"platform {platform_id} has {available} units available",
                )

    def _alert_if(self, key: str, is_wrong: bool, words: str) -> None:
        if is_wrong:
            self.alerts.stand(key, words)
        else:
            self.alerts.clear(key)
