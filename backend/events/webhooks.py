"""Telling webhooks of what is final: messages are written down with the place in the chain, then delivered.

A message is made in the unit of work that moves its webhook on: each event makes one, whatever ends the process.
It is delivered at least once, with the same `webhook-id` every time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx
import structlog
from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.db.index_db import Following
from backend.db.service_db import Delivery, DeliveryState, Webhook
from backend.events.events import END_OF_BLOCK, About, Happening, Key, read_happenings
from backend.events.url_guard import resolve
from backend.services import Services
from obbligato.errors import InputError, ObbligatoError
from obbligato.server.alerts import Alerts

TIMEOUT_SECONDS: Final = 10.0
SECRET_BYTES: Final = 32
GONE: Final = 410


class Outcome(NamedTuple):
    """What became of an attempt: the HTTP status, if there was an answer, and what was wrong, if anything."""

    status: int | None
    reason: str | None


def new_secret() -> bytes:
    """A key for signing."""
    return secrets.token_bytes(SECRET_BYTES)


def shown_secret(secret: bytes) -> str:
    """As whoever receives is given it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def deliver(
    url: str, secret: bytes, message_id: str, timestamp: int, body: bytes, *, private: bool
) -> Outcome:
    """One attempt. Redirects are not followed: a webhook is where its owner said."""
    try:
        target = resolve(url, private=private)
    except InputError as error:
        return Outcome(None, error.reason)
    headers = {
        "content-type": "application/json",
        "user-agent": "obbligato-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }
    parts = httpx.URL(url)
    headers["host"] = parts.netloc.decode()
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as http:
            # To the address that was looked at; name and certificate are still the host's.
            answer = http.send(
                http.build_request(
                    "POST",
                    parts.copy_with(host=target.address),
                    headers=headers,
                    content=body,
                    extensions={"sni_hostname": target.host},
                ),
                stream=True,
            )
            answer.close()
    except httpx.HTTPError as error:
        return Outcome(None, f"{type(error).__name__}: {error}"[:300] or "no answer")
    if answer.is_success:
        return Outcome(answer.status_code, None)
    return Outcome(answer.status_code, f"answered with {answer.status_code}")


MINUTE, HOUR = 60, 3_600
PAUSES: Final = (
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""How long after each failed attempt the next one is made; after the last, the message is given up."""
JITTER: Final = 0.1
SILENT_SECONDS: Final = 5 * 24 * HOUR
"""A webhook to which nothing was delivered for so long is switched off when a message is given up."""
AT_ONCE: Final = 8
BLOCKS_AT_ONCE: Final = 500
KEPT_SECONDS: Final = 30 * 24 * HOUR
"""Delivered messages are forgotten after that."""

DELIVERED = Counter("obbligato_webhook_deliveries", "Attempts to deliver", ("outcome",))
_log = structlog.get_logger(__name__)


class Teller:
    """Makes and sends deliveries."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._alerts = alerts

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            try:
                self.step()
                self._alerts.clear("webhooks")
            except (ObbligatoError, SQLAlchemyError) as error:
                self._alerts.stand("webhooks", f"webhooks are not told: {error}"[:500])
            stop.wait(self._services.settings.poll_seconds)

    def step(self) -> None:
        """Write down what is to be told, and send what is due."""
        with self._services.service_db.reading() as session:
            webhooks = session.scalars(select(Webhook).where(Webhook.active)).all()
        final = self._final()
        for webhook in webhooks:
            while webhook.next_block <= final:
                last = min(final, webhook.next_block + BLOCKS_AT_ONCE - 1)
                self._write_down(webhook, last)
        self._send_due()
        self._forget()

    # ---- writing down

    def _final(self) -> int:
        with self._services.index_db.reading() as session:
            known = session.get(Following, 1)
            return known.final_number if known else -1

    def _write_down(self, webhook: Webhook, last: int) -> None:
        wanted = About(kinds=frozenset(webhook.kinds), **webhook.about)
        after = Key(webhook.next_block - 1, END_OF_BLOCK)
        with self._services.index_db.reading() as session:
            told = [
                each
                for each in read_happenings(session, after=after, up_to=last)
                if each.is_about(wanted)
            ]
        now = self._services.now()
        with self._services.service_db.work() as session:
            kept = session.get(Webhook, webhook.id, with_for_update=True)
            if kept is None or not kept.active or kept.next_block != webhook.next_block:
                webhook.next_block = last + 1  # another process was faster, or it is gone
                return
            for each in told:
                session.add(new_delivery(kept.id, each, now))
            kept.next_block = webhook.next_block = last + 1

    # ---- sending

    def _send_due(self) -> None:
        now = self._services.now()
        with self._services.service_db.reading() as session:
            due = session.execute(
                select(Delivery, Webhook)
                .join(Webhook, Webhook.id == Delivery.webhook_id)
                .where(Delivery.state == DeliveryState.DUE, Delivery.due_at <= now, Webhook.active)
                .order_by(Delivery.due_at, Delivery.id)
                .limit(AT_ONCE * 8)
            ).all()
        if not due:
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(lambda pair: self._attempt(pair[0], pair[1]), due))
        for (delivery, webhook), outcome in zip(due, outcomes, strict=True):
            self._keep(delivery.id, webhook.id, outcome)

    def _attempt(self, delivery: Delivery, webhook: Webhook) -> Outcome:
        return deliver(
            webhook.url,
            webhook.secret,
            delivery.message_id,
            self._services.now(),
            delivery.body,
            private=self._services.settings.private_webhooks,
        )

    def _keep(self, delivery_id: int, webhook_id: str, outcome: Outcome) -> None:
        now = self._services.now()
        with self._services.service_db.work() as session:
            delivery = session.get(Delivery, delivery_id)
            webhook = session.get(Webhook, webhook_id)
            if delivery is None or webhook is None:
                return
            delivery.attempts += 1
            delivery.answered, delivery.reason = outcome.status, outcome.reason
            if outcome.reason is None:
                delivery.state, delivery.due_at = DeliveryState.DELIVERED, now
                DELIVERED.labels("delivered").inc()
                return
            DELIVERED.labels("failed").inc()
            if outcome.status == GONE:
                delivery.state = DeliveryState.GIVEN_UP
                _switch_off(webhook, "it answered that it is gone (410)")
            elif delivery.attempts > len(PAUSES):
                delivery.state = DeliveryState.GIVEN_UP
                if not _heard_lately(session, webhook.id, now):
                    _switch_off(webhook, f"nothing was delivered for days: {outcome.reason}")
            else:
                pause = PAUSES[delivery.attempts - 1]
                delivery.due_at = now + pause + int(pause * JITTER * random.random())  # noqa: S311 -- spreads load

    def _forget(self) -> None:
        before = self._services.now() - KEPT_SECONDS
        with self._services.service_db.work() as session:
            old = session.scalars(
                select(Delivery)
                .where(Delivery.state != DeliveryState.DUE, Delivery.due_at < before)
                .limit(500)
            ).all()
            for each in old:
                session.delete(each)


def new_delivery(webhook_id: str, told: Happening, now: int) -> Delivery:
    """The message of something that happened, due at once."""
    message_id = f"{webhook_id}_{told.key.block}-{told.key.log}"
    return _delivery(webhook_id, message_id, body_of(told), now)


def trial_delivery(webhook_id: str, number: str, now: int) -> Delivery:
    """A message that says nothing, to try a webhook with."""
    body = {"type": "webhook.test", "timestamp": shown_time(now), "data": {}}
    return _delivery(webhook_id, f"{webhook_id}_test-{number}", body, now)


def body_of(told: Happening) -> dict[str, Any]:
    """What is told: type, timestamp and data, as Standard Webhooks has them; the data are those of /v1/events."""
    data = told.told(told.key.block).model_dump(mode="json")
    return {"type": data["kind"], "timestamp": shown_time(told.happened_at), "data": data}


def shown_time(seconds: int) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _delivery(webhook_id: str, message_id: str, body: dict[str, Any], now: int) -> Delivery:
    return Delivery(
        webhook_id=webhook_id,
        message_id=message_id,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        state=DeliveryState.DUE,
        due_at=now,
        created_at=now,
    )


def _heard_lately(session: Session, webhook_id: str, now: int) -> bool:
    newest = session.scalar(
        select(func.max(Delivery.due_at)).where(
            Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.DELIVERED
        )
    )
    return newest is not None and newest > now - SILENT_SECONDS


def _switch_off(webhook: Webhook, reason: str) -> None:
    webhook.active, webhook.reason = False, reason
    _log.warning("webhook switched off", webhook=webhook.id, reason=reason)
