"""Licences in time, read for many at once: the index's rows as the rules' own histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from backend.database.tables import Document, License, LicenseVersion
from backend.index.state import table_of
from backend.reading.terms import terms_of, terms_rows
from obbligato.errors import NotFound
from obbligato.rules.history import LicenseHistory, Version
from obbligato.rules.terms import Terms

_LICENSES: Final = table_of(License)
_VERSIONS: Final = table_of(LicenseVersion)
_DOCUMENTS: Final = table_of(Document)

_LICENSES_BY_ID: Final = select(
    _LICENSES.c.license_id,
    _LICENSES.c.owner,
    _LICENSES.c.content,
    _LICENSES.c.ends_at,
    _LICENSES.c.changed_in,
).where(_LICENSES.c.license_id.in_(bindparam("license_ids", expanding=True)))

_VERSIONS_BY_ID: Final = (
    select(
        _VERSIONS.c.license_id,
        _VERSIONS.c.start,
        _VERSIONS.c.anchor,
        _VERSIONS.c.terms_id,
        _VERSIONS.c.document,
        _DOCUMENTS.c.isrc,
    )
    .outerjoin(_DOCUMENTS, _DOCUMENTS.c.digest == _VERSIONS.c.document)
    .where(_VERSIONS.c.license_id.in_(bindparam("license_ids", expanding=True)))
    .order_by(_VERSIONS.c.license_id, _VERSIONS.c.number)
)


@dataclass(frozen=True, slots=True)
class Known:
    """One licence in time."""

    license_id: int
    owner: str
    content: bytes
    history: LicenseHistory
    changed_in: int
    isrcs: dict[bytes, str | None]
    """The ISRC that each of its documents names, by the document's digest; None where it names none or is not read."""

    def isrc_at(self, moment: int) -> str | None:
        """The ISRC that its document names at a moment."""
        document = self.history.document_at(moment)
        return None if document is None else self.isrcs.get(document)


def read_histories(session: Session, license_ids: Collection[int]) -> dict[int, Known]:
    """The licences that there are of these ids: one query for each of licences, versions and terms."""
    if not license_ids:
        return {}
    asked = {"license_ids": sorted(set(license_ids))}
    versions: defaultdict[int, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in session.execute(_VERSIONS_BY_ID, asked):
        versions[row.license_id].append(row)
    terms_ids = {row.terms_id for rows in versions.values() for row in rows}
    terms = {row.terms_id: terms_of(row) for row in terms_rows(session, terms_ids)}
    return {
        row.license_id: Known(
            license_id=row.license_id,
            owner=row.owner,
            content=row.content,
            history=LicenseHistory(
                tuple(_version(version, terms) for version in versions[row.license_id]),
                ends_at=row.ends_at,
            ),
            changed_in=row.changed_in,
            isrcs={version.document: version.isrc for version in versions[row.license_id]},
        )
        for row in session.execute(_LICENSES_BY_ID, asked)
    }


def read_history(session: Session, license_id: int) -> Known:
    """Raises NotFound for an id that was never minted."""
    found = read_histories(session, [license_id]).get(license_id)
    if found is None:
        raise NotFound(f"no licence {license_id}: ids count from 1")
    return found


def _version(row: Row[*tuple[Any, ...]], terms: dict[int, Terms]) -> Version:
    return Version(
        terms_id=row.terms_id,
        terms=terms[row.terms_id],
        start=row.start,
        anchor=row.anchor,
        document=row.document,
    )
