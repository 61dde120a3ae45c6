"""Undoing blocks, and letting go of what undoes them once they are final.

Every row of the read models carries the block that made it, and the journal what a row was before a block that
changed it. So the tables as of block n are: the rows made up to n, each as the first journal entry after n has
it, or as it is where there is none.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, select, update

from backend.db.base import table_of
from backend.db.index_db import CONTENT, Base, Block, Following, JournalEntry, RawEvent
from backend.indexer.state import restore

_BLOCKS: Final = table_of(Block)
_EVENTS: Final = table_of(RawEvent)
_JOURNAL: Final = table_of(JournalEntry)
_APART: Final = {table_of(model) for model in (Block, Following, JournalEntry, *CONTENT)}

MADE_BY_BLOCKS: Final[tuple[Table, ...]] = tuple(
    table for _, table in sorted(Base.metadata.tables.items()) if table not in _APART
)
"""Events and read models: every table whose rows carry the block that made them."""


def undo_after(connection: Connection, number: int, digest: bytes) -> None:
    """Take every block after the one of this number and hash back. It must not be below the last final one."""
    for table in MADE_BY_BLOCKS:
        connection.execute(delete(table).where(table.c.block_number > number))
    entries = connection.execute(
        select(_JOURNAL).where(_JOURNAL.c.block_number > number).order_by(_JOURNAL.c.block_number)
    )
    first: dict[tuple[str, str], Any] = {}
    for entry in entries:
        first.setdefault((entry.table_name, entry.key), entry.image)
    for (name, _), image in first.items():
        if image["block_number"] <= number:
            restore(connection, Base.metadata.tables[name], image)
    connection.execute(delete(_JOURNAL).where(_JOURNAL.c.block_number > number))
    connection.execute(delete(_BLOCKS).where(_BLOCKS.c.number > number))
    connection.execute(update(table_of(Following)).values(head_number=number, head_hash=digest))


def make_final(connection: Connection, before: int, number: int) -> None:
    """Blocks up to this one are never undone: drop their journal, and the blocks without events.

    `before` is the last block that was final until now. The new last one stays, events or none.
    """
    connection.execute(delete(_JOURNAL).where(_JOURNAL.c.block_number <= number))
    has_events = exists().where(_EVENTS.c.block_number == _BLOCKS.c.number)
    connection.execute(
        delete(_BLOCKS).where(_BLOCKS.c.number.between(before, number - 1), ~has_events)
    )
