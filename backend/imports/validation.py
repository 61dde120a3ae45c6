"""What lines of a catalogue collide with: other lines of the same file, and licences in the index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.index_db import Document, License
from backend.db.service_db import LineState
from backend.licenses.rivals import rivals
from obbligato.documents.catalog_cells import LineErrors, content_of, isrc_of
from obbligato.schemas.catalogue_lines import LineParser

_PREPARED: Final = (LineState.PREPARED, LineState.OFFERED, LineState.MINTED)
_REASONS: Final = {
    "content_hash": "line {line} has the same recording for the same owner: keep one of the two",
    "isrc": "line {line} has the same ISRC: one of the two is mistyped, or there twice",
}

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineCells:
    """The state of a line and its cells."""

    line: int
    state: str
    cells: Mapping[str, str]


class DuplicateIndex:
    """By recording, the line that keeps it: one that is prepared already, else the first in the file."""

    def __init__(self, lines: Iterable[LineCells], parser: LineParser) -> None:
        self._parser = parser
        self._line_by_key: dict[_Key, int] = {}
        for each in sorted(lines, key=lambda each: (each.state not in _PREPARED, each.line)):
            for _, key in self._keys(each.cells):
                self._line_by_key.setdefault(key, each.line)

    def add_errors(self, line: int, cells: Mapping[str, str], errors: LineErrors) -> None:
        """Add an error for each recording or ISRC that another line keeps."""
        for column, key in self._keys(cells):
            keeper = self._line_by_key.get(key, line)
            if keeper != line:
                errors.add(column, _REASONS[column].format(line=keeper), other_line=keeper)

    def _keys(self, cells: Mapping[str, str]) -> list[tuple[str, _Key]]:
        keys: list[tuple[str, _Key]] = []
        content, owner = content_of(cells), self._parser.owner_of(cells)
        if content is not None and owner is not None:
            keys.append(("content_hash", ("content", content.hex(), owner)))
        isrc = isrc_of(cells)
        if isrc is not None:
            keys.append(("isrc", ("isrc", isrc)))
        return keys


@dataclass(frozen=True, slots=True)
class _ExistingLicense:
    license_id: int
    owner: str
    content: bytes
    isrc: str | None
    is_live: bool
    """It has not ended."""


class ExistingLicenses:
    """The licences in the index for some recordings, by content hash and by ISRC."""

    def __init__(
        self, session: Session, contents: Iterable[bytes], isrcs: Iterable[str], *, now: int
    ) -> None:
        self._session = session
        self._by_content: dict[bytes, list[_ExistingLicense]] = {}
        self._by_isrc: dict[str, list[_ExistingLicense]] = {}
        query = select(
            License.license_id, License.owner, License.content, Document.isrc, License.ends_at
        ).outerjoin(Document, Document.digest == License.document)
        by_id: dict[int, _ExistingLicense] = {}
        # Two queries, each with an index of its own: one with OR would read every licence.
        for condition in (License.content.in_(set(contents)), Document.isrc.in_(set(isrcs))):
            for row in session.execute(query.where(condition)):
                license_id, owner, content, isrc, ends_at = row
                is_live = ends_at is None or ends_at > now
                by_id[license_id] = _ExistingLicense(license_id, owner, content, isrc, is_live)
        for _, existing in sorted(by_id.items()):
            self._by_content.setdefault(existing.content, []).append(existing)
            if existing.isrc:
                self._by_isrc.setdefault(existing.isrc, []).append(existing)

    def add_error(self, content: bytes, owner: str, errors: LineErrors) -> None:
        """Add an error where the owner has a licence of this recording that has not ended."""
        for existing in self._by_content.get(content, []):
            if existing.owner == owner and existing.is_live:
                errors.add(
                    "content_hash",
                    f"licence {existing.license_id} of {owner} is for this recording already: "
                    "amend that one instead",
                )
                return

    def warnings(self, content: bytes, isrc: str | None, owner: str) -> list[str]:
        """Sentences about licences of others for this recording, and of the owner for another file."""
        same_file = self._by_content.get(content, [])
        same_isrc = self._by_isrc.get(isrc or "", [])
        warnings = [
            f"Your licence {each.license_id} has the same ISRC for another file."
            for each in same_isrc
            if each.owner == owner and each.is_live
        ]
        # Most lines have no rival: the longer query runs only for those that have.
        if any(each.owner != owner for each in (*same_file, *same_isrc)):
            others = rivals(self._session, owner=owner, isrc=isrc, content=content)
            warnings += [rival.words for rival in others]
        return warnings
