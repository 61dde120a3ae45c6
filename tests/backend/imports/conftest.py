"""Where catalogues are imported: the scenario's chain, an index, empty records, and the API in between."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from httpx import Response

from backend.auth import deps
from backend.db.index_db import IndexDatabase
from backend.db.service_db import CatalogueLine, ServiceDatabase
from backend.http.callers import Caller
from backend.imports.routes import router
from backend.imports.worker import CatalogueWorker
from backend.indexer.sync import Index
from backend.services import Services
from backend.settings import BackendSettings
from obbligato.server.alerts import Alerts
from obbligato.server.http import add_errors
from tests import postgres
from tests.onchain import Acts
from tests.scenario import Scenario

FINALITY = 3


@dataclass
class ImportsEnv:
    """Services over the story; the worker is moved by hand."""

    acts: Acts
    services: Services
    index: Index
    worker: CatalogueWorker
    client: TestClient

    def as_(self, account: LocalAccount) -> Visitor:
        """Requests of somebody who signed in."""
        return Visitor(self.client, account.address)

    def work(self) -> None:
        """Everything that the worker can do now."""
        self.worker.step(threading.Event())

    def follow(self) -> None:
        """The index, and then the worker."""
        self.index.sync()
        self.work()

    def lines(self, catalogue_id: str) -> dict[int, CatalogueLine]:
        """As they are kept."""
        with self.services.service_db.reading() as session:
            query = session.query(CatalogueLine).filter_by(catalogue_id=catalogue_id)
            return {line.line: line for line in query}


@dataclass
class Visitor:
    """One account's requests."""

    client: TestClient
    account: str

    def ask(self, method: str, path: str = "", **options: Any) -> Response:
        headers = {"x-caller": self.account, **options.pop("headers", {})}
        answer: Response = self.client.request(
            method, f"/v1/catalogues{path}", headers=headers, **options
        )
        return answer

    def send(
        self, data: bytes | str, method: str = "POST", path: str = "", **options: Any
    ) -> Response:
        headers = {"content-type": "text/csv", **options.pop("headers", {})}
        content = data if isinstance(data, bytes) else data.encode()
        return self.ask(method, path, content=content, headers=headers, **options)

    def take_in(self, data: bytes | str, **params: str) -> str:
        """Import a file; the catalogue's id."""
        answer = self.send(data, params=params)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def counts(self, catalogue_id: str) -> dict[str, int]:
        """Of a catalogue, the states that lines are in."""
        answer = self.ask("GET", f"/{catalogue_id}")
        assert answer.status_code == 200, answer.text
        return {state: number for state, number in answer.json()["counts"].items() if number}


def written(rows: Sequence[Mapping[str, str]]) -> str:
    """A CSV of these rows, with every column that one of them has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def content(title: str) -> str:
    """A content hash for a title, as sha256sum prints it."""
    return hashlib.sha256(title.encode()).hexdigest()


def song(title: str, **more: str) -> dict[str, str]:
    """A line that is right."""
    return {
        "title": title,
        "artists": "Nadia Vale",
        "content_hash": content(title),
        "preset": "train-dont-imitate",
        **more,
    }


@contextlib.contextmanager
def _imports_env(scenario: Scenario, folder: Path, records: str) -> Iterator[ImportsEnv]:
    protocol = scenario.protocol
    acts = Acts(protocol)
    with acts.undone():
        services = Services(
            settings=BackendSettings(
                rpc_urls=(protocol.url,),
                deployment=protocol.manifest,
                folder=folder,
                finality=FINALITY,
            ),
            chain=protocol.chain,
            store=protocol.store,
            index_db=IndexDatabase(f"sqlite:///{folder}/index.db"),
            service_db=ServiceDatabase(records),
            clock=lambda: acts.now(),
        )
        index = Index(services.index_db, protocol.chain, protocol.store, finality=FINALITY)
        index.sync()
        worker = CatalogueWorker(services, Alerts())
        with TestClient(_app(services), raise_server_exceptions=False) as client:
            yield ImportsEnv(acts, services, index, worker, client)
        services.close()


def _app(services: Services) -> FastAPI:
    app = FastAPI()
    app.state.services = services
    add_errors(app)
    app.include_router(router)

    def caller(request: Request) -> Caller | None:
        account = request.headers.get("x-caller")
        return None if account is None else Caller(account=account, kind="session", id="test")

    app.dependency_overrides[deps._caller] = caller
    return app


@pytest.fixture
def imports_env(scenario: Scenario, tmp_path: Path) -> Iterator[ImportsEnv]:
    with _imports_env(scenario, tmp_path, f"sqlite:///{tmp_path}/records.db") as made:
        yield made


@pytest.fixture
def postgres_imports_env(scenario: Scenario, tmp_path: Path) -> Iterator[ImportsEnv]:
    """The same with PostgreSQL for the records."""
    with (
        postgres.server() as server,
        postgres.database(server) as url,
        _imports_env(scenario, tmp_path, url) as made,
    ):
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def any_imports_env(request: pytest.FixtureRequest) -> ImportsEnv:
    """Once with each database."""
    name = {"sqlite": "imports_env", "postgres": "postgres_imports_env"}[request.param]
    found: ImportsEnv = request.getfixturevalue(name)
    return found
