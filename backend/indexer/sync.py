"""The index: a deployment's events, followed from block to block into a database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.orm import Session

from backend.db.base import Base, table_of
from backend.db.index_db import (
    Block,
    Challenge,
    Following,
    IndexDatabase,
    License,
    Platform,
    RivalClaim,
    Split,
    Terms,
)
from backend.indexer import dump as dumping
from backend.indexer.documents import read_documents
from backend.indexer.handlers import apply_block
from backend.indexer.node import Finality, Header, Logs, Node, NodeRefused
from backend.indexer.reorg import make_final, undo_after
from backend.indexer.state import State
from obbligato.audit.recompute import OnProgress
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.client import Chain
from obbligato.chain.events import Event
from obbligato.errors import ChainError
from obbligato.server.database import DatabaseError
from obbligato.store import ContentStore

BLOCKS_IN_A_RANGE: Final = 2_000
"""Final blocks asked for at once, while the node does not refuse that many."""
BLOCKS_BY_HASH: Final = 64
"""Blocks followed at once that can still be undone."""


@dataclass(frozen=True)
class Batch:
    """Blocks after `base` up to `head`, with all of their events."""

    base: bytes
    """The hash of the block before the first; empty where nothing was read before."""
    head: Header
    final: bool
    headers: Sequence[Header]
    """The blocks to remember: those with events, and those that can still be undone."""
    events: Sequence[Event]
    counts: dict[str, int] | None
    """What the contracts count at the head; None where the node no longer knows."""

    def by_block(self) -> Iterator[tuple[int, list[Event]]]:
        """The events block by block."""
        for number, events in groupby(self.events, key=lambda event: event.block):
            yield number, list(events)


class Reader:
    """Reads batch after batch, in ranges as large as the node allows."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._range = BLOCKS_IN_A_RANGE

    def read(self, base: bytes, first: int, last: int, final: int) -> Batch | None:
        """The next batch of `first..last`; None where `first` does not follow `base`: the chain changed.

        Raises ChainError.
        """
        if first <= final:
            return self._read_final(base, first, min(last, final))
        return self._read_by_hash(base, first, min(last, first + BLOCKS_BY_HASH - 1))

    def _read_final(self, base: bytes, first: int, last: int) -> Batch | None:
        logs, last = self._in_range(first, last)
        lowest, head = self._node.headers([first, last])
        if not _follows(lowest, base):
            return None
        return Batch(base, head, True, [*logs.blocks, head], logs.events, self._counts_of(head))

    def _in_range(self, first: int, last: int) -> tuple[Logs, int]:
        """The logs from `first` on, and the block up to which they go."""
        while True:
            end = min(last, first + self._range - 1)
            try:
                logs = self._node.logs_between(first, end)
            except NodeRefused:
                if end == first:
                    raise
                self._range = max(1, (end - first + 1) // 2)
                continue
            self._range = min(self._range * 2, BLOCKS_IN_A_RANGE)
            return logs, end

    def _counts_of(self, head: Header) -> dict[str, int] | None:
        try:
            return self._node.counts(head)
        except NodeRefused:
            return None

    def _read_by_hash(self, base: bytes, first: int, last: int) -> Batch | None:
        headers = self._node.headers(range(first, last + 1))
        parent = base
        for header in headers:
            if not _follows(header, parent):
                return None
            parent = header.hash
        events = self._node.logs_of(headers).events
        counts = self._node.counts(headers[-1])
        return Batch(base, headers[-1], False, headers, events, counts)


def _follows(header: Header, parent: bytes) -> bool:
    return parent in (b"", header.parent)


TRIES: Final = 5
"""How often a chain that changes while it is read is begun again with."""

_FOLLOWING: Final = table_of(Following)
_COUNTED: Final[dict[str, type[Base]]] = {
    "LicenseMinted": License,
    "TermsInterned": Terms,
    "SplitInterned": Split,
    "PlatformRegistered": Platform,
    "Challenged": Challenge,
    "RecordingClaimed": RivalClaim,
}


class FinalityBroken(ChainError):  # noqa: N818 -- says what happened
    """A block that was final is not on the node's chain: nothing was undone."""


class Synced(NamedTuple):
    """Where the index is, the events that were read, and the blocks that a reorg undid."""

    block: int
    final: int
    events: int
    undone: int


class _Head(NamedTuple):
    number: int
    hash: bytes
    final: int


def _unwatched(what: str, done: int, total: int) -> None:
    """The watcher of whoever shows no progress."""


class Index:
    """The events of one deployment and their read models in one database.

    One transaction a batch of blocks: a process may end at any moment, and the next goes on from the last
    batch. Two processes may follow into one database; each batch is kept once.
    """

    def __init__(
        self,
        database: IndexDatabase,
        chain: Chain,
        store: ContentStore | None = None,
        *,
        finality: Finality = "finalized",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a store no documents are read. `clock` decides when missing ones are asked for again.

        Raises DatabaseError where the database holds the index of another deployment.
        """
        self._database = database
        self._node = Node(chain, finality)
        self._reader = Reader(self._node)
        self._store = store
        self._clock = clock
        self._state = State()
        self._state_at = b""
        """The hash of the block that the state is of."""
        self._begin(chain)

    def sync(self, until: int | None = None, watch: OnProgress = _unwatched) -> Synced:
        """Follow the chain to block `until` (default: the latest); never back from a block, but for a reorg.

        A node that is behind the index changes nothing. Raises FinalityBroken where a final block is gone,
        and ChainError, also where the node left events out: what was read before that is kept.
        """
        latest = self._node.latest()
        target = latest.number if until is None else until
        if target > latest.number:
            raise ChainError(f"the node does not hold block {target}: ask another one")
        final = self._node.final(latest).number
        undone = self._undo_what_is_gone(latest)
        events = tries = 0
        first = self._head().number
        while (head := self._head()).number < target:
            batch = self._reader.read(head.hash, head.number + 1, target, final)
            if batch is None:
                tries += 1
                if tries == TRIES:
                    raise ChainError("the chain changed while it was read: read it again")
                undone += self._undo_what_is_gone(self._node.latest())
                continue
            events += self._keep(head, batch)
            watch("reading blocks", batch.head.number - first, target - first)
        self._advance_final(final)
        if self._store is not None:
            read_documents(self._database, self._store, int(self._clock()), watch)
        reached = self._head()
        return Synced(reached.number, reached.final, events, undone)

    def dump(self) -> bytes:
        """Every row but documents, in a canonical form: a rebuilt index has the same bytes."""
        with self._database.reading() as session:
            return dumping.dump(session)

    # ---- where it is

    def _begin(self, chain: Chain) -> None:
        deployment = chain.deployment
        contracts = {name: deployment.address(name) for name in DEPLOYED}
        with self._database.work() as session:
            known = session.get(Following, 1)
            if known is None:
                before = deployment.block - 1
                session.add(
                    Following(
                        id=1,
                        chain_id=deployment.chain_id,
                        contracts=contracts,
                        head_number=before,
                        head_hash=b"",
                        final_number=before,
                    )
                )
            elif (known.chain_id, known.contracts) != (deployment.chain_id, contracts):
                raise DatabaseError(
                    f"the database holds the index of another deployment, on chain {known.chain_id}: "
                    "give this one a database of its own"
                )

    def _head(self) -> _Head:
        with self._database.reading() as session:
            return _head_of(session.connection())

    # ---- forwards

    def _keep(self, head: _Head, batch: Batch) -> int:
        """Apply a batch and keep it, all or nothing; the events that were new."""
        try:
            with self._database.work() as session:
                connection = session.connection()
                if _head_of(connection, lock=True) != head:
                    return 0  # another process was faster
                if self._state_at != head.hash:
                    self._state.forget()
                self._apply(connection, batch)
                _check_counts(connection, batch)
                _move(connection, head, batch)
        except BaseException:
            self._state_at = b""
            self._state.forget()
            raise
        self._state_at = batch.head.hash
        return len(batch.events)

    def _apply(self, connection: Connection, batch: Batch) -> None:
        self._state.connection = connection
        for number, events in batch.by_block():
            apply_block(self._state, number, events, journaled=not batch.final)
        self._state.write(connection)
        self._state.connection = None

    def _advance_final(self, final: int) -> None:
        """What the node calls final is never undone, as far as it was read."""
        head = self._head()
        number = min(final, head.number)
        if number <= head.final:
            return
        found = self._node.header(number)
        with self._database.work() as session:
            connection = session.connection()
            known = session.get(Block, number)
            same = known is not None and found is not None and known.hash == found.hash
            if same and _head_of(connection, lock=True) == head:
                connection.execute(update(_FOLLOWING).values(final_number=number))
                make_final(connection, head.final, number)

    # ---- backwards

    def _undo_what_is_gone(self, latest: Header) -> int:
        """Undo the blocks that are no longer on the chain; how many they were. Raises FinalityBroken."""
        head = self._head()
        top = min(head.number, latest.number)
        if not head.hash or top < head.final:
            return 0  # nothing to compare: the node is behind what is final
        with self._database.reading() as session:
            known = _blocks_between(session, head.final, top)
        if self._on_chain(known[:1]):
            return 0
        common = next((block for block in known[1:] if self._on_chain([block])), None)
        if common is None and known[-1].number == head.final:
            raise FinalityBroken(
                f"block {head.final} was final and is not on the node's chain: ask another node; if all of "
                "them agree, delete the database and let the index be built anew"
            )
        # Without a common block, and none that is final, the index goes back to before its first.
        number, digest = (head.final, b"") if common is None else (common.number, common.hash)
        with self._database.work() as session:
            connection = session.connection()
            if _head_of(connection, lock=True) != head:
                return 0
            undo_after(connection, number, digest)
        return head.number - number

    def _on_chain(self, blocks: list[Block]) -> bool:
        found = [self._node.header(block.number) for block in blocks]
        return all(
            header is not None and header.hash == block.hash
            for header, block in zip(found, blocks, strict=True)
        )


def _head_of(connection: Connection, *, lock: bool = False) -> _Head:
    asked = select(_FOLLOWING.c.head_number, _FOLLOWING.c.head_hash, _FOLLOWING.c.final_number)
    row = connection.execute(asked.with_for_update() if lock else asked).one()
    return _Head(*row)


def _blocks_between(session: Session, lowest: int, highest: int) -> list[Block]:
    """The blocks that are known, from the highest down."""
    asked = select(Block).where(Block.number.between(lowest, highest))
    return list(session.scalars(asked.order_by(Block.number.desc())))


def _check_counts(connection: Connection, batch: Batch) -> None:
    """Nothing is missing that the contracts count. A node that lags answers with no logs and no error."""
    for event, counted in (batch.counts or {}).items():
        table = table_of(_COUNTED[event])
        (key,) = table.primary_key
        known = connection.execute(select(func.max(key))).scalar() or 0
        if known != counted:
            raise ChainError(
                f"{table.name} number {counted} in block {batch.head.number}, the node's logs tell of "
                f"{known}: it left some out, ask another one; if that does not help, an earlier answer "
                "was incomplete: delete the database and let the index be built anew"
            )


def _move(connection: Connection, head: _Head, batch: Batch) -> None:
    """Remember the blocks, and where the index is now."""
    blocks: dict[int, dict[str, Any]] = {
        header.number: {
            "number": header.number,
            "hash": header.hash,
            "timestamp": header.timestamp,
        }
        for header in batch.headers
    }
    connection.execute(insert(table_of(Block)), list(blocks.values()))
    final = batch.head.number if batch.final else head.final
    connection.execute(
        update(_FOLLOWING).values(
            head_number=batch.head.number, head_hash=batch.head.hash, final_number=final
        )
    )
    if batch.final:
        make_final(connection, head.final, final)
