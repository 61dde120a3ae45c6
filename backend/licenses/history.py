"""What happened to a licence, and the feed of licences that are retired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Query
from sqlalchemy import Row, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import Certainty, IndexHead, certainty
from backend.db.index_db import Document, License, LicenseAct, LicenseActKind, LicenseVersion
from backend.db.prepared import Prepared
from backend.http.paging import ListQuery, read_page
from backend.http.schemas import Page
from backend.licenses.schemas import ActAnswer, RetiredLicense
from backend.licenses.terms import terms_of, terms_rows
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound
from obbligato.protocol.constants import MAX_TIME
from obbligato.protocol.history import LicenseHistory, Version

_LICENSES: Final = table_of(License)
_VERSIONS: Final = table_of(LicenseVersion)
_DOCUMENTS: Final = table_of(Document)

_LICENSES_BY_ID: Final = Prepared(
    select(
        _LICENSES.c.license_id,
        _LICENSES.c.owner,
        _LICENSES.c.content,
        _LICENSES.c.document,
        _LICENSES.c.split_id,
        _LICENSES.c.ends_at,
        _LICENSES.c.changed_in,
        _DOCUMENTS.c.title,
    )
    .outerjoin(_DOCUMENTS, _DOCUMENTS.c.digest == _LICENSES.c.document)
    .where(_LICENSES.c.license_id.in_(bindparam("license_ids", expanding=True)))
)

_VERSIONS_BY_ID: Final = Prepared(
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
class KnownLicense:
    """A licence with its history, as the index has it at its head."""

    head: IndexHead
    license_id: int
    owner: str
    content: bytes
    document: bytes
    """The newest digest, in force or still pending."""
    title: str | None
    """What the newest document says; None where it is not read."""
    split_id: int
    history: LicenseHistory
    changed_in: int
    isrcs: dict[bytes, str | None]
    """The ISRC of each of its documents by the document's digest; None where it has none or is not read."""

    @property
    def now(self) -> int:
        """The time of the newest block that the index has read."""
        return self.head.head_time

    @property
    def current_document(self) -> bytes:
        """The digest of the document in force: messages name it."""
        return self.history.document_at(self.now) or self.document

    @property
    def name(self) -> str:
        """The licence as previews name it: `“Title” (licence 3)`."""
        named = f"licence {self.license_id}"
        return f"“{self.title}” ({named})" if self.title else named

    @property
    def certainty(self) -> Certainty:
        """Whether the last change of it can still be undone."""
        return certainty(self.head, self.changed_in)

    def isrc_at(self, moment: int) -> str | None:
        """The ISRC of its document at a moment."""
        document = self.history.document_at(moment)
        return None if document is None else self.isrcs.get(document)


def read_histories(
    session: Session, head: IndexHead, license_ids: Collection[int]
) -> dict[int, KnownLicense]:
    """The licences with these ids, by id; one query each for licences, versions and terms. Unknown ids are left out."""
    if not license_ids:
        return {}
    ids = sorted(set(license_ids))
    versions: defaultdict[int, list[Any]] = defaultdict(list)
    for row in _VERSIONS_BY_ID.all(session, license_ids=ids):
        versions[row.license_id].append(row)
    terms_ids = {row.terms_id for rows in versions.values() for row in rows}
    terms = {row.terms_id: terms_of(row) for row in terms_rows(session, terms_ids)}
    return {
        row.license_id: KnownLicense(
            head=head,
            license_id=row.license_id,
            owner=row.owner,
            content=row.content,
            document=row.document,
            title=row.title,
            split_id=row.split_id,
            history=LicenseHistory(
                tuple(
                    Version(
                        terms_id=version.terms_id,
                        terms=terms[version.terms_id],
                        start=version.start,
                        anchor=version.anchor,
                        document=version.document,
                    )
                    for version in versions[row.license_id]
                ),
                ends_at=row.ends_at,
            ),
            changed_in=row.changed_in,
            isrcs={version.document: version.isrc for version in versions[row.license_id]},
        )
        for row in _LICENSES_BY_ID.all(session, license_ids=ids)
    }


