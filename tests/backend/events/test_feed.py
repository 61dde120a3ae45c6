"""Server-sent events from a real server over a real chain: told live, taken back, gone on with, ended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from httpx import Client

from backend.db.index_db import IndexDatabase
from backend.events import feed as feeding
from backend.events.events import EventFilter
from backend.events.feed import Feed, read_id
from backend.events.routes import live_router
from backend.http.middleware import add_middleware
from backend.indexer.sync import Index
from backend.services import Services
from obbligato.errors import InputError, NotFound
from obbligato.server.http import Problem, add_errors
from scripts.demo.cast import METERED_PLATFORM
from tests.onchain import ARTIST, DUO, LABEL, Acts, split
from tests.scenario import OPEN, Scenario
from tests.waiting import wait_until

PATIENCE = 20.0


class Event(NamedTuple):
    id: str
    kind: str
    data: dict[str, Any]


@dataclasses.dataclass
class Place:
    """A chain of its own to act on, an index that follows when told to, a server."""

    acts: Acts
    index: Index
    services: Services
    url: str
    stop: threading.Event

    def follow(self) -> None:
        self.index.sync()

    @contextlib.contextmanager
    def listening(
        self, query: str = "", since: str | None = None
    ) -> Iterator[Callable[[str], Event]]:
        """Gives a function that waits for the next event of a kind; the others are in its `seen`."""
        headers = {"Last-Event-ID": since} if since else {}
        with (
            Client(timeout=PATIENCE, trust_env=False) as client,
            client.stream("GET", f"{self.url}/v1/events{query}", headers=headers) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = parsed(answer.iter_lines())

            def until(kind: str) -> Event:
                return next(event for event in events if event.kind == kind)

            yield until


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """By the rules of the HTML standard, as far as they are used here."""
    fields: dict[str, str] = {}
    end = time.monotonic() + PATIENCE
    for line in lines:
        assert time.monotonic() < end, "nothing but heartbeats"
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


@pytest.fixture
def place(story_services: Services, scenario: Scenario, tmp_path: Path) -> Iterator[Place]:
    acts = Acts(scenario.protocol)
    database = IndexDatabase(f"sqlite:///{tmp_path}/index.db")
    with acts.undone():
        index = Index(database, scenario.protocol.chain, scenario.protocol.store, finality=5)
        index.sync()
        settings = story_services.settings.model_copy(update={"poll_seconds": 0.05})
        services = dataclasses.replace(story_services, index_db=database, settings=settings)
        stop = threading.Event()
        with served(services, stop) as url:
            yield Place(acts, index, services, url, stop)
    database.close()


@contextlib.contextmanager
def served(services: Services, stop: threading.Event) -> Iterator[str]:
    app = FastAPI()
    app.state.services, app.state.stop = services, stop
    add_errors(app)
    app.include_router(live_router)
    add_middleware(app, services)
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=15, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, PATIENCE)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    stop.set()
    server.should_exit = True
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def mint(acts: Acts, title: str) -> int:
    return acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), title)


def test_a_mint_is_told_as_soon_as_the_index_has_read_it(place: Place) -> None:
    with place.listening() as until:
        license_id = mint(place.acts, "five")
        place.follow()
        event = until("license.minted")
        assert event.data["license_id"] == license_id
        assert event.data["certainty"] == "confirmed"
        assert event.data["facts"]["owner"] == ARTIST.address
        block, log, final = (int(part) for part in event.id.split("-"))
        assert (event.data["block_number"], event.data["log_index"]) == (block, log)
        assert final < block
        assert until("block").data["head_number"] == place.acts.chain.web3.eth.block_number


def test_finality_moves_with_the_blocks(place: Place) -> None:
    with place.listening() as until:
        for _ in range(3):
            place.acts.node("evm_mine")
            place.follow()
            head = place.acts.chain.web3.eth.block_number
            # The index reads a block first, and then sees what that makes final.
            while (scenario := until("block").data)["final_number"] != head - 5:
                assert scenario["final_number"] < head - 5
            assert scenario["head_number"] == head


def test_a_listener_is_told_of_what_it_asked_for_alone(place: Place) -> None:
    with (
        place.listening("?kinds=license.revoked&kinds=license.amended&license_id=1") as revoked,
        place.listening(f"?account={LABEL.address.lower()}") as label,
    ):
        mint(place.acts, "five")
        place.acts.chain.transact(DUO, "LicenseRegistry", "revoke", 2)
        place.acts.chain.transact(ARTIST, "LicenseRegistry", "revoke", 1)
        place.follow()
        assert revoked("license.revoked").data["license_id"] == 1
        # The label owns no licence; it is a payee of licence 2.
        assert label("license.revoked").data["license_id"] == 2


def test_what_a_reorg_undid_is_taken_back_and_what_came_instead_is_told(place: Place) -> None:
    with place.listening() as until:
        with place.acts.undone():
            mint(place.acts, "undone")
            place.follow()
            gone = until("license.minted")
        place.acts.chain.transact(ARTIST, "LicenseRegistry", "revoke", 1)
        place.acts.node("evm_mine")
        place.acts.node("evm_mine")
        place.follow()
        undone = until("undone")
        assert undone.data["from_block"] <= gone.data["block_number"]
        instead = until("license.revoked")
        assert instead.data["block_number"] >= undone.data["from_block"]
        assert until("block").data["head_number"] >= gone.data["block_number"]


def test_who_comes_back_is_told_everything_since_and_nothing_final_twice(place: Place) -> None:
    with place.listening() as until:
        mint(place.acts, "five")
        place.follow()
        first = until("license.minted")
    mint(place.acts, "six")
    for _ in range(6):
        place.acts.node("evm_mine")
    place.follow()
    with place.listening(since=first.id) as until:
        # It was not final when it was told: it is taken back, and told again.
        assert until("undone").data["from_block"] == int(first.id.split("-")[2]) + 1
        again = until("license.minted")
        assert again.data["license_id"] == first.data["license_id"]
        assert again.data["certainty"] == "final"
        other = until("license.minted")
        assert other.data["license_id"] == first.data["license_id"] + 1
    with place.listening(since=again.id) as until:
        assert until("license.minted").id == other.id


def replayed(place: Place, query: str = "") -> list[Event]:
    """Everything from the beginning, up to a block that is made to end it."""
    found: list[Event] = []
    with (
        Client(timeout=PATIENCE, trust_env=False) as client,
        client.stream(
            "GET", f"{place.url}/v1/events{query}", headers={"Last-Event-ID": "0-0-0"}
        ) as answer,
    ):
        place.acts.node("evm_mine")
        place.follow()
        for event in parsed(answer.iter_lines()):
            if event.kind == "block":
                break
            found.append(event)
    return found


def test_the_whole_story_is_told_to_who_asks_from_the_beginning(place: Place) -> None:
    kinds = Counter(event.kind for event in replayed(place))
    # tests/scenario.py, counted by hand.
    expected = {
        "license.minted": 4,
        "license.amended": 1,
        "license.revoked": 2,
        "license.reinstated": 1,
        "license.voided": 1,
        "grant.made": 1,
        "platform.registered": 2,
        "platform.closing": 1,
        "report.submitted": 5,
        "challenge.opened": 6,
        "challenge.ruled": 4,
        "challenge.lapsed": 1,
        "challenge.arrears_paid": 2,
        "rival_claim.opened": 2,
        "rival_claim.ruled": 2,
        "payment.made": 4,
    }
    assert {kind: kinds[kind] for kind in expected} == expected
    assert kinds["license.transferred"] == 0


def test_a_report_is_told_to_those_whom_its_rows_pay(place: Place) -> None:
    # Of the story's reports, 1 and 2 pay the duo, 1 to 4 the artist; the rich platform's reporter
    # signed 1, 2 and the zero statement.
    for account, count in (
        (DUO, 2),
        (ARTIST, 4),
        (METERED_PLATFORM.reporter, 3),
    ):
        scenario = replayed(place, f"?kinds=report.submitted&account={account.address}")
        assert [event.kind for event in scenario] == ["report.submitted"] * count


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("?kinds=license.eaten", {}, "kinds.0"),
        ("?license_id=0", {}, "license_id"),
        ("?account=0x12", {}, "account"),
        ("?account=0x70997970c51812dc3A010C7d01b50e0d17dc79C8", {}, "account"),
        ("", {"Last-Event-ID": "yesterday"}, "Last-Event-ID"),
    ],
)
def test_what_is_malformed_is_refused_by_field(
    place: Place, query: str, headers: dict[str, str], field: str
) -> None:
    answer = httpx.get(f"{place.url}/v1/events{query}", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_streams_end_promptly_when_the_server_stops(place: Place) -> None:
    with (
        Client(timeout=PATIENCE, trust_env=False) as client,
        client.stream("GET", f"{place.url}/v1/events") as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == "retry: 3000"
        place.stop.set()
        started = time.monotonic()
        assert "event: undone" not in list(lines)
        assert time.monotonic() - started < 5


def test_one_address_has_so_many_streams_and_no_more(place: Place) -> None:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(timeout=PATIENCE, trust_env=False))
        reading = []  # an answer is closed when nobody holds what reads it
        for _ in range(feeding.MOST_STREAMS_EACH):
            answer = stack.enter_context(client.stream("GET", f"{place.url}/v1/events"))
            reading.append(answer.iter_lines())
            assert next(reading[-1]) == "retry: 3000"
        with client.stream("GET", f"{place.url}/v1/events") as refused:
            assert refused.status_code == 429
            assert json.loads(refused.read())["title"] == "Too many streams"

    def let_in() -> bool:
        with (
            Client(timeout=PATIENCE, trust_env=False) as other,
            other.stream("GET", f"{place.url}/v1/events") as answer,
        ):
            return answer.status_code == 200

    wait_until(let_in, PATIENCE)  # those that were closed count no longer


async def test_a_listener_that_does_not_keep_up_is_told_so_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "MOST_QUEUED", 3)
    feed = Feed(place.services, threading.Event())
    stream = await feed.join(EventFilter(), "slow", None)
    assert (await anext(stream)).startswith(b"retry")
    for title in ("five", "six", "seven", "eight"):
        await asyncio.to_thread(mint, place.acts, title)
    await asyncio.to_thread(place.follow)
    (listener,) = feed._listeners
    async with asyncio.timeout(PATIENCE):
        while not listener.late:  # noqa: ASYNC110 -- nobody is told of it but the listener itself
            await asyncio.sleep(0.02)
        scenario = [message async for message in stream]
    assert len(scenario) == 4
    assert b"event: dropped" in scenario[-1]
    assert not feed._listeners


async def test_one_reader_serves_every_listener_and_ends_with_the_last(place: Place) -> None:
    class Counted(Feed):
        began = 0

        def _begin(self) -> Any:
            Counted.began += 1
            return super()._begin()

    feed = Counted(place.services, threading.Event())
    streams = [await feed.join(EventFilter(), f"address {number}", None) for number in range(20)]
    await asyncio.gather(*(anext(stream) for stream in streams))
    await asyncio.to_thread(mint, place.acts, "five")
    await asyncio.to_thread(place.follow)
    async with asyncio.timeout(PATIENCE):
        scenario = await asyncio.gather(*(anext(stream) for stream in streams))
    assert len(set(scenario)) == 1
    assert b"license.minted" in scenario[0]
    assert Counted.began == 1
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]
    assert feed._task is not None
    async with asyncio.timeout(PATIENCE):
        await feed._task


async def test_before_the_index_has_read_anything_there_is_nothing_to_follow(
    story_services: Services, tmp_path: Path
) -> None:
    database = IndexDatabase(f"sqlite:///{tmp_path}/empty.db")
    feed = Feed(dataclasses.replace(story_services, index_db=database), threading.Event())
    with pytest.raises(NotFound):
        await feed.join(EventFilter(), "early", None)
    database.close()


async def test_too_many_streams_are_a_problem(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr(feeding, "MOST_STREAMS", 0)
    with pytest.raises(Problem, match="at once"):
        await Feed(place.services, threading.Event()).join(EventFilter(), "one", None)


def test_ids_are_read_as_they_are_written() -> None:
    assert read_id("12-3-10") == ((12, 3), 10)
    for wrong in ("12-3", "a-b-c", "12-3-10 ", "9" * 16 + "-1-1"):
        with pytest.raises(InputError):
            read_id(wrong)
