"""What happened to a licence, and the feed of licences that are retired."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from backend.api.answers import Page
from backend.api.paging import decode_cursor, page
from backend.database.tables import ActKind, Document, License, LicenseAct
from backend.index.state import table_of
from backend.reading.license_answers import ActAnswer, RetiredLicense
from backend.reading.tip import Tip, certainty
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound

_ACTS: Final = table_of(LicenseAct)
_LICENSES: Final = table_of(License)
_DOCUMENTS: Final = table_of(Document)
_PLACE: Final = tuple_(_ACTS.c.block_number, _ACTS.c.log_index)
_ENDING: Final = (ActKind.REVOKED, ActKind.VOIDED)


def _retired() -> Any:
    """The acts that stand: of a licence that ends, the last that said so."""
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
        .order_by(_ACTS.c.block_number.desc(), _ACTS.c.log_index.desc())
    )


_RETIRED: Final = _retired()


def list_acts(
    session: Session, tip: Tip, license_id: int, *, limit: int, cursor: str | None
) -> Page[ActAnswer]:
    """What happened to a licence, in order. Raises NotFound, InputError for a cursor."""
    query = select(_ACTS).where(_ACTS.c.license_id == license_id)
    if cursor is not None:
        query = query.where(tuple_(*decode_cursor(cursor, int, int)) < _PLACE)
    query = query.order_by(_ACTS.c.block_number, _ACTS.c.log_index).limit(limit + 1)
    rows = session.execute(query).all()
    if not rows and cursor is None:
        raise NotFound(f"no licence {license_id}: ids count from 1")
    return page(rows, limit, _place, lambda row: _act(row, tip))


def list_retired(
    session: Session, tip: Tip, *, after: int | None, limit: int, cursor: str | None
) -> Page[RetiredLicense]:
    """Licences whose consent ended or will end, those decided last first; only those decided after a moment.

    One that is reinstated is no longer among them. Raises InputError for a cursor.
    """
    query = _RETIRED
    if after is not None:
        query = query.where(_ACTS.c.happened_at > after)
    if cursor is not None:
        query = query.where(tuple_(*decode_cursor(cursor, int, int)) > _PLACE)
    rows = session.execute(query.limit(limit + 1)).all()
    return page(rows, limit, _place, lambda row: _retired_license(row, tip))


def _place(row: Row[*tuple[Any, ...]]) -> tuple[int, int]:
    return row.block_number, row.log_index


def _retired_license(row: Row[*tuple[Any, ...]], tip: Tip) -> RetiredLicense:
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
        certainty=certainty(tip, row.changed_in),
    )


def _act(row: Row[*tuple[Any, ...]], tip: Tip) -> ActAnswer:
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
        certainty=certainty(tip, row.block_number),
    )