def read_history(session: Session, head: IndexHead, license_id: int) -> KnownLicense:
    """The licence with its history. Raises NotFound for an id that was never minted."""
    license_ = read_histories(session, head, [license_id]).get(license_id)
    if license_ is None:
        raise NotFound(f"there is no licence {license_id}: ids count from 1")
    return license_


class RetiredQuery(ListQuery):
    """What the list of retired licences can be narrowed to."""

    after: Annotated[
        int | None,
        Query(ge=0, le=MAX_TIME, description="Only those that were decided after this moment."),
    ] = None


_ACTS: Final = table_of(LicenseAct)
_KEYS: Final = [_ACTS.c.block_number, _ACTS.c.log_index]
_ENDING: Final = (LicenseActKind.REVOKED, LicenseActKind.VOIDED)


def _retired() -> Any:
    """Of each licence that ends, the last act that ended it."""
    later = _ACTS.alias("later")
    superseded = exists().where(
        later.c.license_id == _ACTS.c.license_id,
        later.c.act.in_(_ENDING),
        or_(
            later.c.block_number > _ACTS.c.block_number,
            and_(
                later.c.block_number == _ACTS.c.block_number,
                later.c.log_index > _ACTS.c.log_index,
            ),
        ),
    )
    return (
        select(
            _ACTS.c.block_number,
            _ACTS.c.log_index,
            _ACTS.c.license_id,
            _ACTS.c.act,
            _ACTS.c.happened_at,
            _ACTS.c.transaction,
            _LICENSES.c.ends_at,
            _LICENSES.c.content,
            _LICENSES.c.changed_in,
            _DOCUMENTS.c.title,
            _DOCUMENTS.c.artists,
            _DOCUMENTS.c.isrc,
        )
        .join(_LICENSES, _LICENSES.c.license_id == _ACTS.c.license_id)
        .outerjoin(_DOCUMENTS, _DOCUMENTS.c.digest == _LICENSES.c.document)
        .where(_ACTS.c.act.in_(_ENDING), _LICENSES.c.ends_at.is_not(None), ~superseded)
    )


_RETIRED: Final = _retired()


def list_acts(
    session: Session, head: IndexHead, license_id: int, query: ListQuery
) -> Page[ActAnswer]:
    """What happened to a licence, in order. Raises NotFound, InputError for a cursor."""
    selected = select(_ACTS).where(_ACTS.c.license_id == license_id)
    acts = read_page(
        session, selected, _KEYS, query, lambda row: _act(row, head), newest_first=False
    )
    if not acts.items and query.cursor is None:
        raise NotFound(f"there is no licence {license_id}: ids count from 1")
    return acts


def list_retired(session: Session, head: IndexHead, query: RetiredQuery) -> Page[RetiredLicense]:
    """Licences whose consent ended or will end, those decided last first. Raises InputError for a cursor.

    One that is reinstated is no longer among them.
    """
    selected = _RETIRED
    if query.after is not None:
        selected = selected.where(_ACTS.c.happened_at > query.after)
    return read_page(session, selected, _KEYS, query, lambda row: _retired_license(row, head))


def _retired_license(row: Row[*tuple[Any, ...]], head: IndexHead) -> RetiredLicense:
    return RetiredLicense(
        license_id=row.license_id,
        reason=row.act,
        retired_at=row.happened_at,
        ends_at=row.ends_at,
        title=row.title,
        artists=row.artists,
        isrc=row.isrc,
        content=row.content,
        transaction=row.transaction,
        certainty=certainty(head, row.changed_in),
    )


def _act(row: Row[*tuple[Any, ...]], head: IndexHead) -> ActAnswer:
    return ActAnswer(
        act=row.act,
        happened_at=row.happened_at,
        account=row.account,
        terms_id=row.terms_id,
        split_id=row.split_id,
        document=None if row.document is None else cid_from_digest(row.document),
        effective_at=row.effective_at,
        transaction=row.transaction,
        block_number=row.block_number,
        certainty=certainty(head, row.block_number),
    )
