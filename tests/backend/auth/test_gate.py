"""What every request passes: ids, protecting headers, sizes, limits, CORS, figures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.http.limits import Limits, SharedCounts, Window
from backend.settings import BackendSettings
from obbligato.errors import InputError
from tests.backend.auth.conftest import Clock, Service, bearer, sign_in
from tests.onchain import ARTIST, LABEL

PROTECTING = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.mark.parametrize("path", ["/public", "/nowhere", "/crash", "/livez"])
def test_every_answer_has_an_id_and_protects_its_reader(client: TestClient, path: str) -> None:
    answer = client.get(path)
    for name, value in PROTECTING.items():
        assert answer.headers[name] == value
    assert answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers
    identity = answer.headers["x-request-id"]
    assert len(identity) == 16
    if answer.headers["content-type"].startswith("application/problem+json"):
        assert answer.json()["request_id"] == identity


def test_a_sane_request_id_is_taken_over_and_another_is_not(client: TestClient) -> None:
    given = {"X-Request-ID": "trace-12345.a"}
    refused = client.post("/change", headers=given)
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "trace-12345.a"
    for bad in ("short", "x" * 65, "<script>alert(1)</script>"):
        assert client.get("/public", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad


def test_a_crash_is_a_problem_without_its_reason(client: TestClient) -> None:
    answer = client.get("/crash", headers={"Origin": "https://app.example"})
    assert answer.status_code == 500
    assert answer.json()["title"] == "Something went wrong here"
    assert "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"


# ---- size


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_however_it_comes(
    service: Service, chunked: bool
) -> None:
    client = service.client(most_body_bytes=1_024)

    def send(size: int) -> Any:
        body: Any = (b"x" for _ in range(size)) if chunked else b"x" * size
        return client.post("/echo", content=body)

    assert send(1_024).json() == {"bytes": 1_024}
    refused = send(1_025)
    assert refused.status_code == 413
    assert refused.json()["most_bytes"] == 1_024
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


def test_a_length_that_is_no_number_is_refused(client: TestClient) -> None:
    assert client.post("/echo", content=b"x", headers={"Content-Length": "-1"}).status_code == 413


def test_a_body_that_is_too_large_is_refused_by_routes_that_read_json(service: Service) -> None:
    client = service.client(most_body_bytes=1_024)
    chunks = (b'{"account": "', b"x" * 2_000, b'"}')
    headers = {"Content-Type": "application/json"}
    refused = client.post(
        "/v1/sessions/challenges", content=(each for each in chunks), headers=headers
    )
    assert refused.status_code == 413


# ---- limits


def test_a_window_slides() -> None:
    """Worked by hand: 10 a minute; all ten at 0 s. At 60 s a minute's worth is still there, and fades."""
    clock = Clock(600.0)
    window = Window(clock)
    assert [window.take(10, "a").left for _ in range(10)] == list(range(9, -1, -1))
    assert not window.take(10, "a").granted
    assert window.take(10, "b").granted
    clock.seconds = 660.0
    # 10 of the minute before count whole: one is let in again once a tenth of this minute has passed.
    refused = window.take(10, "a")
    assert (refused.granted, refused.wait) == (False, 6)
    clock.seconds = 666.0
    assert window.take(10, "a").granted
    assert not window.take(10, "a").granted
    clock.seconds = 690.0
    # Five of the old ten still count, and the one at 666 s.
    assert [window.take(10, "a").granted for _ in range(5)] == [True] * 4 + [False]
    clock.seconds = 900.0
    assert window.take(10, "a").left == 9


@pytest.mark.parametrize("at", [600.0, 613.7, 659.9])
def test_who_waits_as_long_as_they_are_told_is_let_in(at: float) -> None:
    clock = Clock(at)
    window = Window(clock)
    for _ in range(30):
        while (found := window.take(7, "a")).granted:
            pass
        assert 1 <= found.wait <= 120
        clock.seconds += found.wait
        assert window.take(7, "a").granted


def test_several_processes_count_in_one_window_that_slides(tmp_path: Path) -> None:
    """The numbers of `test_a_window_slides`, half of the requests counted by each of two processes."""
    clock, path = Clock(600.0), tmp_path / "counts"
    SharedCounts.make(path)
    first, second = (Window(clock, SharedCounts(path, "reads")) for _ in range(2))
    left = [window.take(10, "a").left for _ in range(5) for window in (first, second)]
    assert left == list(range(9, -1, -1))
    assert not first.take(10, "a").granted
    assert not second.take(10, "a").granted
    assert second.take(10, "b").granted
    # Another kind of request has an allowance of its own.
    assert Window(clock, SharedCounts(path, "writes")).take(10, "a").left == 9
    clock.seconds = 660.0
    refused = second.take(10, "a")
    assert (refused.granted, refused.wait) == (False, 6)
    clock.seconds = 666.0
    assert first.take(10, "a").granted
    assert not second.take(10, "a").granted
    clock.seconds = 780.0
    assert second.take(10, "a").left == 9


