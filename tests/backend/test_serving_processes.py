"""`obbligato serve --workers 2` over both databases: both answer, what dies comes back, nothing is done twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from scripts.stack import backend_service
from scripts.toolchain import free_ports
from tests import postgres
from tests.backend.events.test_webhooks import Receiver
from tests.backend.test_processes import FINALITY, PATIENCE, BackendEnv, User, content
from tests.onchain import ARTIST, STRANGER, Acts, new_protocol
from tests.oracle.proxy import SEND, proxy
from tests.server.test_processes import is_gone

CHALLENGES = "/v1/sessions/challenges"
NAMES = {"api 1", "api 2", "workers"}
STREAMS = 6
START_SECONDS = 240
"""Four interpreters start at once, on machines that others use too."""


class ServeEnv(BackendEnv):
    """The backend in several processes, which its log names."""

    def log(self) -> list[dict[str, Any]]:
        lines = self.backend.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def pids(self) -> dict[str, int]:
        """The newest process of each name."""
        return {
            line["process"]: line["pid"]
            for line in self.log()
            if line["event"] == "process started"
        }

    def works(self, pid: int) -> bool:
        """Whether a process has said that it does its work."""
        events = {line["event"] for line in self.log() if line["pid"] == pid}
        return not events.isdisjoint({"Application startup complete.", "working"})

    def post(self) -> None:
        """A request that the log mentions, over a connection of its own."""
        answer = httpx.post(f"{self.backend.url}{CHALLENGES}", json={"account": STRANGER.address})
        assert answer.status_code == 201

    def answering(self) -> set[int]:
        """The processes that have answered requests of `post`."""
        return {
            line["pid"]
            for line in self.log()
            if line["event"] == "request" and line["path"] == CHALLENGES
        }

    def checks(self) -> dict[str, str | None]:
        return dict(httpx.get(f"{self.backend.url}/readyz", timeout=30).json()["checks"])


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def serve_env(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServeEnv]:
    folder = tmp_path_factory.mktemp("serving")
    with contextlib.ExitStack() as held:
        databases = {}
        if request.param == "postgres":
            url = held.enter_context(postgres.database(held.enter_context(postgres.server())))
            databases = {
                "OBBLIGATO_BACKEND_DATABASE": url,
                "OBBLIGATO_BACKEND_INDEX_DATABASE": url,
            }
        protocol = held.enter_context(new_protocol(folder))
        node = held.enter_context(proxy(protocol.url))
        backend = backend_service(
            folder / "backend",
            rpc=node.url,
            manifest=protocol.manifest,
            port=held.enter_context(free_ports()),
            OBBLIGATO_BACKEND_WORKERS="2",
            OBBLIGATO_BACKEND_FINALITY=str(FINALITY),
            OBBLIGATO_BACKEND_READS_PER_MINUTE="100000",
            OBBLIGATO_BACKEND_WRITES_PER_MINUTE="100000",
            OBBLIGATO_BACKEND_ACTS_PER_DAY="1000",
            OBBLIGATO_BACKEND_ACCOUNT_DAY_ETHER="100",
            OBBLIGATO_BACKEND_DAY_ETHER="100",
            OBBLIGATO_BACKEND_PRIVATE_WEBHOOKS="true",
            **databases,
        )
        made = ServeEnv(protocol, Acts(protocol), node, backend, folder, patience=START_SECONDS)
        made.mine(FINALITY + 1)
        backend.start()
        try:
            backend.ready(START_SECONDS)
            made.until(lambda: all(map(made.works, made.pids().values())))
            yield made
        finally:
            assert backend.stop() == 0, backend.tail()


@pytest.fixture
def artist(serve_env: ServeEnv) -> Iterator[User]:
    user = serve_env.user(ARTIST).sign_in()
    yield user
    user.http.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def metric(env: ServeEnv, line: str) -> float:
    """What any of the processes says of a figure."""
    text = httpx.get(f"{env.backend.url}/metrics").text
    return next(float(each.split()[-1]) for each in text.splitlines() if each.startswith(line))


def test_both_processes_answer_and_any_of_them_counts_for_all(serve_env: ServeEnv) -> None:
    pids = serve_env.pids()
    assert set(pids) == NAMES
    sent = 0

    def both() -> bool:
        nonlocal sent
        serve_env.post()
        sent += 1
        return serve_env.answering() >= {pids["api 1"], pids["api 2"]}

    serve_env.until(both)
    figure = f'obbligato_http_requests_total{{method="POST",route="{CHALLENGES}",status="201"}}'
    assert [metric(serve_env, figure) for _ in range(8)] == [float(sent)] * 8
    assert metric(serve_env, 'obbligato_process_starts_total{process="api"}') == 2
    assert metric(serve_env, 'obbligato_worker_up{worker="index"}') == 1


def test_sessions_and_idempotency_keys_hold_in_every_process(
    serve_env: ServeEnv, artist: User
) -> None:
    body = {
        "recording": {"title": "Once", "artists": ["N"], "content_hash": content("Once")},
        "terms": {"preset": "train-dont-imitate"},
    }
    headers = {"Authorization": f"Bearer {artist.token}", "Idempotency-Key": "once"}

    def prepare(_: int) -> httpx.Response:
        url = f"{serve_env.backend.url}/v1/acts/mint"
        return httpx.post(url, json=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(prepare, range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    # Different requests at once: no nonce is given twice, whichever process gives it.
    with ThreadPoolExecutor(8) as clients:
        acts = list(clients.map(lambda n: artist.prepare(f"At once {n}").json(), range(16)))
    assert len({act["typed_data"]["message"]["nonce"] for act in acts}) == 16


def test_an_api_process_that_is_killed_comes_back_and_nobody_waits(serve_env: ServeEnv) -> None:
    before = serve_env.pids()
    assert metric(serve_env, 'obbligato_processes_up{process="api"}') == 2

    def down() -> str | None:
        """What is said of it; it is killed again where it came back before anybody asked."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(serve_env.pids()["api 1"], signal.SIGKILL)
        return serve_env.checks()["processes"]

    assert serve_env.until(down) == "api 1 ended with exit code -9"
    alert = next(line for line in serve_env.log() if line.get("key") == "process api 1")
    assert alert["words"] == "api 1 ended with exit code -9: it is started anew after 1 s"

    def back() -> bool:
        assert httpx.get(f"{serve_env.backend.url}/livez", timeout=30).status_code == 200
        now = serve_env.pids()["api 1"]
        return now != before["api 1"] and serve_env.works(now)

    serve_env.until(back)
    now = serve_env.pids()
    assert {name: now[name] for name in ("api 2", "workers")} == {
        name: before[name] for name in ("api 2", "workers")
    }

    def answers() -> bool:
        serve_env.post()
        return now["api 1"] in serve_env.answering()

    serve_env.until(answers)
    assert serve_env.backend.get("/readyz") == 200


