"""Webhooks: each final event that a webhook asks for becomes a delivery, which is sent until it succeeds.

Deliveries are stored in the unit of work that advances the webhook's `next_block`, so that every event makes exactly
one, whenever the process ends. Each is sent at least once, with the same `webhook-id` every time. A webhook that fails
never delays the others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import random
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import structlog
from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.index_db import Following
from backend.db.service_db import Delivery, DeliveryState, Webhook
from backend.events.events import END_OF_BLOCK, EventFilter, IndexedEvent, Key, read_indexed_events
from backend.services import Services
from obbligato.errors import InputError
from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items
from obbligato.times import moment_text

PORTS: Final = {"https": 443, "http": 80}


class Target(NamedTuple):
    """The host of a URL with the address that it has right now."""

    host: str
    address: str


def check_url(url: str, *, private: bool) -> None:
    """Raises InputError where a URL may not be a webhook's."""
    _parts(url, private=private)


def resolve(url: str, *, private: bool) -> Target:
    """Look the host up. Every address of it must be public, unless `private` ones are allowed.

    The sender connects to `address` itself: a second look-up may give an inner one. Raises InputError.
    """
    host, port = _parts(url, private=private)
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise InputError(f"{host} has no address", field="url") from None
    addresses = [str(result[4][0]) for result in results]
    if not private:
        for address in addresses:
            _check_public(address)
    return Target(host, addresses[0])


def _parts(url: str, *, private: bool) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("is not a URL: give https://host/path", field="url") from None
    if parts.scheme not in PORTS or not host:
        raise InputError("is not a URL: give https://host/path", field="url")
    try:
        host.encode("idna")
        httpx.URL(url)
    except (UnicodeError, httpx.InvalidURL):
        raise InputError(f"{host[:60]!r} is no host name", field="url") from None
    if parts.username or parts.password:
        raise InputError("holds a user name: leave it out, deliveries are signed", field="url")
    if parts.fragment:
        raise InputError("has a fragment, which is never sent: leave it out", field="url")
    if not private:
        if parts.scheme != "https":
            raise InputError("is not https: deliveries go over TLS only", field="url")
        try:
            address: str | None = str(ipaddress.ip_address(host))
        except ValueError:
            address = None
        if address is not None:
            _check_public(address)
    return host, port or PORTS[parts.scheme]


