"""Where the index is. Whatever it says is as of this block, its time included."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.index_db import Block, Document, Following, RawEvent
from obbligato.errors import NotFound

MOMENT_SECONDS: Final = 15
"""How late an answer may be that turns with time alone: a term that ends, a period that is missing."""

Certainty = Literal["confirmed", "final"]


_F: Final = Following.__table__
_HEAD: Final = Block.__table__.alias("head")
_LAST: Final = Block.__table__.alias("last")
_EVENT_NUMBER: Final = select(func.max(RawEvent.__table__.c.block_number)).scalar_subquery()
_HEAD_ROW: Final = (
    select(
        _F.c.chain_id,
        _F.c.head_number,
        _F.c.head_hash,
        _HEAD.c.timestamp,
        _F.c.final_number,
        func.coalesce(select(func.max(Document.__table__.c.read_at)).scalar_subquery(), 0),
        func.coalesce(_EVENT_NUMBER, 0),
        func.coalesce(_LAST.c.hash, b""),
    )
    .select_from(
        _F.outerjoin(_HEAD, _HEAD.c.number == _F.c.head_number).outerjoin(
            _LAST, _LAST.c.number == _EVENT_NUMBER
        )
    )
    .where(_F.c.id == 1)
)
"""The fields of an `IndexHead`, in its order."""


class IndexHead(NamedTuple):
    """The newest block that was read."""

    chain_id: int
    head_number: int
    head_hash: bytes
    head_time: int
    """Its timestamp: what "now" means in every answer of the index."""
    final_number: int
    documents_at: int
    """When a document was last read, in microseconds: documents come later than their licences."""
    event_number: int
    """The newest block with an event of the deployment, 0 before any."""
    event_hash: bytes

    @property
    def version(self) -> str:
        """Two heads with the same version have the same answers, but for what passes within `MOMENT_SECONDS`.

        Most blocks have no event of ours: then only finality and time go on, and finality says nothing new
        once the newest event is final.
        """
        final = min(self.final_number, self.event_number)
        moment = self.head_time // MOMENT_SECONDS
        return (
            f"{self.event_number}-{self.event_hash.hex()[:16]}-{final}-{self.documents_at}-{moment}"
        )


def read_head(session: Session) -> IndexHead:
    """Where the index is. Raises NotFound before its first block."""
    row = session.execute(_HEAD_ROW).first()
    if row is None or not row.head_hash:
        raise NotFound("the index has not read its first block yet: try again in a moment")
    assert row.timestamp is not None, "the head is always among the blocks"
    return IndexHead(*row)


def certainty(head: IndexHead, block_number: int) -> Certainty:
    """Whether what a block said can still change."""
    return "final" if block_number <= head.final_number else "confirmed"