def test_workers_that_are_killed_come_back_and_do_nothing_twice(
    serve_env: ServeEnv, artist: User, receiver: Receiver
) -> None:
    made = artist.http.post("/v1/webhooks", json={"url": receiver.url, "kinds": ["license.minted"]})
    assert made.status_code == 201, made.text
    with listening(serve_env, "license.minted") as heard:
        act = artist.prepare("Killed workers").json()
        held = serve_env.proxy.hold(SEND, forward=True)
        assert artist.sign(act).status_code == 200
        held.wait()
        os.kill(serve_env.pids()["workers"], signal.SIGKILL)
        held.abandon()
        serve_env.until(lambda: "does not run" in str(serve_env.checks()["workers"]))
        assert serve_env.backend.get("/readyz") == 503
        # What does not need them goes on.
        assert artist.http.get("/v1/licenses").status_code == 200
        serve_env.until(lambda: serve_env.backend.get("/readyz") == 200)
        first = artist.reach(act["id"], "final")["result"]["license_id"]
    assert serve_env.minted(content("Killed workers")) == [first]
    assert heard == [first] * STREAMS
    again = artist.prepare("After them").json()
    artist.sign(again)
    second = artist.reach(again["id"], "final")["result"]["license_id"]

    def delivered() -> list[int]:
        return [json.loads(body)["data"]["license_id"] for _, body in receiver.scenario]

    serve_env.until(lambda: second in delivered(), mining=True)
    assert delivered() == [first, second]


@contextlib.contextmanager
def listening(env: ServeEnv, kind: str) -> Iterator[list[int]]:
    """Streams of events within the block; each adds the licence of the first event that it hears."""
    heard: list[int] = []
    joined = threading.Barrier(STREAMS + 1, timeout=PATIENCE)

    def listen() -> None:
        url = f"{env.backend.url}/v1/events"
        with httpx.stream("GET", url, params={"kinds": kind}, timeout=PATIENCE) as stream:
            for line in stream.iter_lines():
                if line.startswith("retry:"):
                    joined.wait()
                if line.startswith("data:") and (event := json.loads(line[5:])).get("kind") == kind:
                    heard.append(event["license_id"])
                    return

    with ThreadPoolExecutor(STREAMS) as clients:
        futures = [clients.submit(listen) for _ in range(STREAMS)]
        joined.wait()
        yield heard
        for future in futures:
            future.result(PATIENCE)


@pytest.mark.parametrize("ends", ["killed", "told"])
def test_all_end_with_their_parent(serve_env: ServeEnv, ends: str) -> None:
    pids = serve_env.pids()
    if ends == "killed":
        serve_env.backend.kill()
    else:
        assert serve_env.backend.stop() == 0, serve_env.backend.tail()
    serve_env.until(lambda: all(map(is_gone, pids.values())))
    assert serve_env.backend.get("/livez") == 0
    serve_env.backend.start()
    serve_env.backend.ready(START_SECONDS)
    assert pids.keys() == serve_env.pids().keys()
    assert not set(pids.values()) & set(serve_env.pids().values())