def _check_public(address: str) -> None:
    ip = ipaddress.ip_address(address.split("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if not ip.is_global or ip.is_multicast:
        raise InputError(f"leads to {address}, which is not a public address", field="url")


TIMEOUT_SECONDS: Final = 10.0
SECRET_BYTES: Final = 32
GONE: Final = 410


class DeliveryOutcome(NamedTuple):
    """The result of an attempt: the HTTP status, if there was a response, and the reason of a failure."""

    status: int | None
    reason: str | None


def new_secret() -> bytes:
    """A key that signs deliveries."""
    return secrets.token_bytes(SECRET_BYTES)


def encode_secret(secret: bytes) -> str:
    """The secret as Standard Webhooks spells it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header webhook-signature."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def deliver(
    url: str, secret: bytes, message_id: str, timestamp: int, body: bytes, *, private: bool
) -> DeliveryOutcome:
    """Send one delivery once. Redirects are not followed: their target was never checked."""
    try:
        target = resolve(url, private=private)
    except InputError as error:
        return DeliveryOutcome(None, error.reason)
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
            # Connects to the address that was checked; name and certificate are still the host's.
            response = http.send(
                http.build_request(
                    "POST",
                    parts.copy_with(host=target.address),
                    headers=headers,
                    content=body,
                    extensions={"sni_hostname": target.host},
                ),
                stream=True,
            )
            response.close()
    except httpx.HTTPError as error:
        return DeliveryOutcome(None, describe(error))
    reason = None if response.is_success else f"answered with {response.status_code}"
    return DeliveryOutcome(response.status_code, reason)


def describe(error: Exception) -> str:
    """The reason of a failed delivery."""
    return f"{type(error).__name__}: {error}"[:300]


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
"""Seconds between a failed attempt and the next; after the last, the delivery is given up."""
JITTER: Final = 0.1
SILENT_SECONDS: Final = 5 * 24 * HOUR
"""A webhook that received nothing for so long is switched off when a delivery is given up."""
AT_ONCE: Final = 8
BLOCKS_AT_ONCE: Final = 500
KEPT_SECONDS: Final = 30 * 24 * HOUR
"""Deliveries that are over are deleted after that."""

DELIVERED = Counter("obbligato_webhook_deliveries", "Attempts to deliver", ("outcome",))
_log = structlog.get_logger(__name__)


class WebhookWorker:
    """Makes and sends deliveries."""

    def __init__(self, services: Services, alerts: Alerts) -> None:
        self._services = services
        self._items: Items[str] = Items("webhooks", alerts)

    def step(self) -> None:
        """Make the deliveries of new final blocks, and send what is due.

        A webhook whose events cannot be read is put off; the others have their turn.
        """
        with self._services.service_db.reading() as session:
            webhooks = session.scalars(select(Webhook).where(Webhook.active)).all()
        with self._services.index_db.reading() as session:
            known = session.get(Following, 1)
            final = known.final_number if known else -1
        for webhook in webhooks:
            if self._items.is_due(webhook.id):
                with self._items.attempt(webhook.id):
                    while webhook.next_block <= final:
                        last = min(final, webhook.next_block + BLOCKS_AT_ONCE - 1)
                        self._add_deliveries(webhook, last)
        self._items.report([webhook.id for webhook in webhooks])
        self._send_due()
        self._delete_old()

    def _add_deliveries(self, webhook: Webhook, last: int) -> None:
        subscription = EventFilter(kinds=frozenset(webhook.kinds), **webhook.about)
        after = Key(webhook.next_block - 1, END_OF_BLOCK)
        with self._services.index_db.reading() as session:
            events = read_indexed_events(session, after=after, up_to=last)
        now = self._services.now()
        with self._services.service_db.work() as session:
            row = session.get(Webhook, webhook.id, with_for_update=True)
            # Otherwise another process was faster, or the webhook is gone.
            if row is not None and row.active and row.next_block == webhook.next_block:
                session.add_all(
                    event_delivery(row.id, event, now)
                    for event in events
                    if subscription.matches(event)
                )
                row.next_block = last + 1
        webhook.next_block = last + 1

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
            self._record(delivery.id, webhook.id, outcome)

    def _attempt(self, delivery: Delivery, webhook: Webhook) -> DeliveryOutcome:
        try:
            return deliver(
                webhook.url,
                webhook.secret,
                delivery.message_id,
                self._services.now(),
                delivery.body,
                private=self._services.settings.private_webhooks,
            )
        except Exception as error:
            _log.error("a delivery broke off", webhook=webhook.id, exc_info=error)
            return DeliveryOutcome(None, describe(error))

    def _record(self, delivery_id: int, webhook_id: str, outcome: DeliveryOutcome) -> None:
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
                if not _delivered_lately(session, webhook.id, now):
                    _switch_off(webhook, f"nothing was delivered for days: {outcome.reason}")
            else:
                pause = PAUSES[delivery.attempts - 1]
                delivery.due_at = now + pause + int(pause * JITTER * random.random())  # noqa: S311 -- spreads load

    def _delete_old(self) -> None:
        before = self._services.now() - KEPT_SECONDS
        with self._services.service_db.work() as session:
            old = session.scalars(
                select(Delivery)
                .where(Delivery.state != DeliveryState.DUE, Delivery.due_at < before)
                .limit(500)
            ).all()
            for each in old:
                session.delete(each)


def event_delivery(webhook_id: str, event: IndexedEvent, now: int) -> Delivery:
    """The delivery of a final event, due at once. Its data are those of /v1/events."""
    data = event.response(event.key.block).model_dump(mode="json")
    message_id = f"{webhook_id}_{event.key.block}-{event.key.log}"
    return _delivery(webhook_id, message_id, event.kind, event.happened_at, data, now)


def trial_delivery(webhook_id: str, number: str, now: int) -> Delivery:
    """A delivery without data, to try a webhook with."""
    return _delivery(webhook_id, f"{webhook_id}_test-{number}", "webhook.test", now, {}, now)


def _delivery(
    webhook_id: str, message_id: str, kind: str, at: int, data: dict[str, Any], now: int
) -> Delivery:
    """A delivery with type, timestamp and data, as Standard Webhooks has them."""
    body = {"type": kind, "timestamp": moment_text(at), "data": data}
    return Delivery(
        webhook_id=webhook_id,
        message_id=message_id,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        state=DeliveryState.DUE,
        due_at=now,
        created_at=now,
    )


def _delivered_lately(session: Session, webhook_id: str, now: int) -> bool:
    newest = session.scalar(
        select(func.max(Delivery.due_at)).where(
            Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.DELIVERED
        )
    )
    return newest is not None and newest > now - SILENT_SECONDS


def _switch_off(webhook: Webhook, reason: str) -> None:
    webhook.active, webhook.reason = False, reason
    _log.warning("webhook switched off", webhook=webhook.id, reason=reason)
