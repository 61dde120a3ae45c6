"""The worker goes on where it was: after it was killed, and after the store was down."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading

import pytest

from backend.db.service_db import Catalogue
from backend.imports.worker import CHUNK, CatalogueWorker
from obbligato.documents.cid import cid_from_digest, cid_of
from obbligato.documents.license import LicenseDocument
from obbligato.documents.wording import legal_text
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Supervisor, Worker
from obbligato.store import BlockStatus, ContentStore, StoreError
from tests.backend.imports.conftest import ImportsEnv, song, written
from tests.onchain import LABEL
from tests.waiting import wait_until

PATIENCE = 60


class Flaky:
    """A store that is down whenever a test says so, from the middle of a chunk on."""

    def __init__(self, store: ContentStore) -> None:
        self.store = store
        self.left: int | None = None

    def put(self, data: bytes) -> str:
        if self.left is not None:
            if not self.left:
                raise StoreError("the node does not answer")
            self.left -= 1
        return self.store.put(data)

    def get(self, cid: str) -> bytes:
        if self.left == 0:
            raise StoreError("the node does not answer")
        return self.store.get(cid)

    def pin(self, cid: str) -> None:
        self.store.pin(cid)

    def status(self, cid: str) -> BlockStatus:
        return self.store.status(cid)


def test_killed_in_the_middle_it_goes_on_and_no_line_is_lost_or_done_twice(
    imports_env: ImportsEnv,
) -> None:
    rows = [song(f"Song {number}", isrc=f"ZZABC{number:07d}") for number in range(1_200)]
    rows[3]["isrc"] = "none"
    rows[1_100]["content_hash"] = rows[0]["content_hash"]
    visitor = imports_env.as_(LABEL)
    catalogue_id = visitor.take_in(written(rows))
    protocol, settings = imports_env.acts.protocol, imports_env.services.settings
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.backend.imports.worker_process"),
            *(str(settings.folder), protocol.url, str(protocol.manifest), str(protocol.folder)),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: process.poll() is not None or "prepared" in visitor.counts(catalogue_id),
            PATIENCE,
            "nothing was prepared",
        )
    finally:
        process.kill()
        process.wait()
    before = imports_env.lines(catalogue_id)
    done = {line for line, kept in before.items() if kept.state != "waiting"}
    assert 0 < len(done) < len(rows)
    assert len(done) % CHUNK == 0, "lines are kept together, or not at all"

    imports_env.work()
    after = imports_env.lines(catalogue_id)
    assert visitor.counts(catalogue_id) == {"prepared": 1_198, "refused": 2}
    assert {line for line, kept in after.items() if kept.state == "refused"} == {5, 1_102}
    assert all(after[line].document == before[line].document for line in done)
    # A document names its recording: each line has its own.
    for line in (2, 600, 1_201):
        data = imports_env.services.store.get(cid_from_digest(after[line].document or b""))
        assert LicenseDocument.from_bytes(data).recording.title == f"Song {line - 2}"
    assert len({kept.document for kept in after.values()}) == 1_198 + 1


def test_while_the_store_is_down_nothing_is_half_done_and_then_it_goes_on(
    imports_env: ImportsEnv,
) -> None:
    store = Flaky(imports_env.services.store)
    alerts = Alerts()
    settings = imports_env.services.settings.model_copy(update={"poll_seconds": 0.01})
    services = dataclasses.replace(imports_env.services, store=store, settings=settings)
    catalogue_id = imports_env.as_(LABEL).take_in(written([song(f"Song {n}") for n in range(250)]))
    store.left = 150
    stop = threading.Event()
    worker = CatalogueWorker(services, alerts)
    supervisor = Supervisor(
        alerts, stop, [Worker("catalogues", lambda: worker.step(stop), 0.01)], jitter=lambda: 0
    )
    supervisor.start()
    try:
        wait_until(
            lambda: alerts.words("catalogues items") is not None, PATIENCE, "nobody was told"
        )
        assert "the node does not answer" in str(alerts.words("catalogues items"))
        assert imports_env.as_(LABEL).counts(catalogue_id) == {"prepared": 100, "waiting": 150}
        store.left = None
        wait_until(
            lambda: imports_env.as_(LABEL).counts(catalogue_id) == {"prepared": 250},
            PATIENCE,
            "it did not go on",
        )
        wait_until(lambda: not alerts.standing(), PATIENCE, "the alert stands for ever")
    finally:
        stop.set()
        supervisor.join()


def test_the_legal_text_is_stored_with_the_documents(imports_env: ImportsEnv) -> None:
    catalogue_id = imports_env.as_(LABEL).take_in(
        written([song("Terms of its own", term_days="777")])
    )
    imports_env.work()
    line = imports_env.lines(catalogue_id)[2]
    store = imports_env.services.store
    document = LicenseDocument.from_bytes(store.get(cid_from_digest(line.document or b"")))
    text = legal_text(document.terms.terms())
    assert store.get(cid_of(text)) == text
    assert b"777 days" in text


@pytest.mark.parametrize("stopped", [True, False])
def test_a_withdrawn_catalogue_is_left_alone(imports_env: ImportsEnv, stopped: bool) -> None:
    catalogue_id = imports_env.as_(LABEL).take_in(written([song("A")]))
    if not stopped:
        imports_env.work()
    assert imports_env.as_(LABEL).ask("DELETE", f"/{catalogue_id}").status_code == 204
    imports_env.work()
    expected = {"waiting": 1} if stopped else {"prepared": 1}
    assert imports_env.as_(LABEL).counts(catalogue_id) == expected
    assert imports_env.as_(LABEL).ask("GET", f"/{catalogue_id}").json()["state"] == "withdrawn"


def test_a_catalogue_that_fails_is_put_off_and_named_and_the_others_are_prepared(
    imports_env: ImportsEnv,
) -> None:
    visitor = imports_env.as_(LABEL)
    bad = visitor.take_in(written([song("Poisoned")]))
    with imports_env.services.service_db.work() as session:
        kept = session.get_one(Catalogue, bad)
        defaults, kept.defaults = kept.defaults, {"preset": kept.defaults["preset"]}
    good = visitor.take_in(written([song("Fine")]))
    alerts = Alerts()
    worker = CatalogueWorker(imports_env.services, alerts)
    worker.step(threading.Event())
    assert visitor.counts(good) == {"prepared": 1}
    assert visitor.counts(bad) == {"waiting": 1}
    assert bad in str(alerts.words("catalogues items"))
    with imports_env.services.service_db.work() as session:
        session.get_one(Catalogue, bad).defaults = defaults

    def repaired() -> bool:
        worker.step(threading.Event())
        return visitor.counts(bad) == {"prepared": 1}

    wait_until(repaired, PATIENCE, "it was not tried again")
    assert alerts.standing() == ()
