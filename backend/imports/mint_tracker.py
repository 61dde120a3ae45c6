"""Marks lines as minted once the index has their licences, whoever sent the mint; a reorg takes the mark back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from backend.db.head import IndexHead, read_head
from backend.db.index_db import License, LicenseAct, LicenseActKind
from backend.db.service_db import CatalogueLine, LineState
from backend.services import Services
from obbligato.chain import blocks

_MOST_IN_QUERY: Final = 400
_MINTABLE: Final = (LineState.PREPARED, LineState.OFFERED, LineState.MINTED)

LineKey = tuple[str, int]
"""Catalogue and line."""


@dataclass(frozen=True, slots=True)
class Mint:
    """A licence as it was minted."""

    license_id: int
    owner: str | None
    document: bytes | None
    content: bytes
    block: int

    def is_of(self, line: CatalogueLine) -> bool:
        """Whether the line asks for this mint."""
        return (self.owner, self.document, self.content) == (
            line.owner,
            line.document,
            line.content,
        )


class MintFollower:
    """Reads the mints of blocks that were not final in the step before; the first step reads all mints."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._head: bytes | None = None
        self._final = -1
        self._unfinal: dict[LineKey, int | None] = {}
        """Minted lines that a reorg may still undo: the block of their mint, None where it was not seen yet."""

    def step(self) -> int:
        """Follow the index; how many lines became minted. Raises NotFound before its first block, ChainError."""
        with self._services.index_db.reading() as session:
            head = read_head(session)
            if head.head_hash == self._head:
                return 0
            later = LicenseAct.block_number > self._final
            new = living_mints(session, later, head.head_time)
        if self._head is None:
            self._unfinal = dict.fromkeys(self._minted_lines())
        count = 0
        for mints in _portions(new):
            count += self._mark_minted(mints)
        for keys in _portions(list(self._unfinal)):
            self._recheck(keys, head)
        self._head, self._final = head.head_hash, head.final_number
        return count

    def _minted_lines(self) -> list[LineKey]:
        with self._services.service_db.reading() as session:
            rows = session.execute(
                select(CatalogueLine.catalogue_id, CatalogueLine.line).where(
                    CatalogueLine.state == LineState.MINTED
                )
            )
            return [(row[0], row[1]) for row in rows]

    def _mark_minted(self, mints: Sequence[Mint]) -> int:
        """Mark the lines that these mints are of; returns how many."""
        documents = [mint.document for mint in mints]
        where = (CatalogueLine.document.in_(documents), CatalogueLine.state.in_(_MINTABLE))
        with self._services.service_db.reading() as session:
            if session.scalar(select(CatalogueLine.line).where(*where).limit(1)) is None:
                return 0
        count = 0
        with self._services.service_db.work() as session:
            for line in session.scalars(select(CatalogueLine).where(*where)):
                mint = next((mint for mint in mints if mint.is_of(line)), None)
                if mint is None:
                    continue
                self._unfinal[line.catalogue_id, line.line] = mint.block
                if line.state != LineState.MINTED:
                    line.state, line.license_id = LineState.MINTED, mint.license_id
                    count += 1
        return count

    def _recheck(self, keys: Sequence[LineKey], head: IndexHead) -> None:
        """Drop minted lines whose block is final, and undo those whose mint is gone."""
        lines = self._lines(keys)
        ids = [line.license_id for line in lines if line.license_id is not None]
        with self._services.index_db.reading() as session:
            mints = {
                each.license_id: each for each in _read(session, LicenseAct.license_id.in_(ids))
            }
        undone: list[LineKey] = []
        for line in lines:
            key = line.catalogue_id, line.line
            mint = mints.get(line.license_id or 0)
            if mint is not None and mint.is_of(line):
                self._unfinal[key] = mint.block
                if mint.block <= head.final_number:
                    del self._unfinal[key]
            elif self._has_indexed(self._unfinal[key], head):
                undone.append(key)
        if undone:
            self._undo(undone)

    def _lines(self, keys: Sequence[LineKey]) -> list[CatalogueLine]:
        lines: list[CatalogueLine] = []
        with self._services.service_db.reading() as session:
            for catalogue_id in sorted({key[0] for key in keys}):
                numbers = [key[1] for key in keys if key[0] == catalogue_id]
                lines += session.scalars(
                    select(CatalogueLine).where(
                        CatalogueLine.catalogue_id == catalogue_id, CatalogueLine.line.in_(numbers)
                    )
                ).all()
        return lines

    def _has_indexed(self, block: int | None, head: IndexHead) -> bool:
        """Whether the index has come as far as the mint: one that is being built anew has not."""
        if block is not None:
            return head.head_number >= block
        latest = blocks.latest(self._services.chain).number
        return latest - head.head_number <= self._services.settings.late_blocks

    def _undo(self, keys: Iterable[LineKey]) -> None:
        with self._services.service_db.work() as session:
            for key in keys:
                line = session.get_one(CatalogueLine, key, with_for_update=True)
                if line.state == LineState.MINTED:
                    line.state, line.license_id = LineState.OFFERED, None
                del self._unfinal[key]


def living_mints(session: Session, condition: ColumnElement[bool], now: int) -> list[Mint]:
    """Mints of licences that have not ended: a recording may be licensed anew after that."""
    return _read(
        session,
        condition,
        License.voided.is_(False),
        or_(License.ends_at.is_(None), License.ends_at > now),
    )


def _read(session: Session, *conditions: ColumnElement[bool]) -> list[Mint]:
    rows = session.execute(
        select(
            LicenseAct.license_id,
            LicenseAct.account,
            LicenseAct.document,
            License.content,
            LicenseAct.block_number,
        )
        .join(License, License.license_id == LicenseAct.license_id)
        .where(LicenseAct.act == LicenseActKind.MINTED, *conditions)
        .order_by(LicenseAct.license_id)
    )
    return [Mint(*row) for row in rows]


def _portions(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _MOST_IN_QUERY):
        yield values[start : start + _MOST_IN_QUERY]
