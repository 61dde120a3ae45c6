"""What happens, as it happens: server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from backend.api.answers import problems
from backend.api.context import ServicesDep
from backend.live.feed import Feed, read_id
from backend.live.happenings import About
from backend.live.kinds import KindName
from obbligato.errors import InputError
from obbligato.fields import checked_address

router = APIRouter(prefix="/v1/events", tags=["live"])

STREAM = "text/event-stream"
EXAMPLE = (
    'id: 1234-7-1170\nevent: license.minted\ndata: {"kind":"license.minted","block_number":1234,…}\n\n'
    'id: 1234-2147483647-1170\nevent: block\ndata: {"head_number":1234,"final_number":1170,…}\n\n'
)


@router.get(
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
