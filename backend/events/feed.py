"""The stream of events: one reader of the index a process, and a bounded queue for everybody who listens.

An event is told when it is in a block, with its certainty. Where a reorg takes back what was told, `undone`
says from which block on, and what the blocks in their place hold follows. The id of a message holds the block
that was final when it was sent: whoever comes back with it is told everything again that could have changed.
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
from backend.events.events import END_OF_BLOCK, About, Happening, Key, read_happenings
from backend.services import Services
from obbligato.errors import InputError, ObbligatoError
from obbligato.server.http import Problem

HEARTBEAT_SECONDS: Final = 15.0
MOST_QUEUED: Final = 2_000
MOST_AT_ONCE: Final = 500
MOST_STREAMS: Final = 1_000
MOST_STREAMS_EACH: Final = 10
"""For one address."""
TICK_SECONDS: Final = 0.2

_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,10})-([0-9]{1,15})")
_log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """Something to tell: an event of the chain, or a word about the stream itself."""

    happening: Happening | None
    id: str
    event: str
    data: str

    def encoded(self) -> bytes:
        """As a server-sent event."""
        identity = f"id: {self.id}\n" if self.id else ""
        return f"{identity}event: {self.event}\ndata: {self.data}\n\n".encode()


class Resumed(NamedTuple):
    """Where a listener was: the last event that it saw, and the block that was final then."""

    key: Key
    final_number: int


def read_id(text: str) -> Resumed:
    """What an id of ours says. Raises InputError."""
    matched = _ID.fullmatch(text)
    if matched is None:
        raise InputError("is no id of this stream: leave it out", field="Last-Event-ID")
    block, log, final = (int(part) for part in matched.groups())
    return Resumed(Key(block, log), final)


@dataclass(eq=False)
class _Listener:
    wanted: About
    address: str
    queue: asyncio.Queue[Message | None] = field(default_factory=asyncio.Queue)
    late: bool = False

    def offer(self, message: Message) -> None:
        """Queue a message that it wants. Who does not keep up is told so, last of all."""
        if message.happening is not None and not message.happening.is_about(self.wanted):
            return
        if self.late:
            return
        if self.queue.qsize() >= MOST_QUEUED:
            self.late = True
            self.queue.put_nowait(_word("dropped", {"reason": "this listener is too slow"}))
            return
        self.queue.put_nowait(message)


@dataclass(frozen=True)
class _Position:
    """How far was told."""

    head: tuple[int, bytes, int]
    """Number and hash of the head, and the final block's number."""
    after: Key
    told: dict[int, tuple[bytes, bool]] = field(default_factory=dict)
    """Blocks that were told of and could be undone: their hash, and whether they had events."""


