"""What an operator would look at every minute: gas money, escrow, missing periods, stuck work, old files."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

import structlog
from eth_utils.address import to_checksum_address
from prometheus_client import Gauge
from sqlalchemy import select

from obbligato.chain.client import Chain, answered
from obbligato.errors import ChainError
from obbligato.schemas.oracle import State
from obbligato.server.alerts import Alerts
from oracle.db import OracleDatabase, Submission
from oracle.intake.uploads import Uploads
from oracle.payouts.payouts import Payouts
from oracle.settings import LeaderSettings
from oracle.startup import latest_block

_log = structlog.get_logger(__name__)
_submissions = Gauge("obbligato_submissions", "Submissions by state.", ["state"])
_gas_money = Gauge("obbligato_sender_wei", "What the sender holds for gas, in wei.")

EVERY_SECONDS: Final = 60.0
DAY_SECONDS: Final = 86_400
WEI: Final = 10**18
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

    def run(self, stop: threading.Event) -> None:
        """Check until `stop` is set."""
        while not stop.is_set():
            try:
                self.tick()
            except ChainError as error:
                _log.warning("health checks cannot ask the chain", reason=str(error))
            except Exception:
                _log.exception("health checks failed")
            stop.wait(min(EVERY_SECONDS, self.settings.payout_every_seconds))

    def tick(self) -> None:
        """Check once, pay out, remove old uploads. Raises ChainError."""
        self._look_at_gas_money()
        self._look_at_work()
        self._look_at_platforms()
        self.payouts.tick()
        self.uploads.sweep(int(time.time()))

    def _look_at_gas_money(self) -> None:
        address = to_checksum_address(self.sender_address)
        balance = answered(lambda: self.chain.web3.eth.get_balance(address))
        _gas_money.set(balance)
        self._alert_if(
            "low gas money",
            balance < int(self.settings.low_gas_ether * WEI),
            f"{self.sender_address} holds {balance} wei: send it more",
        )

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
        now = latest_block(self.chain).timestamp
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
