"""The attester's HTTP interface: one question, one answer."""

from __future__ import annotations

import threading

from fastapi import FastAPI
from prometheus_client import Counter, Histogram

from obbligato.errors import ObbligatoError
from obbligato.service.http import Checks, add_blocks, add_errors, add_health
from oracle.attesting.node import Attester
from oracle.attesting.wire import AttestationAnswer, AttestationRequest

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
    room = threading.BoundedSemaphore(MOST_AT_ONCE)

    @app.post("/v1/attestations")
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

    @app.get("/v1/status")
    def status() -> dict[str, object]:
        """Who this attester is, and for which chain."""
        return {
            "attester": attester.signer.address,
            "chain_id": attester.chain.deployment.chain_id,
            "oracle": attester.chain.deployment.address("UsageOracle"),
        }

    return app