def test_reads_are_counted_and_refused_with_the_time_to_wait(service: Service) -> None:
    client = service.client(reads_per_minute=5)
    answers = [client.get("/public") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"reads";q=5;w=60'
    assert answers[0].headers["ratelimit"].startswith('"reads";r=4;t=')
    refused = answers[5]
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert refused.json()["status"] == 429
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    for path in ("/livez", "/readyz", "/metrics"):
        assert client.get(path).status_code == 200


def test_whoever_is_known_reads_three_times_as_often_under_their_own_name(
    service: Service,
) -> None:
    client = service.client(reads_per_minute=5)
    token, other = sign_in(client, ARTIST)["token"], sign_in(client, LABEL)["token"]
    assert client.get("/public", headers=bearer(token)).status_code == 200  # learnt here
    assert client.get("/public", headers=bearer(other)).status_code == 200
    answers = [client.get("/public", headers=bearer(token)) for _ in range(16)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"reads";q=15;w=60'
    assert client.get("/public", headers=bearer(other)).status_code == 200


def test_made_up_tokens_are_counted_with_their_address(service: Service) -> None:
    client = service.client(reads_per_minute=5)
    found = [
        client.get("/public", headers=bearer(f"obs_{number}")).status_code for number in range(7)
    ]
    assert found == [401] * 5 + [429] * 2
    assert client.get("/public").status_code == 429


def test_writes_have_a_limit_of_their_own_and_so_do_nonces(service: Service) -> None:
    client = service.client(writes_per_minute=3)
    found = [client.post("/echo").status_code for _ in range(2)]
    found += [client.get("/v1/sessions/nonce").status_code for _ in range(2)]
    assert found == [200, 200, 200, 429]
    assert client.get("/public").status_code == 200


def scope(peer: str, forwarded: str | None = None) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return {"client": (peer, 1), "headers": headers, "method": "GET", "path": "/"}


def limits(*proxies: str) -> Limits:
    settings = BackendSettings(
        rpc_urls=("http://127.0.0.1",), deployment="x.json", trusted_proxies=proxies
    )
    return Limits(settings)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "nonsense, 10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("192.0.2.9", "198.51.100.7", "192.0.2.9"),
        ("10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.9", None, "192.0.2.9"),
    ],
)
def test_an_address_is_what_trusted_proxies_saw_last(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert limits("10.0.0.0/8").address_of(scope(peer, forwarded)) == address


def test_a_proxy_that_is_no_address_is_refused_by_its_setting() -> None:
    with pytest.raises(InputError, match="OBBLIGATO_BACKEND_TRUSTED_PROXIES"):
        limits("my-proxy")


def test_counting_costs_less_than_a_tenth_of_a_millisecond() -> None:
    counting = limits("10.0.0.0/8")
    asked = scope("10.0.0.1", "198.51.100.7")
    asked["headers"].append((b"authorization", b"Bearer obs_" + b"x" * 43))
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(200):
            counting.take(asked)
        best = min(best, (time.perf_counter() - started) / 200)
    assert best < 100e-6


# ---- other sites


def test_anybodys_pages_read_and_known_sites_use_the_cookie(service: Service) -> None:
    client = service.client(origins=("https://app.example",))
    anybody = client.get("/public", headers={"Origin": "https://anybody.example"})
    assert anybody.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in anybody.headers
    assert "RateLimit" in anybody.headers["access-control-expose-headers"]
    known = client.get("/public", headers={"Origin": "https://app.example"})
    assert known.headers["access-control-allow-origin"] == "https://app.example"
    assert known.headers["access-control-allow-credentials"] == "true"
    for answer in (anybody, known, client.get("/public")):
        assert "Origin" in answer.headers["vary"]


def test_only_known_sites_are_told_that_they_may_post(service: Service) -> None:
    client = service.client(origins=("https://app.example",))

    def asked(origin: str) -> Any:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return client.options("/change", headers=headers)

    assert asked("https://app.example").status_code == 200
    assert asked("https://anybody.example").status_code == 400


def test_requests_are_counted_by_route_and_not_by_address(client: TestClient) -> None:
    client.get("/v1/platforms/1/keys")
    client.get("/nowhere/else")
    figures = client.get("/metrics").text
    line = 'obbligato_http_requests_total{method="GET",route="/v1/platforms/{platform_id}/keys"'
    assert line in figures
    assert "nowhere" not in figures
