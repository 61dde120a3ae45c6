"""What the index knows of recordings already: licences of the same owner, and of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from backend.db.index_db import Document, License
from backend.licenses.rivals import rivals

_IN_ONE_QUESTION: Final = 400

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Known:
    """A licence that claims a recording."""

    license_id: int
    owner: str
    content: bytes
    isrc: str | None
    is_live: bool
    """It has not ended."""


class Licensed:
    """The licences that claim some recordings, by content hash and by ISRC."""

    def __init__(
        self, session: Session, contents: Iterable[bytes], isrcs: Iterable[str], *, now: int
    ) -> None:
        self._session = session
        self._by_content: dict[bytes, list[Known]] = {}
        self._by_isrc: dict[str, list[Known]] = {}
        found: dict[int, Known] = {}
        for some in _portions(sorted(set(contents))):
            found.update(_known(session, License.content.in_(some), now))
        for named in _portions(sorted(set(isrcs))):
            found.update(_known(session, Document.isrc.in_(named), now))
        for _, known in sorted(found.items()):
            self._by_content.setdefault(known.content, []).append(known)
            if known.isrc:
                self._by_isrc.setdefault(known.isrc, []).append(known)

    def own(self, content: bytes, owner: str) -> Known | None:
        """The owner's own licence of this recording, where it has not ended."""
        known = self._by_content.get(content, [])
        return next((each for each in known if each.owner == owner and each.is_live), None)

    def warnings(self, content: bytes, isrc: str | None, owner: str) -> list[str]:
        """What the owner should know of others' licences, and of its own for another file."""
        same_file = self._by_content.get(content, [])
        same_isrc = self._by_isrc.get(isrc or "", [])
        words = [
            f"Your licence {each.license_id} has the same ISRC for another file."
            for each in same_isrc
            if each.owner == owner and each.is_live
        ]
        # Most lines have none: only then is the longer question asked.
        if any(each.owner != owner for each in (*same_file, *same_isrc)):
            found = rivals(self._session, owner=owner, isrc=isrc, content=content)
            words += [rival.words for rival in found]
        return words


def _known(
    session: Session, condition: ColumnElement[bool], now: int
) -> Iterator[tuple[int, Known]]:
    rows = session.execute(
        select(License.license_id, License.owner, License.content, Document.isrc, License.ends_at)
        .outerjoin(Document, Document.digest == License.document)
        .where(condition)
    )
    for license_id, owner, content, isrc, ends_at in rows:
        is_live = ends_at is None or ends_at > now
        yield license_id, Known(license_id, owner, content, isrc, is_live)


def _portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), _IN_ONE_QUESTION):
        yield values[start : start + _IN_ONE_QUESTION]
