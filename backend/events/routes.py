"""Webhooks: somewhere of yours that is told of what is final, signed by the Standard Webhooks scheme."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from backend.auth.deps import scoped
from backend.db.index_db import Platform
from backend.db.service_db import Delivery, Webhook
from backend.events.catalog import KINDS, KindName
from backend.events.events import About
from backend.events.feed import Feed, read_id
from backend.events.url_guard import check_url
from backend.events.webhooks import new_secret, shown_secret, trial_delivery
from backend.http.callers import Caller
from backend.http.deps import HeadDep, IndexDep, ServicesDep
from backend.http.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.http.schemas import AnswerModel, Page, Seconds, problems
from obbligato.errors import InputError, NotFound
from obbligato.protocol.types import Address, checked_address
from obbligato.server.http import Problem

live_router = APIRouter(prefix="/v1/events", tags=["live"])

STREAM = "text/event-stream"
EXAMPLE = (
    'id: 1234-7-1170\nevent: license.minted\ndata: {"kind":"license.minted","block_number":1234,…}\n\n'
    'id: 1234-2147483647-1170\nevent: block\ndata: {"head_number":1234,"final_number":1170,…}\n\n'
)


@live_router.get(
    "",
    operation_id="stream_events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events until either side ends it.",
            "content": {STREAM: {"schema": {"type": "string", "examples": [EXAMPLE]}}},
        },
        **problems(404, 422),
    },
)
async def events(
    request: Request,
    services: ServicesDep,
    kinds: Annotated[
        list[KindName] | None, Query(max_length=50, description="Leave out for all kinds.")
    ] = None,
    license_id: Annotated[int | None, Query(ge=1, le=2**32 - 1)] = None,
    platform_id: Annotated[int | None, Query(ge=1, le=2**32 - 1)] = None,
    account: Annotated[
        str | None,
        Query(pattern="^0x[0-9a-fA-F]{40}$", description="Owner, payee, or whoever acted."),
    ] = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=60)] = None,
) -> StreamingResponse:
    """Follow what happens.

    Every event says whether it is `confirmed` or `final`. `block` tells where the index is. `undone` takes back
    every event from `from_block` on: a reorg put other blocks in their place, and what they hold follows. With
    `Last-Event-ID`, which browsers send by themselves, the stream goes on where it was. `dropped` is the last
    word to whoever does not keep up.
    """
    try:
        about = checked_address(account) if account else None
    except InputError as error:
        raise InputError(error.reason, field="account") from None
    since = read_id(last_event_id) if last_event_id else None
    wanted = About(frozenset(kinds or ()), license_id, platform_id, about)
    address = request.app.state.limits.address_of(request.scope)
    told = await _feed(request, services).join(wanted, address, since)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(told, media_type=STREAM, headers=headers)


def _feed(request: Request, services: ServicesDep) -> Feed:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "feed"):
        state.feed = Feed(services, state.stop)
    feed: Feed = state.feed
    return feed


webhooks_router = APIRouter(prefix="/v1/webhooks", tags=["live"])

MOST: int = 20
"""Webhooks of one account."""
SCOPE = "webhooks:write"
WriterDep = Annotated[Caller, Depends(scoped(SCOPE))]
WebhookId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Id = Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]


class AboutGiven(BaseModel):
    """What to be told of: all of these together; nothing: of everything."""

    model_config = ConfigDict(extra="forbid")

    license_id: Id | None = None
    platform_id: Id | None = None
    account: Address | None = Field(
        default=None, description="Who takes part, or owns the licence that it is about."
    )


class WebhookGiven(BaseModel):
    """Where to tell, and of what."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://example.com/obbligato",
                    "kinds": ["report.settled", "challenge.ruled"],
                    "about": {"license_id": 3},
                }
            ]
        },
    )

    url: Annotated[str, Field(min_length=8, max_length=2_000)]
    kinds: Annotated[list[KindName], Field(min_length=1, max_length=len(KINDS))]
    about: AboutGiven = Field(default_factory=AboutGiven)


class WebhookShown(AnswerModel):
    """A webhook. It is told of final blocks only, from the one after it was made."""

    id: str
    url: str
    kinds: list[str]
    about: dict[str, Any]
    active: bool
    reason: Annotated[str | None, Field(description="Why it was switched off.")]
    next_block: int
    created_at: Seconds


class WebhookMade(WebhookShown):
    """A new webhook with its secret, which is shown this once."""

    secret: Annotated[str, Field(pattern="^whsec_", description="The key that signs deliveries.")]


class DeliveryShown(AnswerModel):
    """One message."""

    message_id: str
    state: Literal["due", "delivered", "given up"]
    attempts: int
    due_at: Annotated[Seconds, Field(description="When it is sent next, or was delivered.")]
    answered: int | None
    reason: str | None
    created_at: Seconds


