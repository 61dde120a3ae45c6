"""The API over the told story and a catalogue after it, once with SQLite and once with PostgreSQL.

The catalogue, with the ids that follow the story's four licences:

    5  ARTIST    «Ação (Clair de Lune)» by Ana Silva and Trio Norte, ISRC AA6Q72000047
    6  DUO       the same ISRC, another file; revoked, its term still runs
    7  LABEL     the file of 5, no ISRC, a title with wildcards
    8  ARTIST    the ISRC of 5 again
    9  PRODUCER  an amendment of its terms is pending
    10 COLD      revoked and over
    11 COLD      its document is nowhere
    12 COLD      its document is no licence document
    13 COLD      revoked and reinstated, then sold to STRANGER, who is its operator's owner
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI

from backend import status
from backend.db.index_db import IndexDatabase
from backend.db.service_db import ServiceDatabase
from backend.disputes import routes as disputes_routes
from backend.http.caching import AnswerCache
from backend.indexer.sync import Index
from backend.licenses import routes as license_routes
from backend.platforms import routes as platform_routes
from backend.reports import routes as report_routes
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text, terms_with_legal_text
from obbligato.protocol.constants import Flag, Metric, Tier
from obbligato.protocol.terms import RateCard, Terms
from obbligato.server.http import add_errors
from scripts.demo.cast import POOL_PLATFORM
from tests import postgres
from tests.onchain import (
    ARTIST,
    COLD,
    DUO,
    LABEL,
    PRODUCER,
    STRANGER,
    UNIT,
    Acts,
    Report,
    new_protocol,
    raw_terms,
    split,
)
from tests.scenario import OPEN, Scenario, tell

ROUTERS = (
    disputes_routes.router,
    license_routes.consent_index,
    license_routes.checks,
    license_routes.grants_router,
    license_routes.index,
    license_routes.texts,
    license_routes.terms_router,
    platform_routes.router,
    report_routes.router,
    status.router,
)

ISRC = "AA6Q72000047"
SHARED = hashlib.sha256(b"the file of 5 and 7").digest()
APPROVED = terms_with_legal_text(
    {Tier.STYLE: RateCard(training_run=0, generation=500, playback=5, grant_fee=7_000_000)},
    term_days=400,
    flags=Flag.GRANT_REQUIRED | Flag.GRANT_APPROVAL | Flag.COMMERCIAL,
)
GENERATED = (Tier.GENERATIVE, Metric.GENERATION)
MODEL_ASKED = hashlib.sha256(b"a model that asks").digest()


class Api:
    """Requests to an application, each answered before the call returns."""

    def __init__(self, app: FastAPI) -> None:
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8450")

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.post(path, **options))

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@dataclass
class ReadingEnv:
    """The chain after story and catalogue, and the databases that follow it."""

    scenario: Scenario
    acts: Acts
    services: dict[str, Services]
    clients: dict[str, Api]
    head_time: int
    corrected: Report
    """Of no rows that anybody contests but the artist, whose challenge is open."""

    def call(self, contract: str, function: str, *arguments: Any) -> Any:
        return self.scenario.protocol.chain.call(contract, function, *arguments)


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """A story of its own: what happens after it here stays."""
    with new_protocol(tmp_path_factory.mktemp("reading")) as protocol:
        yield tell(protocol)


@pytest.fixture(scope="session")
def reading_env(
    scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReadingEnv]:
    acts = Acts(scenario.protocol)
    corrected = _tell_more(acts, scenario)
    with postgres.server() as server, postgres.database(server) as url:
        folder = tmp_path_factory.mktemp("reading")
        services = {
            "sqlite": _services(scenario, folder, f"sqlite:///{folder}/index.db"),
            "postgres": _services(scenario, folder, url),
        }
        clients = {name: _client(each) for name, each in services.items()}
        yield ReadingEnv(scenario, acts, services, clients, acts.now(), corrected)
        for api in clients.values():
            api.close()
        for each in services.values():
            each.close()


@pytest.fixture(params=["sqlite", "postgres"])
def client(reading_env: ReadingEnv, request: pytest.FixtureRequest) -> Api:
    """The API, once over each database."""
    return reading_env.clients[request.param]


@pytest.fixture
def api(reading_env: ReadingEnv) -> Api:
    """The API over SQLite."""
    return reading_env.clients["sqlite"]


def walked(client: Api, path: str, limit: int, **asked: Any) -> list[Any]:
    """All items of a list, page by page."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(path, params={**asked, **cursor, "limit": limit})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert len(found["items"]) <= limit
        items += found["items"]
        if found["next"] is None:
            return items
        cursor = {"cursor": found["next"]}