class Feed:
    """One a process. Its methods are for the event loop's thread."""

    def __init__(self, services: Services, stop: threading.Event) -> None:
        self._services = services
        self._stop = stop
        self._listeners: set[_Listener] = set()
        self._addresses: Counter[str] = Counter()
        self._position: _Position | None = None
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def join(
        self, wanted: About, address: str, since: Resumed | None
    ) -> AsyncIterator[bytes]:
        """What a listener is sent. Raises Problem 429 where there are too many already, NotFound
        before the index has read its first block."""
        if len(self._listeners) >= MOST_STREAMS or self._addresses[address] >= MOST_STREAMS_EACH:
            raise Problem(
                429,
                "Too many streams",
                f"There may be {MOST_STREAMS_EACH} at once from one address: close one.",
            )
        await self._start()
        return self._stream(_Listener(wanted, address), since)

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
                    if message.happening is None or message.happening.is_about(listener.wanted):
                        yield message.encoded()
            while True:
                try:
                    told = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if told is None:
                    return
                yield told.encoded()
                if told.event == "dropped":
                    return
        finally:
            self._leave(listener)

    def _leave(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        self._addresses[listener.address] -= 1
        if self._addresses[listener.address] <= 0:
            del self._addresses[listener.address]

    async def _missed(self, since: Resumed, position: _Position) -> AsyncIterator[Message]:
        """What a listener that comes back has not been told, or was told before it was final."""
        until, (_, _, final) = position.after, position.head
        after = since.key
        if after.block > since.final_number:
            after = Key(since.final_number, END_OF_BLOCK)
            yield _word("undone", {"from_block": after.block + 1})
        while after < until and not self._stop.is_set():
            found = await asyncio.to_thread(self._read_page, after, until.block)
            for each in found:
                if each.key > until:
                    return
                yield _message(each, final)
            if len(found) < MOST_AT_ONCE:
                return
            after = found[-1].key

    def _read_page(self, after: Key, up_to: int) -> list[Happening]:
        with self._services.index_db.reading() as session:
            return read_happenings(session, after=after, up_to=up_to, limit=MOST_AT_ONCE)

    # ---- the reader

    async def _start(self) -> _Position:
        """See that the reader runs; how far it has told. Raises NotFound."""
        async with self._starting:
            if self._position is None or self._task is None or self._task.done():
                self._position = await asyncio.to_thread(self._begin)
                self._task = asyncio.create_task(self._follow(), name="live events")
            return self._position

    async def _follow(self) -> None:
        """Until nobody listens any more, or the process is told to stop."""
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
                if not await self._look():
                    due = clock() + every
        except Exception as error:
            _log.error("live events broke off", exc_info=error)
        finally:
            for listener in self._listeners:
                listener.queue.put_nowait(None)

    async def _look(self) -> bool:
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
                listener.offer(message)
        self._position = position
        return full

    def _begin(self) -> _Position:
        with self._services.index_db.reading() as session:
            head = read_head(session)
        return _Position(_head(head), Key(head.head_number, END_OF_BLOCK))

    def _read(self, known: _Position) -> tuple[list[Message], _Position, bool]:
        """What is new since a position, the position after it, and whether there may be more."""
        with self._services.index_db.reading() as session:
            head = read_head(session)
            if known.head == _head(head) and known.after.log == END_OF_BLOCK:
                return [], known, False
            messages: list[Message] = []
            told, after = dict(known.told), known.after
            undone = _undone(session, told, head)
            if undone is not None:
                messages.append(_word("undone", {"from_block": undone}))
                after = min(after, Key(undone - 1, END_OF_BLOCK))
            found = read_happenings(
                session, after=after, up_to=head.head_number, limit=MOST_AT_ONCE
            )
        messages += [_message(each, head.final_number) for each in found]
        told |= {each.key.block: (each.block_hash, True) for each in found}
        full = len(found) == MOST_AT_ONCE
        if full:
            after = found[-1].key
        else:
            after = Key(head.head_number, END_OF_BLOCK)
            told.setdefault(head.head_number, (head.head_hash, False))
            messages.append(_block_message(head))
        kept = {number: each for number, each in told.items() if number > head.final_number}
        return messages, _Position(_head(head), after, kept), full


def _head(head: IndexHead) -> tuple[int, bytes, int]:
    return head.head_number, head.head_hash, head.final_number


def _undone(session: Session, told: dict[int, tuple[bytes, bool]], head: IndexHead) -> int | None:
    """The first block that was told of and is another now. What was undone is dropped from `told`."""
    if not told:
        return None
    rows = session.execute(
        select(Block.number, Block.hash).where(Block.number.between(min(told), max(told)))
    )
    hashes = {number: found for number, found in rows}  # noqa: C416 -- rows are no pairs to mypy
    first = None
    for number, (known, had_events) in sorted(told.items()):
        # Final blocks without events are not kept: nothing was told of them that could be wrong.
        kept = number > head.final_number or had_events
        if (number in hashes or kept) and hashes.get(number) != known:
            first = number
            break
    if first is not None:
        for number in [each for each in told if each >= first]:
            del told[number]
    return first


def _message(happening: Happening, final: int) -> Message:
    block, log = happening.key
    told = happening.told(final)
    return Message(happening, f"{block}-{log}-{final}", told.kind, told.model_dump_json())


def _block_message(head: IndexHead) -> Message:
    said = {
        "head_number": head.head_number,
        "head_hash": "0x" + head.head_hash.hex(),
        "head_time": head.head_time,
        "final_number": head.final_number,
    }
    identity = f"{head.head_number}-{END_OF_BLOCK}-{head.final_number}"
    return Message(None, identity, "block", json.dumps(said))


def _word(event: str, said: dict[str, Any]) -> Message:
    return Message(None, "", event, json.dumps(said))
