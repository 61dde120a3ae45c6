"""Alerts are posted to a URL without delaying anybody, and without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from obbligato.server.alerts import AlertPoster, Alerts, public_text
from tests.server.listener import Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def alerts(listener: Listener) -> Iterator[Alerts]:
    pauses: list[float] = []
    made = Alerts(AlertPoster(listener.url, "leader", pauses.append))
    yield made
    made.close()


def test_an_alert_is_posted_when_it_begins_and_when_it_is_over(
    listener: Listener, alerts: Alerts
) -> None:
    alerts.stand("pipeline", "down, to be restarted: SystemExit: 1")
    alerts.stand("pipeline", "down, to be restarted: SystemExit: 1")
    alerts.stand("pipeline", "down, to be restarted: SystemExit: 2")  # too soon to say again
    alerts.clear("pipeline")
    alerts.clear("pipeline")
    over = listener.wait_for(lambda post: post["state"] == "over")
    first = listener.posts[0]
    assert [post["state"] for post in listener.posts] == ["standing", "over"]
    assert (first["process"], first["key"]) == ("leader", "pipeline")
    assert first["text"] == "leader: pipeline: down, to be restarted: SystemExit: 1"
    assert over["text"] == ("leader: pipeline: over. It was: down, to be restarted: SystemExit: 2")
    assert first["since"].endswith("Z")
    assert first["since"] == over["since"]


def test_a_post_that_fails_is_tried_again(listener: Listener, alerts: Alerts) -> None:
    listener.statuses = [500, 503]
    alerts.stand("keeper", "in backoff")
    alerts.stand("pins", "in backoff")
    listener.wait_for(lambda post: post["key"] == "pins")
    assert [post["key"] for post in listener.posts] == ["keeper", "keeper", "keeper", "pins"]


def test_a_listener_that_does_not_answer_delays_nobody(listener: Listener, alerts: Alerts) -> None:
    listener.hold = threading.Event()
    for number in range(300):  # more than are queued: the rest is in the log alone
        alerts.stand(f"alert {number}", "wrong")
    assert listener.posts == []
    listener.hold.set()
    listener.wait_for(lambda post: post["key"] == "alert 99")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("https://eth.example/v3/0f3c9a7712 fails", "https://eth.example fails"),
        ("<wss://user:pw@node.example:8546/key?x=1>: no", "<wss://node.example:8546>: no"),
        ("postgresql+psycopg://me:pw@db/records", "postgresql+psycopg://db"),
        ("report 0xab of platform 3", "report 0xab of platform 3"),
        ("x" * 900, "x" * 500),
    ],
)
def test_texts_have_no_secrets_of_urls(text: str, public: str) -> None:
    assert public_text(text) == public
    alerts = Alerts()
    alerts.stand("node", text)
    assert alerts.words("node") == public
