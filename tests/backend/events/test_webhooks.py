"""Webhooks over the told story: a real receiver, verified with the scheme's own library."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from backend.db.service_db import Delivery, DeliveryState, ServiceDatabase, Webhook
from backend.events import webhooks
from backend.events.webhooks import (
    PAUSES,
    SILENT_SECONDS,
    WebhookWorker,
    check_url,
    encode_secret,
    new_secret,
    resolve,
    signature,
)
from backend.services import Services
from obbligato.errors import InputError
from obbligato.server.alerts import Alerts


class Receiver:
    """A server that remembers what it was told, and answers as the test says."""

    def __init__(self) -> None:
        self.scenario: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.location: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.scenario.append(
                    ({key.lower(): value for key, value in self.headers.items()}, body)
                )
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("location", outer.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/told"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@dataclasses.dataclass
class Time:
    now: float = 1_790_000_000.0


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def services(story_services: Services, tmp_path: Path, clock: Time) -> Iterator[Services]:
    records = ServiceDatabase(f"sqlite:///{tmp_path}/records.db")
    settings = story_services.settings.model_copy(update={"private_webhooks": True})
    yield dataclasses.replace(
        story_services, service_db=records, settings=settings, clock=lambda: clock.now
    )
    records.close()


def add(
    services: Services, url: str, kinds: list[str], *, webhook_id: str = "a" * 32, **about: Any
) -> Webhook:
    webhook = Webhook(
        id=webhook_id,
        account="0x" + "11" * 20,
        platform_id=None,
        url=url,
        secret=new_secret(),
        kinds=kinds,
        about=about,
        next_block=0,
        active=True,
    )
    with services.service_db.work() as session:
        session.add(webhook)
    return webhook


def deliveries(services: Services) -> list[Delivery]:
    with services.service_db.reading() as session:
        return list(session.query(Delivery).order_by(Delivery.id))


def test_every_final_event_is_told_once_and_verifies(
    services: Services, receiver: Receiver
) -> None:
    webhook = add(services, receiver.url, ["license.minted", "challenge.ruled"])
    worker = WebhookWorker(services, Alerts())
    for _ in range(3):
        worker.step()
    verifier = Verifier(encode_secret(webhook.secret))
    # Our clock stands still in 2026; the library compares with its own.
    scenario = [json.loads(body) for _, body in receiver.scenario]
    for headers, body in receiver.scenario:
        expected = signature(
            webhook.secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body
        )
        assert headers["webhook-signature"] == expected
        verified = verifier.sign(
            headers["webhook-id"],
            _moment(int(headers["webhook-timestamp"])),
            body.decode(),
        )
        assert verified == headers["webhook-signature"]
    # The story mints 4 licences and rules on 4 challenges (tests/scenario.py).
    kinds = sorted(each["type"] for each in scenario)
    assert kinds == ["challenge.ruled"] * 4 + ["license.minted"] * 4
    assert len({headers["webhook-id"] for headers, _ in receiver.scenario}) == 8
    assert all(each["data"]["certainty"] == "final" for each in scenario)


def _moment(seconds: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def test_a_changed_body_does_not_verify() -> None:
    secret = new_secret()
    import time

    now = int(time.time())
    body = b'{"type":"x"}'
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret, "m", now, body),
    }
    verifier = Verifier(encode_secret(secret))
    assert verifier.verify(body, headers) == {"type": "x"}
    with pytest.raises(WebhookVerificationError):
        verifier.verify(b'{"type":"y"}', headers)


def test_only_what_it_asked_about_is_told(services: Services, receiver: Receiver) -> None:
    add(services, receiver.url, ["license.minted", "report.settled"], license_id=2)
    WebhookWorker(services, Alerts()).step()
    scenario = [json.loads(body) for _, body in receiver.scenario]
    assert [
        each["data"]["license_id"] for each in scenario if each["type"] == "license.minted"
    ] == [2]
    # Licence 2 is in the rows of reports 1 and 2 of the story, and of no other.
    assert sum(each["type"] == "report.settled" for each in scenario) == 2


def test_a_failing_receiver_is_tried_again_later_and_later(
    services: Services, receiver: Receiver, clock: Time
) -> None:
    add(services, receiver.url, ["rival_claim.opened"], license_id=2)
    worker = WebhookWorker(services, Alerts())
    receiver.status = 500
    worker.step()
    (delivery,) = deliveries(services)
    assert (delivery.state, delivery.attempts, delivery.answered) == (DeliveryState.DUE, 1, 500)
    for pause in PAUSES:
        worker.step()
        assert len(receiver.scenario) == delivery.attempts
        clock.now += pause * 1.2
        worker.step()
        (delivery,) = deliveries(services)
    assert delivery.state == DeliveryState.GIVEN_UP
    assert len(receiver.scenario) == len(PAUSES) + 1
    assert len({headers["webhook-id"] for headers, _ in receiver.scenario}) == 1
    with services.service_db.reading() as session:
        webhook = session.get_one(Webhook, "a" * 32)
    assert not webhook.active
    assert webhook.reason is not None
    assert sum(PAUSES) * 1.2 < SILENT_SECONDS


def test_it_recovers_when_the_receiver_does(
    services: Services, receiver: Receiver, clock: Time
) -> None:
    add(services, receiver.url, ["rival_claim.opened"], license_id=2)
    worker = WebhookWorker(services, Alerts())
    receiver.status = 503
    worker.step()
    receiver.status = 204
    clock.now += PAUSES[0] * 2
    worker.step()
    (delivery,) = deliveries(services)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)


def test_gone_switches_it_off(services: Services, receiver: Receiver) -> None:
    add(services, receiver.url, ["license.minted"])
    receiver.status = 410
    WebhookWorker(services, Alerts()).step()
    with services.service_db.reading() as session:
        webhook = session.get_one(Webhook, "a" * 32)
    assert (webhook.active, webhook.reason) == (False, "it answered that it is gone (410)")


def test_redirects_are_not_followed(services: Services, receiver: Receiver) -> None:
    other = Receiver()
    try:
        add(services, receiver.url, ["rival_claim.opened"], license_id=2)
        receiver.status, receiver.location = 307, other.url
        WebhookWorker(services, Alerts()).step()
        assert other.scenario == []
        (delivery,) = deliveries(services)
        assert delivery.answered == 307
    finally:
        other.close()


def test_a_teller_that_ended_after_writing_down_delivers_once_more_and_makes_no_second_message(
    services: Services, receiver: Receiver
) -> None:
    webhook = add(services, "http://127.0.0.1:9/closed", ["license.minted"])
    WebhookWorker(services, Alerts()).step()  # written down, and nobody answers
    assert [each.attempts for each in deliveries(services)] == [1, 1, 1, 1]
    with services.service_db.work() as session:
        session.get_one(Webhook, webhook.id).url = receiver.url
        for each in session.query(Delivery):
            each.due_at = 0
    WebhookWorker(services, Alerts()).step()
    assert len(deliveries(services)) == 4
    assert len(receiver.scenario) == 4


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://user:secret@example.com/",
        "ftp://example.com/",
        "https:///x",
        "not a url",
        "https://[broken/",
    ],
)
def test_inner_addresses_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(InputError) as refused:
        check_url(url, private=False)
    assert refused.value.field == "url"


def test_a_name_that_leads_inside_is_refused_when_it_is_sent() -> None:
    with pytest.raises(InputError, match="not a public address"):
        resolve("https://localhost/x", private=False)
    assert resolve("http://localhost:80/x", private=True).address in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "url", ["https://a..example/hook", f"https://{'a' * 64}.example/hook", "https://\u00ad/hook"]
)
def test_a_host_name_that_cannot_be_encoded_is_refused(url: str) -> None:
    with pytest.raises(InputError) as refused:
        check_url(url, private=True)
    assert refused.value.field == "url"


def test_a_webhook_that_fails_never_stops_the_others(
    services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(url: str, *args: Any, **options: Any) -> webhooks.DeliveryOutcome:
        if "a..example" in url:
            raise UnicodeError("label empty or too long")
        return deliver(url, *args, **options)

    deliver = webhooks.deliver
    monkeypatch.setattr(webhooks, "deliver", send)
    add(services, "https://a..example/hook", ["license.minted"])
    add(services, receiver.url, ["license.minted"], webhook_id="b" * 32)
    add(services, receiver.url, ["license.minted"], webhook_id="c" * 32, no_such_filter=1)
    alerts = Alerts()
    WebhookWorker(services, alerts).step()
    assert "no_such_filter" in str(alerts.words("webhooks items"))
    assert "c" * 32 in str(alerts.words("webhooks items"))
    assert len(receiver.scenario) == 4
    failed = [each for each in deliveries(services) if each.webhook_id == "a" * 32]
    assert len(failed) == 4
    for delivery in failed:
        assert (delivery.state, delivery.attempts) == (DeliveryState.DUE, 1)
        assert delivery.reason == "UnicodeError: label empty or too long"
