"""The stream of events: one reader of the index in each process, and a bounded queue for each listener.

An event is sent once it is in a block, with its certainty. Where a reorg removes blocks whose events were sent,
`undone` names the first of them, and the events of the new blocks follow. The id of a message holds the block that
was final when it was sent: a listener that returns with it gets everything again that may have changed.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.db.head import IndexHead, read_head
from backend.db.index_db import Block
from backend.events.events import END_OF_BLOCK, EventFilter, IndexedEvent, Key, read_indexed_events
from backend.services import Services
from obbligato.errors import InputError, ObbligatoError
from obbligato.server.http import Problem

HEARTBEAT_SECONDS: Final = 15.0
MOST_QUEUED: Final = 2_000
MOST_AT_ONCE: Final = 500
MOST_STREAMS: Final = 1_000
MOST_STREAMS_EACH: Final = 10
"""Of one address."""
TICK_SECONDS: Final = 0.2

_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,10})-([0-9]{1,15})")
_log = structlog.get_logger(__name__)


class FeedMessage(NamedTuple):
    """An event of the chain, or a notice about the stream itself."""

    indexed: IndexedEvent | None
    id: str
    event: str
    data: str

    def encoded(self) -> bytes:
        """The server-sent event."""
        identity = f"id: {self.id}\n" if self.id else ""
        return f"{identity}event: {self.event}\ndata: {self.data}\n\n".encode()


class Resumed(NamedTuple):
    """The last event that a returning listener received, and the block that was final then."""

    key: Key
    final_number: int


def read_id(text: str) -> Resumed:
    """Parse the id of a message. Raises InputError."""
    matched = _ID.fullmatch(text)
    if matched is None:
        raise InputError("is no id of this stream: leave it out", field="Last-Event-ID")
    block, log, final = (int(part) for part in matched.groups())
    return Resumed(Key(block, log), final)


@dataclass(eq=False)
class _Listener:
    subscription: EventFilter
    address: str
    queue: asyncio.Queue[FeedMessage | None] = field(default_factory=asyncio.Queue)
    late: bool = False

    def wants(self, message: FeedMessage) -> bool:
        return message.indexed is None or self.subscription.matches(message.indexed)

    def queue_message(self, message: FeedMessage) -> None:
        """Queue a message that it subscribed to. A listener that is too slow gets `dropped` as the last one."""
        if self.late or not self.wants(message):
            return
        if self.queue.qsize() >= MOST_QUEUED:
            self.late = True
            self.queue.put_nowait(_notice("dropped", {"reason": "this listener is too slow"}))
            return
        self.queue.put_nowait(message)


@dataclass(frozen=True)
class _Position:
    """How far the reader has sent the index."""

    head: tuple[int, bytes, int]
    """Number and hash of the head, and the final block's number."""
    after: Key
    sent: dict[int, tuple[bytes, bool]] = field(default_factory=dict)
    """By number, the blocks that were sent and may be undone: their hash, and whether they had events."""


