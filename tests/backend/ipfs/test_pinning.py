"""Every block that the deployment refers to is kept: noted, fetched, fetched again, told of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from backend.db.service_db import Pin
from backend.ipfs.pins import DAY_SECONDS, MISSING, VANISHED, PinWorker
from backend.ipfs.references import all_references
from backend.services import Services
from obbligato.documents.cid import cid_of
from obbligato.server.supervisor import Supervisor, Worker
from obbligato.store import EmbeddedStore, GatewayStore, LayeredStore, StoreError
from tests.backend.ipfs.conftest import Keeping
from tests.store.test_gateway import HTML, gateway

Serve = Callable[[Services], str]


def expected(keeping: Keeping) -> dict[str, str]:
    with keeping.services.index_db.reading() as session:
        return {each.cid: each.what for each in all_references(session, keeping.blocks)}


def pin(services: Services, cid: str) -> Pin:
    with services.service_db.reading() as session:
        return session.get_one(Pin, cid)


def settled(pinner: PinWorker) -> None:
    """Until nothing is due: evidence names chunks, which are asked for next."""
    for _ in range(10):
        if pinner.step() == 0:
            return
    raise AssertionError("something is due for ever")


def test_every_document_text_evidence_and_chunk_is_pinned_and_told(
    keeping: Keeping, serve: Serve
) -> None:
    pinner = PinWorker(keeping.services, keeping.alerts)
    settled(pinner)
    url = f"{serve(keeping.services)}/v1/documents"
    listed, cursor = [], None
    while True:
        asked = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        scenario = httpx.get(url, params=asked).json()
        listed += scenario["items"]
        cursor = scenario["next"]
        if cursor is None:
            break
    assert {each["cid"]: each["what"] for each in listed} == expected(keeping)
    assert {each["state"] for each in listed} == {"pinned"}
    assert all(each["size"] == len(keeping.blocks.get(each["cid"])) for each in listed)
    assert httpx.get(url, params={"state": "absent"}).json() == {"items": [], "next": None}
    first = listed[0]
    assert httpx.get(f"{url}/{first['cid']}").json() == first
    assert httpx.get(f"{url}/Qm").status_code == 422
    assert httpx.get(f"{url}/{cid_of(b'unknown')}").status_code == 404
    assert httpx.get(url, params={"cursor": "x"}).json()["field"] == "cursor"
    assert pinner.step() == 0
    assert keeping.alerts.standing() == ()


def test_a_missing_block_is_asked_for_ever_later_and_alerts_until_it_is_there(
    keeping: Keeping,
) -> None:
    cid = next(iter(expected(keeping)))
    data = keeping.blocks.get(cid)
    keeping.file(cid).unlink()
    pinner = PinWorker(keeping.services, keeping.alerts)
    settled(pinner)
    for attempts in range(1, 12):
        known = pin(keeping.services, cid)
        assert (known.state, known.attempts) == ("absent", attempts)
        assert known.due_at == keeping.clock.now + min(2 ** (attempts - 1), 300)
        assert (keeping.alerts.words(MISSING) is not None) == (attempts >= 3)
        keeping.clock.now = known.due_at
        pinner.step()
    assert "document of licence" in str(keeping.alerts.words(MISSING))
    keeping.blocks.put(data)
    keeping.clock.now += 300
    pinner.step()
    assert pin(keeping.services, cid).state == "pinned"
    assert keeping.alerts.words(MISSING) is None


def test_a_block_that_vanished_is_fetched_again_from_a_gateway_and_alerts(
    keeping: Keeping, serve: Serve, tmp_path: Path
) -> None:
    mirror = serve(keeping.services)
    own = EmbeddedStore(tmp_path / "own")
    with GatewayStore([mirror]) as others:
        services = keeping.over(LayeredStore(own, [others]))
        pinner = PinWorker(services, keeping.alerts)
        settled(pinner)  # from nothing: everything comes through the gateway
        wanted = expected(keeping)
        assert all(own.get(cid) == keeping.blocks.get(cid) for cid in wanted)
        gone, tampered = list(wanted)[:2]
        (tmp_path / "own" / "blocks" / gone[-3:-1] / gone).unlink()
        (tmp_path / "own" / "blocks" / tampered[-3:-1] / tampered).write_bytes(b"tampered")
        assert pinner.step() == 0  # looked at once a day
        keeping.clock.now += DAY_SECONDS
        settled(pinner)
    for cid in (gone, tampered):
        assert own.get(cid) == keeping.blocks.get(cid)
        assert pin(services, cid).state == "pinned"
    assert "it was fetched again" in str(keeping.alerts.words(VANISHED))


def test_a_gateway_that_serves_html_is_told_of_and_nothing_of_it_is_kept(
    keeping: Keeping, tmp_path: Path
) -> None:
    """Fault 29."""
    own = EmbeddedStore(tmp_path / "own")
    with gateway(body=HTML) as liar, GatewayStore([liar.url]) as others:
        services = keeping.over(LayeredStore(own, [others]))
        PinWorker(services, keeping.alerts).step()
    for cid in (cid for cid, what in expected(keeping).items() if what.startswith("document")):
        known = pin(services, cid)
        assert known.state == "absent"
        assert "hashes to" in str(known.reason)
    assert list((tmp_path / "own" / "blocks").iterdir()) == []


class Flaky(EmbeddedStore):
    """Cannot be asked while it is down."""

    down = True

    def status(self, cid: str):  # type: ignore[no-untyped-def]  # as its base
        if self.down:
            raise StoreError("nobody answers")
        return super().status(cid)


def test_a_store_that_is_down_changes_nothing_and_is_asked_again(keeping: Keeping) -> None:
    """Fault 30."""
    store = Flaky(keeping.folder)
    services = keeping.over(store)
    pinner = PinWorker(services, keeping.alerts)
    with pytest.raises(StoreError):
        pinner.step()
    assert pin(services, next(iter(expected(keeping)))).state == "unknown"
    stop, seen = threading.Event(), threading.Event()
    supervisor = Supervisor(keeping.alerts, stop, [Worker("pins", pinner.tick, 0.01)])
    supervisor.start()
    try:
        for _ in range(200):
            if keeping.alerts.words("pins"):
                seen.set()
                break
            stop.wait(0.05)
        assert seen.is_set()
        store.down = False
        for _ in range(400):
            if keeping.alerts.words("pins") is None:
                break
            stop.wait(0.05)
    finally:
        stop.set()
        supervisor.join()
    settled(pinner)
    assert {pin(services, cid).state for cid in expected(keeping)} == {"pinned"}


class Poisoned(EmbeddedStore):
    """Breaks on one block."""

    bad = ""

    def status(self, cid: str):  # type: ignore[no-untyped-def]  # as its base
        if cid == self.bad:
            raise UnicodeError("label too long")
        return super().status(cid)


def test_a_block_that_fails_is_put_off_and_named_and_the_others_are_pinned(
    keeping: Keeping,
) -> None:
    store = Poisoned(keeping.folder)
    services = keeping.over(store)
    bad, *others = expected(keeping)
    store.bad = bad
    pinner = PinWorker(services, keeping.alerts)
    settled(pinner)
    assert {pin(services, cid).state for cid in others} == {"pinned"}
    known = pin(services, bad)
    assert (known.state, known.attempts) == ("unknown", 1)
    assert known.reason == "UnicodeError: label too long"
    assert bad in str(keeping.alerts.words("pins items"))
    store.bad = ""
    keeping.clock.now = known.due_at
    settled(pinner)
    assert pin(services, bad).state == "pinned"
    assert keeping.alerts.standing() == ()