@webhooks_router.post(
    "", operation_id="create_webhook", status_code=201, responses=problems(401, 403, 404, 409, 422)
)
def create_webhook(
    given: WebhookGiven, services: ServicesDep, caller: WriterDep, head: HeadDep, index: IndexDep
) -> WebhookMade:
    """Have an address told of what is final.

    Every delivery carries webhook-id, webhook-timestamp and webhook-signature; verify them with any library of
    https://www.standardwebhooks.com. Failed ones are repeated for three days.
    """
    check_url(given.url, private=services.settings.private_webhooks)
    about = given.about.model_dump(exclude_none=True)
    if "platform_id" in about and index.get(Platform, about["platform_id"]) is None:
        raise NotFound(f"there is no platform {about['platform_id']}")
    webhook = Webhook(
        id=secrets.token_hex(16),
        account=caller.account,
        platform_id=caller.platform_id,
        url=given.url,
        secret=new_secret(),
        kinds=sorted(set(given.kinds)),
        about=about,
        next_block=head.final_number + 1,
        active=True,
        created_at=services.now(),
    )
    with services.service_db.work() as session:
        known = session.scalar(
            select(func.count()).where(Webhook.account == caller.account, Webhook.active)
        )
        if (known or 0) >= MOST:
            raise Problem(409, "Enough webhooks", f"An account has {MOST} at most: delete one.")
        session.add(webhook)
    return WebhookMade(**_shown(webhook).model_dump(), secret=shown_secret(webhook.secret))


@webhooks_router.get("", operation_id="list_webhooks", responses=problems(401, 403, 422))
def list_webhooks(
    services: ServicesDep, caller: WriterDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[WebhookShown]:
    """Your webhooks, in the order of their ids."""
    query = select(Webhook).where(_mine(caller))
    if cursor is not None:
        query = query.where(Webhook.id > decode_cursor(cursor, str)[0])
    with services.service_db.reading() as session:
        rows = session.scalars(query.order_by(Webhook.id).limit(limit + 1)).all()
    return page(rows, limit, lambda row: (row.id,), _shown)


@webhooks_router.delete(
    "/{webhook_id}",
    operation_id="delete_webhook",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
def delete_webhook(webhook_id: WebhookId, services: ServicesDep, caller: WriterDep) -> Response:
    """Delete a webhook and the messages that wait for it."""
    with services.service_db.work() as session:
        webhook = _found(session, webhook_id, caller)
        session.execute(delete(Delivery).where(Delivery.webhook_id == webhook.id))
        session.delete(webhook)
    return Response(status_code=204)


@webhooks_router.post(
    "/{webhook_id}/test",
    operation_id="try_webhook",
    status_code=202,
    responses=problems(401, 403, 404, 422),
)
def try_webhook(webhook_id: WebhookId, services: ServicesDep, caller: WriterDep) -> DeliveryShown:
    """Have a message of the type `webhook.test` sent, to see that you can receive and verify it."""
    now = services.now()
    with services.service_db.work() as session:
        webhook = _found(session, webhook_id, caller)
        webhook.active, webhook.reason = True, None
        delivery = trial_delivery(webhook.id, secrets.token_hex(4), now)
        session.add(delivery)
        session.flush()
        return _shown_delivery(delivery)


@webhooks_router.get(
    "/{webhook_id}/deliveries",
    operation_id="list_deliveries",
    responses=problems(401, 403, 404, 422),
)
def list_deliveries(
    webhook_id: WebhookId,
    services: ServicesDep,
    caller: WriterDep,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[DeliveryShown]:
    """The messages of a webhook, newest first."""
    with services.service_db.reading() as session:
        webhook = _found(session, webhook_id, caller)
        query = select(Delivery).where(Delivery.webhook_id == webhook.id)
        if cursor is not None:
            query = query.where(Delivery.id < decode_cursor(cursor, int)[0])
        rows = session.scalars(query.order_by(Delivery.id.desc()).limit(limit + 1)).all()
    return page(rows, limit, lambda row: (row.id,), _shown_delivery)


def _mine(caller: Caller) -> Any:
    """A key sees its platform's webhooks, an account all that it made."""
    if caller.kind == "key":
        return Webhook.platform_id == caller.platform_id
    return Webhook.account == caller.account


def _found(session: Session, webhook_id: str, caller: Caller) -> Webhook:
    webhook = session.scalars(
        select(Webhook).where(Webhook.id == webhook_id, _mine(caller))
    ).one_or_none()
    if webhook is None:
        raise NotFound("you have no such webhook")
    return webhook


def _shown(webhook: Webhook) -> WebhookShown:
    names = WebhookShown.model_fields
    return WebhookShown(**{name: getattr(webhook, name) for name in names})


def _shown_delivery(delivery: Delivery) -> DeliveryShown:
    return DeliveryShown(
        message_id=delivery.message_id,
        state=delivery.state,
        attempts=delivery.attempts or 0,
        due_at=delivery.due_at,
        answered=delivery.answered,
        reason=delivery.reason,
        created_at=delivery.created_at,
    )
