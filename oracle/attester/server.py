"""`obbligato oracle attest`: open everything an attester needs, check it, serve."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from fastapi import FastAPI
from prometheus_client import Counter, Histogram

from obbligato.errors import ObbligatoError
from obbligato.schemas.attestation import AttestationAnswer, AttestationRequest, AttesterStatus
from obbligato.server.alerts import open_alerts
from obbligato.server.http import (
    Checks,
    add_blocks,
    add_description,
    add_errors,
    add_health,
    problems,
    stopped_by,
)
from obbligato.server.process import run_service
from obbligato.server.supervisor import Supervisor, Worker
from oracle.attester.attester import Attester, open_attester
from oracle.settings import AttesterSettings, read_settings
from oracle.startup import chain_problem, open_chain, open_signer, open_store

_attested = Counter("obbligato_attestations", "Reports that were asked about.", ["outcome"])
_seconds = Histogram("obbligato_attestation_seconds", "Time to recompute one report.")

MOST_AT_ONCE = 2
"""Reports recomputed at the same time; further ones wait, so that memory stays bounded."""


def attester_api(attester: Attester, checks: Checks) -> FastAPI:
    """The application."""
    app = FastAPI(title="Obbligato attester", docs_url=None, redoc_url=None)
    add_errors(app, not_found=503)  # evidence that is not there may come: ask again
    add_health(app, checks)
    add_blocks(app, attester.store)
    add_description(app)
    room = threading.BoundedSemaphore(MOST_AT_ONCE)

    @app.post(
        "/v1/attestations",
        tags=["attestations"],
        operation_id="attest",
        responses=problems(422, 502, 503),
    )
    def attest(request: AttestationRequest) -> AttestationAnswer:
        """Recompute a report and sign it; 422 with the reason where it is refused."""
        with room, _seconds.time():
            try:
                answer = attester.attest(request)
            except ObbligatoError as error:
                _attested.labels(type(error).__name__).inc()
                raise
        _attested.labels("signed").inc()
        return answer

    @app.get("/v1/status", tags=["status"], operation_id="attester_status")
    def status() -> AttesterStatus:
        """Who this attester is, and for which chain."""
        deployment = attester.chain.deployment
        return AttesterStatus(
            attester=attester.signer.address,
            chain_id=deployment.chain_id,
            oracle=deployment.address("UsageOracle"),
        )

    return app


FOLLOW_SECONDS: Final = 5.0
"""How often the book of licences is read on to the newest final block."""


def licenses_worker(attester: Attester, name: str) -> Worker:
    """Reads licences and their documents as blocks become final, so that no report waits for all of them."""
    return Worker(name, attester.follow, FOLLOW_SECONDS, stalled_seconds=3_600)


@dataclass(frozen=True)
class AttesterService:
    """One attester process."""

    attester: Attester
    supervisor: Supervisor
    stop: threading.Event

    @classmethod
    def open(cls, settings: AttesterSettings, stop: threading.Event) -> AttesterService:
        """Raises InputError naming the setting, ChainError, StoreError, DatabaseError."""
        attester = open_attester(
            open_chain(settings),
            open_store(settings),
            open_signer(settings),
            database=settings.database_url,
            scratch=settings.scratch,
            finality=settings.finality,
            longest_deadline=settings.longest_deadline,
        )
        alerts = open_alerts(settings.alert_url, f"attester {attester.signer.address}")
        supervisor = Supervisor(alerts, stop, [licenses_worker(attester, "licences")])
        return cls(attester, supervisor, stop)

    def api(self) -> FastAPI:
        """The application of this process."""
        return attester_api(
            self.attester,
            {
                "chain": lambda: chain_problem(self.attester.chain),
                "process": stopped_by(self.stop),
                "workers": self.supervisor.ready,
            },
        )

    def close(self) -> None:
        """Close its memory."""
        self.attester.memory.close()


def attest(
    port: Annotated[int | None, typer.Option(help="Port; 8461 by default.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    keystore: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The attester's encrypted key.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Its password; else it is asked for.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where it keeps what it signed, and scratch files.")
    ] = None,
) -> None:
    """Run an attester: it recomputes reports from their evidence and its own node, and signs.

    It needs OBBLIGATO_RPC_URL (a node of its own), OBBLIGATO_DEPLOYMENT, a keystore, and a way to
    the evidence: OBBLIGATO_STORE, or OBBLIGATO_GATEWAYS such as the leader's base URL. What it
    signed is kept in its folder: never run it from a copy of an older folder.

    \b
    Examples:
      obbligato key create attester.json
      obbligato oracle attest --keystore attester.json --password-file password.txt
    """
    settings = read_settings(
        AttesterSettings,
        port=port,
        host=host,
        keystore=keystore,
        password_file=password_file,
        folder=folder,
    )
    run_service(settings, AttesterService.open)
