"""The leader: its parts opened and put together, its workers, its status."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from sqlalchemy import func, select

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.views import AttesterSet
from obbligato.consent import LicenseBook
from obbligato.errors import InputError
from obbligato.keys import Signer, open_keystore
from obbligato.server.alerts import Alerts, open_alerts
from obbligato.server.http import stopped_by
from obbligato.server.supervisor import Supervisor, Worker
from obbligato.store import ContentStore
from obbligato.transactions.fees import SendingSettings
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.outbox import counts
from obbligato.transactions.sender import Sender
from oracle.attester.attester import Attester, open_attester
from oracle.attester.server import attester_api, licenses_worker
from oracle.db import OracleDatabase, Submission
from oracle.health_checks import HealthChecks
from oracle.intake.api import Intake, intake_api
from oracle.intake.callers import Callers
from oracle.intake.submissions import Submissions
from oracle.intake.uploads import Uploads
from oracle.payouts import Payees, Payouts
from oracle.reports.keeper import Keeper
from oracle.reports.metering import Meter
from oracle.reports.pipeline import Pipeline
from oracle.reports.quorum import Gatherer
from oracle.settings import AttesterSettings, LeaderSettings
from oracle.startup import chain_problem, open_chain, open_signer, open_store

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Leader:
    """One leader process."""

    settings: LeaderSettings
    stop: threading.Event
    database: OracleDatabase
    chain: Chain
    second: Chain | None
    store: ContentStore
    signer: Signer
    alerts: Alerts
    gatherer: Gatherer
    uploads: Uploads
    pipeline: Pipeline
    sender: Sender
    keeper: Keeper
    health_checks: HealthChecks

    @classmethod
    def open(cls, settings: LeaderSettings, stop: threading.Event) -> Leader:
        """Open everything; chain id, contract code and quorum are checked before anything is signed.

        Raises InputError, ChainError, StoreError, DatabaseError.
        """
        signer = open_signer(settings)
        chain = open_chain(settings)
        inside = _attester_urls(settings)
        urls = (*settings.attesters, *inside)
        _check_quorum(settings, urls, chain.attesters())
        second = (
            Chain.connect(settings.second_rpc_url, chain.deployment)
            if settings.second_rpc_url
            else None
        )
        store = open_store(settings)
        database = OracleDatabase(settings.database_url)
        book = LicenseBook(chain, store)
        alerts = open_alerts(settings.alert_url, "leader")
        uploads = Uploads(
            database,
            settings.folder / "uploads",
            most_bytes=settings.most_upload_bytes,
            most_of_platform=settings.most_uploads_bytes,
        )
        gatherer = Gatherer(chain, urls, timeout_seconds=settings.attester_timeout)
        meter = Meter(
            database=database,
            chain=chain,
            store=store,
            book=book,
            uploads=uploads,
            folder=settings.scratch,
            most_events=settings.most_events,
            document_patience=settings.document_patience,
        )
        pipeline = Pipeline(
            database=database,
            chain=chain,
            meter=meter,
            gatherer=gatherer,
            finality=settings.finality,
            signing_seconds=settings.signing_seconds,
            poll_seconds=settings.poll_seconds,
            alerts=alerts,
        )
        sender = Sender(
            database,
            chain,
            signer,
            settings=SendingSettings.read(settings),
            second=second,
            lock=KeyLock(signer.address, _lock_folder(settings), database),
            alerts=alerts,
        )
        keeper = Keeper(
            database=database,
            chain=chain,
            finality=settings.finality,
            wake=pipeline.wake,
            second=second,
            alerts=alerts,
        )
        health_checks = HealthChecks(
            database=database,
            chain=chain,
            settings=settings,
            sender_address=signer.address,
            alerts=alerts,
            uploads=uploads,
            payouts=Payouts(
                database, chain, Payees(chain), settings.payout_every_seconds, alerts=alerts
            ),
        )
        return cls(
            settings,
            stop,
            database,
            chain,
            second,
            store,
            signer,
            alerts,
            gatherer,
            uploads,
            pipeline,
            sender,
            keeper,
            health_checks,
        )

    def api(self) -> FastAPI:
        """The application of this process."""
        app = intake_api(
            Intake(
                database=self.database,
                store=self.store,
                callers=Callers(self.chain, self.database),
                uploads=self.uploads,
                submissions=Submissions(self.database, self.uploads, self.chain),
                wake=self.pipeline.wake,
                status=self.status,
                checks={
                    "process": stopped_by(self.stop),
                    "workers": self.supervisor.ready,
                    "chain": self._chain_problem,
                    "database": self._database_problem,
                    "sender key": self._lock_problem,
                },
            )
        )
        for number, attester in enumerate(self.attesters):
            app.mount(
                f"/attesters/{number}", attester_api(attester, {"chain": self._chain_problem})
            )
        return app

    @functools.cached_property
    def attesters(self) -> Sequence[Attester]:
        """The attesters inside this process, each with a memory of its own."""
        return [
            self._attester(number, keystore)
            for number, keystore in enumerate(self.settings.attester_keystores)
        ]

    def _attester(self, number: int, keystore: Path) -> Attester:
        folder = self.settings.folder / f"attester-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        return open_attester(
            self.chain,
            self.store,
            open_keystore(keystore, self.settings.password_file),
            database=f"sqlite:///{folder.absolute() / 'oracle.db'}",
            scratch=folder / "scratch",
            finality=self.settings.finality,
            longest_deadline=AttesterSettings.model_fields["longest_deadline"].default,
        )

    @functools.cached_property
    def supervisor(self) -> Supervisor:
        """The workers of this process, in the order in which they end."""
        keeper = Worker("keeper", self.keeper.tick, self.settings.poll_seconds)
        workers = [
            self.pipeline.worker(),
            keeper,
            self.health_checks.worker(),
            self.sender.worker(),
            *(
                licenses_worker(attester, f"licences of attester {number}")
                for number, attester in enumerate(self.attesters)
            ),
        ]
        return Supervisor(self.alerts, self.stop, workers)

    def close(self) -> None:
        """Close the databases."""
        for attester in self.attesters:
            attester.memory.close()
        self.database.close()

    def status(self) -> dict[str, Any]:
        """What the status page says."""
        attesters = self.chain.attesters()
        with self.database.work() as session:
            by_state = session.execute(
                select(Submission.state, func.count()).group_by(Submission.state)
            ).all()
            transactions = counts(session)
        return {
            "chain_id": self.chain.deployment.chain_id,
            "contracts": {
                name: contract.address for name, contract in self.chain.deployment.contracts.items()
            },
            "block": blocks.latest(self.chain).number,
            "sender": self.signer.address,
            "attesters": {
                "members": sorted(attesters.members),
                "config_version": attesters.version,
                "quorum": attesters.quorum,
                "urls": self.gatherer.ready(),
                "single": len(attesters.members) == 1,
                "inside_this_process": len(self.settings.attester_keystores),
            },
            "submissions": {str(state): int(count) for state, count in by_state},
            "transactions": transactions,
            "alerts": [
                {"key": alert.key, "words": alert.words, "since": alert.since}
                for alert in self.alerts.standing()
            ],
        }

    def _chain_problem(self) -> str | None:
        return chain_problem(self.chain)

    def _database_problem(self) -> str | None:
        try:
            with self.database.work() as session:
                session.execute(select(1))
        except Exception as error:
            return f"the database does not answer: {type(error).__name__}"
        return None

    def _lock_problem(self) -> str | None:
        return self.sender.waiting


def _attester_urls(settings: LeaderSettings) -> tuple[str, ...]:
    """Where the attesters inside this process answer."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 -- compared
    count = len(settings.attester_keystores)
    return tuple(f"http://{host}:{settings.port}/attesters/{number}" for number in range(count))


def _check_quorum(settings: LeaderSettings, urls: Sequence[str], attesters: AttesterSet) -> None:
    """One attester is no quorum of anybody: it must be asked for."""
    if len(attesters.members) == 1 and not settings.single_attester:
        raise InputError(
            "the deployment has one attester, which decides alone: say --single-attester if this "
            "is for development",
            field="OBBLIGATO_ORACLE_SINGLE_ATTESTER",
        )
    if len(urls) < attesters.quorum:
        raise InputError(
            f"names {len(urls)} attesters, a quorum is {attesters.quorum}: give the URL of each",
            field="OBBLIGATO_ORACLE_ATTESTERS",
        )


def _lock_folder(settings: LeaderSettings) -> Path:
    """Where the key lies: processes with the same keystore meet there."""
    assert settings.keystore is not None
    return settings.keystore.absolute().parent