class Feed:
    """The feed of one process. Its methods run in the event loop's thread."""

    def __init__(self, services: Services, stop: threading.Event) -> None:
        self._services = services
        self._stop = stop
        self._listeners: set[_Listener] = set()
        self._addresses: Counter[str] = Counter()
        self._position: _Position | None = None
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def join(
        self, subscription: EventFilter, address: str, since: Resumed | None
    ) -> AsyncIterator[bytes]:
        """The messages for a new listener. Raises Problem 429 where there are too many listeners, NotFound
        before the index has its first block."""
        if len(self._listeners) >= MOST_STREAMS or self._addresses[address] >= MOST_STREAMS_EACH:
            raise Problem(
                429,
                "Too many streams",
                f"There may be {MOST_STREAMS_EACH} at once from one address: close one.",
            )
        await self._start()
        return self._stream(_Listener(subscription, address), since)

    # ---- one listener

    async def _stream(self, listener: _Listener, since: Resumed | None) -> AsyncIterator[bytes]:
        self._listeners.add(listener)
        self._addresses[listener.address] += 1
        try:
            yield b"retry: 3000\n\n"
            position = await self._start()
            # What comes after this position is being queued already.
            if since is not None:
                async for message in self._missed(since, position):
                    if listener.wants(message):
                        yield message.encoded()
            while True:
                try:
                    next_message = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if next_message is None:
                    return
                yield next_message.encoded()
                if next_message.event == "dropped":
                    return
        finally:
            self._leave(listener)

    def _leave(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        self._addresses[listener.address] -= 1
        if self._addresses[listener.address] <= 0:
            del self._addresses[listener.address]

    async def _missed(self, since: Resumed, position: _Position) -> AsyncIterator[FeedMessage]:
        """What a returning listener has not received, or received before it was final."""
        until, (_, _, final) = position.after, position.head
        after = since.key
        if after.block > since.final_number:
            after = Key(since.final_number, END_OF_BLOCK)
            yield _notice("undone", {"from_block": after.block + 1})
        while after < until and not self._stop.is_set():
            events = await asyncio.to_thread(self._read_page, after, until.block)
            for event in events:
                if event.key > until:
                    return
                yield _message(event, final)
            if len(events) < MOST_AT_ONCE:
                return
            after = events[-1].key

    def _read_page(self, after: Key, up_to: int) -> list[IndexedEvent]:
        with self._services.index_db.reading() as session:
            return read_indexed_events(session, after=after, up_to=up_to, limit=MOST_AT_ONCE)

    # ---- the reader

    async def _start(self) -> _Position:
        """The position of the reader, which is started where it does not run. Raises NotFound."""
        async with self._starting:
            if self._position is None or self._task is None or self._task.done():
                self._position = await asyncio.to_thread(self._begin)
                self._task = asyncio.create_task(self._follow(), name="live events")
            return self._position

    async def _follow(self) -> None:
        """Read until the last listener leaves or the process stops."""
        every = self._services.settings.poll_seconds
        clock = asyncio.get_running_loop().time
        due = clock() + every
        try:
            while not self._stop.is_set():
                await asyncio.sleep(min(TICK_SECONDS, every))
                if clock() < due:
                    continue
                if not self._listeners:
                    return
                if not await self._poll():
                    due = clock() + every
        except Exception as error:
            _log.error("live events broke off", exc_info=error)
        finally:
            for listener in self._listeners:
                listener.queue.put_nowait(None)

    async def _poll(self) -> bool:
        """Read what is new and queue it; whether there may be more at once."""
        assert self._position is not None
        try:
            messages, position, full = await asyncio.to_thread(self._read, self._position)
        except (ObbligatoError, SQLAlchemyError) as error:
            _log.warning("live events wait", reason=str(error)[:300])
            return False
        # No listener comes between the messages and the position that they lead to.
        for message in messages:
            for listener in self._listeners:
                listener.queue_message(message)
        self._position = position
        return full

    def _begin(self) -> _Position:
        with self._services.index_db.reading() as session:
            head = read_head(session)
        return _Position(_head(head), Key(head.head_number, END_OF_BLOCK))

    def _read(self, known: _Position) -> tuple[list[FeedMessage], _Position, bool]:
        """What is new since a position, the position after it, and whether there may be more."""
        with self._services.index_db.reading() as session:
            head = read_head(session)
            if known.head == _head(head) and known.after.log == END_OF_BLOCK:
                return [], known, False
            messages: list[FeedMessage] = []
            sent, after = dict(known.sent), known.after
            undone = _undone(session, sent, head)
            if undone is not None:
                messages.append(_notice("undone", {"from_block": undone}))
                after = min(after, Key(undone - 1, END_OF_BLOCK))
            events = read_indexed_events(
                session, after=after, up_to=head.head_number, limit=MOST_AT_ONCE
            )
        messages += [_message(event, head.final_number) for event in events]
        sent |= {event.key.block: (event.block_hash, True) for event in events}
        full = len(events) == MOST_AT_ONCE
        if full:
            after = events[-1].key
        else:
            after = Key(head.head_number, END_OF_BLOCK)
            sent.setdefault(head.head_number, (head.head_hash, False))
            messages.append(_block_message(head))
        sent = {number: block for number, block in sent.items() if number > head.final_number}
        return messages, _Position(_head(head), after, sent), full


def _head(head: IndexHead) -> tuple[int, bytes, int]:
    return head.head_number, head.head_hash, head.final_number


def _undone(session: Session, sent: dict[int, tuple[bytes, bool]], head: IndexHead) -> int | None:
    """The first block that was sent and that a reorg replaced; it and later ones are removed from `sent`."""
    if not sent:
        return None
    rows = session.execute(
        select(Block.number, Block.hash).where(Block.number.between(min(sent), max(sent)))
    )
    hashes = {number: block_hash for number, block_hash in rows}  # noqa: C416 -- rows are no pairs to mypy
    for first, (known, had_events) in sorted(sent.items()):
        # The index keeps no final blocks without events: nothing that was sent of them can be wrong.
        indexed = first > head.final_number or had_events
        if (first in hashes or indexed) and hashes.get(first) != known:
            for number in [number for number in sent if number >= first]:
                del sent[number]
            return first
    return None


def _message(event: IndexedEvent, final: int) -> FeedMessage:
    block, log = event.key
    data = event.response(final).model_dump_json()
    return FeedMessage(event, f"{block}-{log}-{final}", event.kind, data)


def _block_message(head: IndexHead) -> FeedMessage:
    data = {
        "head_number": head.head_number,
        "head_hash": "0x" + head.head_hash.hex(),
        "head_time": head.head_time,
        "final_number": head.final_number,
    }
    identity = f"{head.head_number}-{END_OF_BLOCK}-{head.final_number}"
    return FeedMessage(None, identity, "block", json.dumps(data))


def _notice(event: str, data: dict[str, Any]) -> FeedMessage:
    return FeedMessage(None, "", event, json.dumps(data))