def _services(scenario: Scenario, folder: Path, url: str) -> Services:
    protocol = scenario.protocol
    index = IndexDatabase(url)
    Index(index, protocol.chain, protocol.store, finality=3).sync()
    return Services(
        settings=BackendSettings(
            rpc_urls=(protocol.url,), deployment=protocol.manifest, folder=folder, finality=3
        ),
        chain=protocol.chain,
        store=protocol.store,
        index_db=index,
        service_db=ServiceDatabase(f"sqlite:///{folder}/records-{index.is_sqlite}.db"),
    )


def _client(services: Services) -> Api:
    app = FastAPI()
    app.state.services = services
    app.state.cache = AnswerCache(services)
    add_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    return Api(app)


def _tell_more(acts: Acts, scenario: Scenario) -> Report:
    chain = acts.chain
    ours = Recording(
        isrc=ISRC,
        title="Ação (Clair de Lune)",
        artists=("Ana Silva", "Trio Norte"),
        content_hash=SHARED,
    )
    other_file = hashlib.sha256(b"the file of 6").digest()
    _mint(acts, ARTIST, OPEN, ours)
    _mint(acts, DUO, OPEN, ours.model_copy(update={"content_hash": other_file}))
    _mint(
        acts,
        LABEL,
        OPEN,
        Recording(title="100%_sure", artists=("The [Brackets]",), content_hash=SHARED),
    )
    _mint(acts, ARTIST, OPEN, ours.model_copy(update={"content_hash": bytes([8]) * 32}))
    for number, owner in ((9, PRODUCER), (10, COLD)):
        _mint(acts, owner, OPEN, _plain(number))
    chain.transact(COLD, "LicenseRegistry", "revoke", 10)
    acts.wait(366)
    _mint(acts, COLD, OPEN, _plain(11), stored=False)
    invalid = b'{"type":"something else"}'
    acts.protocol.store.put(invalid)
    _mint_with(acts, COLD, OPEN, hashlib.sha256(invalid).digest(), bytes([12]) * 32)
    _mint(acts, COLD, OPEN, _plain(13))

    chain.transact(DUO, "LicenseRegistry", "revoke", 6)
    chain.transact(COLD, "LicenseRegistry", "revoke", 13)
    chain.transact(COLD, "LicenseRegistry", "reinstate", 13)
    chain.transact(COLD, "LicenseRegistry", "transferFrom", COLD.address, STRANGER.address, 13)
    for operator in (DUO, LABEL):
        chain.transact(STRANGER, "LicenseRegistry", "setApprovalForAll", operator.address, True)
    chain.transact(STRANGER, "LicenseRegistry", "setApprovalForAll", LABEL.address, False)
    acts.protocol.store.put(legal_text(APPROVED))
    chain.transact(PRODUCER, "LicenseRegistry", "internTerms", raw_terms(APPROVED))
    amended = license_document(recording=_plain(9), terms=APPROVED)
    acts.protocol.store.put(amended.to_bytes())
    chain.transact(PRODUCER, "LicenseRegistry", "amend", 9, APPROVED.digest(), amended.digest())
    _mint(acts, PRODUCER, APPROVED, _plain(14))
    chain.transact(
        POOL_PLATFORM.admin,
        "Grants",
        "ask",
        scenario.poor,
        14,
        int(Tier.STYLE),
        MODEL_ASKED,
        7_000_000,
    )
    third = acts.platform(LABEL, PRODUCER, 50_000_000)
    end = acts.now()
    report = acts.report(
        third,
        PRODUCER,
        hashlib.sha256(b"a third model").digest(),
        [(1, *GENERATED, 10), (5, *GENERATED, 2)],
        (end - 30 * 86_400, end),
    )
    acts.dollars(ARTIST, 10_000_000)
    acts.challenge(ARTIST, report, (5, *GENERATED), 9)
    chain.transact(ARTIST, "Disputes", "claimRecording", 7, hashlib.sha256(b"mine").digest())
    return report


def _plain(number: int) -> Recording:
    return Recording(
        title=f"Number {number}", artists=("Somebody",), content_hash=bytes([number]) * 32
    )


def _mint(
    acts: Acts, owner: LocalAccount, given: Terms, recording: Recording, *, stored: bool = True
) -> None:
    document = license_document(recording=recording, terms=given)
    if stored:
        acts.protocol.store.put(document.to_bytes())
    acts.protocol.store.put(legal_text(given))
    _mint_with(acts, owner, given, document.digest(), recording.content_hash)


def _mint_with(
    acts: Acts, owner: LocalAccount, given: Terms, document: bytes, content: bytes
) -> None:
    pays = split((owner, 600_000), (STRANGER, 400_000)) if owner is COLD else split((owner, UNIT))
    acts.chain.transact(
        owner,
        "LicenseRegistry",
        "mintWith",
        owner.address,
        raw_terms(given),
        [(payee.account, payee.share, int(payee.role)) for payee in pays.payees],
        document,
        content,
    )
