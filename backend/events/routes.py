"""The routes of events: the stream, and webhooks with their deliveries."""

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
from backend.events.events import EventFilter
from backend.events.feed import Feed, read_id
from backend.events.webhooks import check_url, encode_secret, new_secret, trial_delivery
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
        participant = checked_address(account) if account else None
    except InputError as error:
        raise InputError(error.reason, field="account") from None
    since = read_id(last_event_id) if last_event_id else None
    subscription = EventFilter(frozenset(kinds or ()), license_id, platform_id, participant)
    address = request.app.state.limits.address_of(request.scope)
    stream = await _feed(request, services).join(subscription, address, since)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type=STREAM, headers=headers)


def _feed(request: Request, services: ServicesDep) -> Feed:
    """The feed of this process."""
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


class FilterRequest(BaseModel):
    """Which events to deliver: about all of these together; about everything where none is set."""

    model_config = ConfigDict(extra="forbid")

    license_id: Id | None = None
    platform_id: Id | None = None
    account: Address | None = Field(
        default=None, description="Who takes part, or owns the licence that it is about."
    )


class WebhookRequest(BaseModel):
    """Where to deliver, and which events."""

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
    about: FilterRequest = Field(default_factory=FilterRequest)


class WebhookResponse(AnswerModel):
    """A webhook. It receives events of final blocks, from the first block that is final after its creation."""

    id: str
    url: str
    kinds: list[str]
    about: dict[str, Any]
    active: bool
    reason: Annotated[str | None, Field(description="Why it was switched off.")]
    next_block: int
    created_at: Seconds


class NewWebhookResponse(WebhookResponse):
    """A new webhook with its secret, which no later response holds."""

    secret: Annotated[str, Field(pattern="^whsec_", description="The key that signs deliveries.")]


class DeliveryResponse(AnswerModel):
    """One delivery."""

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
    body: WebhookRequest, services: ServicesDep, caller: WriterDep, head: HeadDep, index: IndexDep
) -> NewWebhookResponse:
    """Have events delivered to a URL once their block is final.

    Every delivery carries webhook-id, webhook-timestamp and webhook-signature; verify them with any library of
    https://www.standardwebhooks.com. Failed ones are repeated for three days.
    """
    check_url(body.url, private=services.settings.private_webhooks)
    about = body.about.model_dump(exclude_none=True)
    if "platform_id" in about and index.get(Platform, about["platform_id"]) is None:
        raise NotFound(f"there is no platform {about['platform_id']}")
    webhook = Webhook(
        id=secrets.token_hex(16),
        account=caller.account,
        platform_id=caller.platform_id,
        url=body.url,
        secret=new_secret(),
        kinds=sorted(set(body.kinds)),
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
            raise Problem(409, "Too many webhooks", f"An account has {MOST} at most: delete one.")
        session.add(webhook)
    response = WebhookResponse.model_validate(webhook)
    return NewWebhookResponse(**response.model_dump(), secret=encode_secret(webhook.secret))


@webhooks_router.get("", operation_id="list_webhooks", responses=problems(401, 403, 422))
def list_webhooks(
    services: ServicesDep, caller: WriterDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[WebhookResponse]:
    """Your webhooks, in the order of their ids."""
    query = select(Webhook).where(_callers_webhooks(caller))
    if cursor is not None:
        query = query.where(Webhook.id > decode_cursor(cursor, str)[0])
    with services.service_db.reading() as session:
        rows = session.scalars(query.order_by(Webhook.id).limit(limit + 1)).all()
    return page(rows, limit, lambda row: (row.id,), WebhookResponse.model_validate)


@webhooks_router.delete(
    "/{webhook_id}",
    operation_id="delete_webhook",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
def delete_webhook(webhook_id: WebhookId, services: ServicesDep, caller: WriterDep) -> Response:
    """Delete a webhook with its deliveries."""
    with services.service_db.work() as session:
        webhook = _webhook(session, webhook_id, caller)
        session.execute(delete(Delivery).where(Delivery.webhook_id == webhook.id))
        session.delete(webhook)
    return Response(status_code=204)


@webhooks_router.post(
    "/{webhook_id}/test",
    operation_id="try_webhook",
    status_code=202,
    responses=problems(401, 403, 404, 422),
)
def try_webhook(
    webhook_id: WebhookId, services: ServicesDep, caller: WriterDep
) -> DeliveryResponse:
    """Send a delivery of the type `webhook.test`, to see that you can receive and verify it."""
    now = services.now()
    with services.service_db.work() as session:
        webhook = _webhook(session, webhook_id, caller)
        webhook.active, webhook.reason = True, None
        delivery = trial_delivery(webhook.id, secrets.token_hex(4), now)
        session.add(delivery)
        session.flush()
        return DeliveryResponse.model_validate(delivery)


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
) -> Page[DeliveryResponse]:
    """The deliveries of a webhook, newest first."""
    with services.service_db.reading() as session:
        webhook = _webhook(session, webhook_id, caller)
        query = select(Delivery).where(Delivery.webhook_id == webhook.id)
        if cursor is not None:
            query = query.where(Delivery.id < decode_cursor(cursor, int)[0])
        rows = session.scalars(query.order_by(Delivery.id.desc()).limit(limit + 1)).all()
    return page(rows, limit, lambda row: (row.id,), DeliveryResponse.model_validate)


def _callers_webhooks(caller: Caller) -> Any:
    """The condition for the webhooks of a caller: those of a key's platform, or all that an account made."""
    if caller.kind == "key":
        return Webhook.platform_id == caller.platform_id
    return Webhook.account == caller.account


def _webhook(session: Session, webhook_id: str, caller: Caller) -> Webhook:
    webhook = session.scalars(
        select(Webhook).where(Webhook.id == webhook_id, _callers_webhooks(caller))
    ).one_or_none()
    if webhook is None:
        raise NotFound("you have no such webhook")
    return webhook
