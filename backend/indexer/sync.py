"""The index: a deployment's events, followed from block to block into a database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.index_db import (
    CONTENT,
    Base,
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
from backend.indexer.documents import read_documents
from backend.indexer.handlers import apply_block
from backend.indexer.reorg import make_final, undo_after
from backend.indexer.state import State
from obbligato.audit.recompute import OnProgress
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.blocks import Finality
from obbligato.chain.client import Chain
from obbligato.chain.follower import BlockId, Follower, NewBlocks, Position, Undone
from obbligato.server.database import DatabaseError
from obbligato.store import ContentStore

_FOLLOWING: Final = table_of(Following)
_COUNTED: Final[dict[str, type[Base]]] = {
    "LicenseMinted": License,
    "TermsInterned": Terms,
    "SplitInterned": Split,
    "PlatformRegistered": Platform,
    "Challenged": Challenge,
    "RecordingClaimed": RivalClaim,
}


_REMEDY: Final = (
    "; if that does not help, an earlier answer was incomplete: delete the database and let the index be built "
    "anew"
)


class Synced(NamedTuple):
    """Where the index is, the events that were read, and the blocks that a reorg undid."""

    block: int
    final: int
    events: int
    undone: int


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
        self._follower = Follower(chain, self, finality=finality)
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
        first = self.position().number
        events = undone = 0
        for step in self._follower.steps(until):
            if isinstance(step, NewBlocks):
                events += self._keep(step)
                watch("reading blocks", step.head.number - first, step.target - first)
            elif isinstance(step, Undone):
                undone += self._undo(step)
            else:
                self._advance_final(step.number)
        if self._store is not None:
            read_documents(self._database, self._store, int(self._clock()), watch)
        reached = self.position()
        return Synced(reached.number, reached.final, events, undone)

    def dump(self) -> bytes:
        """Every row but documents, in a canonical form: a rebuilt index has the same bytes."""
        with self._database.reading() as session:
            return dump(session)

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

    def position(self) -> Position:
        """The last block that is in the database, and the last final one."""
        with self._database.reading() as session:
            return _position(session.connection())

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        """The blocks that are in the database, from the highest down."""
        query = select(Block.number, Block.hash).where(Block.number.between(lowest, highest))
        with self._database.reading() as session:
            rows = session.execute(query.order_by(Block.number.desc())).all()
        return [BlockId(row.number, row.hash) for row in rows]

    # ---- forwards

    def _keep(self, batch: NewBlocks) -> int:
        """Apply a batch and keep it, all or nothing; the events that were new."""
        try:
            with self._database.work() as session:
                connection = session.connection()
                if _position(connection, lock=True) != batch.base:
                    return 0  # another process was faster
                if self._state_at != batch.base.hash:
                    self._state.forget()
                self._apply(connection, batch)
                _check_counts(connection, batch)
                _move(connection, batch)
        except BaseException:
            self._state_at = b""
            self._state.forget()
            raise
        self._state_at = batch.head.hash
        return len(batch.events)

    def _apply(self, connection: Connection, batch: NewBlocks) -> None:
        self._state.connection = connection
        for number, events in batch.by_block():
            apply_block(self._state, number, events, journaled=not batch.final)
        self._state.write(connection)
        self._state.connection = None

    def _advance_final(self, number: int) -> None:
        with self._database.work() as session:
            connection = session.connection()
            before = _position(connection, lock=True)
            if before.final < number <= before.number:
                connection.execute(update(_FOLLOWING).values(final_number=number))
                make_final(connection, before.final, number)

    # ---- backwards

    def _undo(self, step: Undone) -> int:
        """Undo the blocks after the last common one; how many they were."""
        with self._database.work() as session:
            connection = session.connection()
            before = _position(connection, lock=True)
            if before != step.base:
                return 0  # another process was faster
            undo_after(connection, step.number, step.hash)
        return before.number - step.number


def _position(connection: Connection, *, lock: bool = False) -> Position:
    query = select(_FOLLOWING.c.head_number, _FOLLOWING.c.head_hash, _FOLLOWING.c.final_number)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return Position(*row)


def _check_counts(connection: Connection, batch: NewBlocks) -> None:
    """Nothing is missing that the contracts count. A node that lags answers with no logs and no error."""
    for event, model in _COUNTED.items():
        table = table_of(model)
        (key,) = table.primary_key
        known = connection.execute(select(func.max(key))).scalar() or 0
        batch.check_count(event, known, _REMEDY)


def _move(connection: Connection, batch: NewBlocks) -> None:
    """Remember the blocks, and where the index is now."""
    rows = [
        {"number": header.number, "hash": header.hash, "timestamp": header.timestamp}
        for header in batch.headers
    ]
    connection.execute(insert(table_of(Block)), rows)
    final = batch.head.number if batch.final else batch.base.final
    connection.execute(
        update(_FOLLOWING).values(
            head_number=batch.head.number, head_hash=batch.head.hash, final_number=final
        )
    )
    if batch.final:
        make_final(connection, batch.base.final, final)


def dump(session: Session) -> bytes:
    """Every row of every table but documents, which are content and not chain; one JSON line a row."""
    return b"".join(line + b"\n" for line in _lines(session))


def _lines(session: Session) -> Iterator[bytes]:
    apart = {table_of(model) for model in CONTENT}
    for name, table in sorted(Base.metadata.tables.items()):
        if table in apart:
            continue
        rows = (_line(name, dict(row._mapping)) for row in session.execute(select(table)))
        # Databases order text each in their own way.
        yield from sorted(rows)


def _line(name: str, row: dict[str, Any]) -> bytes:
    return json.dumps({"table": name, **row}, default=bytes.hex, sort_keys=True).encode()
