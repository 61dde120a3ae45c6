"""Licences: lists by what is asked for, and one with everything."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union,
)
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Document, License, LicenseVersion, SplitPayee, Terms
from backend.http.names import DocumentWord, LicenseState, TierName, license_state, tier_names
from backend.http.paging import decode_cursor, page
from backend.http.schemas import Page
from backend.licenses.history import read_history
from backend.licenses.schemas import (
    LicenseAnswer,
    LicenseSummary,
    PendingVersion,
    RivalLicense,
    VersionAnswer,
)
from backend.licenses.terms import read_split, terms_answer, terms_rows
from obbligato.documents.cid import cid_from_digest
from obbligato.errors import NotFound
from obbligato.protocol.constants import Tier

_LENT = "obbligato_folded"
_LENT_TO = "obbligato folds case"


class Search:
    """Conditions for one session."""

    def __init__(self, session: Session) -> None:
        connection = session.connection()
        self._sqlite = connection.dialect.name == "sqlite"
        if self._sqlite and not connection.info.get(_LENT_TO):
            own: Any = connection.connection.driver_connection
            assert isinstance(own, sqlite3.Connection)
            own.create_function(_LENT, 1, _folded, deterministic=True)
            connection.info[_LENT_TO] = True

    def contains(self, text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Whether a column holds a part of text. No character of it has a special meaning."""
        if self._sqlite:
            return func.instr(getattr(func, _LENT)(text), part.casefold()) > 0
        return func.strpos(func.lower(text), func.lower(part)) > 0

    def any_contains(self, texts: ColumnElement[Any], part: str) -> ColumnElement[bool]:
        """Whether any text of a JSON list does."""
        if self._sqlite:
            listed = func.json_each(texts)
        else:
            # A document that was not read has the JSON null, which PostgreSQL refuses to list.
            alone = case((func.json_typeof(texts) == "array", texts), else_=None)
            listed = func.json_array_elements_text(alone)
        each = listed.table_valued("value")
        return exists(select(1).select_from(each).where(self.contains(each.c.value, part)))


def _folded(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None


Order = Literal["newest", "oldest"]
MOST_RIVALS: Final = 100

_L: Final = table_of(License)
_V: Final = table_of(LicenseVersion)
_T: Final = table_of(Terms)
_D: Final = table_of(Document)
_PAYEES: Final = table_of(SplitPayee)

AT: Final = bindparam("at", type_=_L.c.minted_at.type)


def _shown_number() -> Any:
    """The number of the version at `AT`: after the licence's end, the last that was ever in force."""
    earlier = _V.alias("earlier")
    begun = select(func.max(earlier.c.number)).where(
        earlier.c.license_id == _L.c.license_id,
        earlier.c.start <= AT,
        or_(_L.c.ends_at.is_(None), earlier.c.start < _L.c.ends_at),
    )
    return func.coalesce(begun.correlate(_L).scalar_subquery(), 0)


SHOWN: Final = (
    _L.join(_V, and_(_V.c.license_id == _L.c.license_id, _V.c.number == _shown_number()))
    .join(_T, _T.c.terms_id == _V.c.terms_id)
    .outerjoin(_D, _D.c.digest == _V.c.document)
)
"""Each licence with its version, terms and document at `AT`."""

_SUMMARIES: Final = select(
    _L.c.license_id,
    _L.c.owner,
    _L.c.content,
    _L.c.split_id,
    _L.c.minted_at,
    _L.c.ends_at,
    _L.c.voided,
    _L.c.changed_in,
    _V.c.terms_id,
    _V.c.document,
    _T.c.tiers,
    _D.c.state.label("document_state"),
    _D.c.reason.label("document_reason"),
    _D.c.isrc,
    _D.c.title,
    _D.c.artists,
).select_from(SHOWN)

_IN_FORCE: Final = and_(_L.c.minted_at <= AT, or_(_L.c.ends_at.is_(None), _L.c.ends_at > AT))
_STATES: Final[dict[LicenseState, ColumnElement[bool]]] = {
    "not_yet": _L.c.minted_at > AT,
    "in_force": and_(_L.c.minted_at <= AT, _L.c.ends_at.is_(None)),
    "ending": and_(_L.c.minted_at <= AT, _L.c.ends_at > AT),
    "ended": and_(_L.c.minted_at <= AT, _L.c.ends_at <= AT),
}

_ONE: Final = _SUMMARIES.where(_L.c.license_id == bindparam("license_id"))


def _claiming(content: Any, isrc: Any) -> ColumnElement[bool]:
    """Licences for a recording: by its content hash, or by the ISRC that a document of theirs names."""
    by_content = select(_L.c.license_id).where(_L.c.content == content)
    by_isrc = select(_V.c.license_id).join(_D, _D.c.digest == _V.c.document)
    either = union(by_content, by_isrc.where(_D.c.isrc == isrc)).subquery()
    return and_(
        _L.c.license_id.in_(select(either.c.license_id)),
        # A document of theirs may have named the ISRC at another time.
        or_(_L.c.content == content, _D.c.isrc == isrc),
    )


_CLAIMING: Final = _SUMMARIES.where(
    _claiming(
        bindparam("content", type_=_L.c.content.type), bindparam("isrc", type_=_D.c.isrc.type)
    )
).order_by(_L.c.license_id)
_RIVALS: Final = _CLAIMING.where(_L.c.owner != bindparam("owner")).limit(MOST_RIVALS)
_EARLIEST_LIVE: Final = _CLAIMING.where(_IN_FORCE).limit(1)


@dataclass(frozen=True, slots=True)
class LicenseFilter:
    """What a list of licences is narrowed to; None narrows nothing."""

    isrc: str | None = None
    artist: str | None = None
    """Part of the name of any of its artists, whatever the case."""
    title: str | None = None
    owner: str | None = None
    payee: str | None = None
    content: bytes | None = None
    tier: TierName | None = None
    """With consent to it at the moment."""
    state: LicenseState | None = None
    rival_of: int | None = None
    """For the same recording as this licence, under another owner."""


def list_licenses(
    session: Session,
    head: IndexHead,
    wanted: LicenseFilter,
    *,
    at: int | None,
    order: Order,
    limit: int,
    cursor: str | None,
) -> Page[LicenseSummary]:
    """Licences as they stand at a moment (default: the head's). Raises InputError for a cursor."""
    moment = head.head_time if at is None else at
    key = _L.c.license_id
    ordered = key.desc() if order == "newest" else key
    own, joined = _own_conditions(wanted), _joined_conditions(session, wanted, moment)
    if cursor is not None:
        (last,) = decode_cursor(cursor, int)
        own.append(key < last if order == "newest" else key > last)
    if joined:
        query = _SUMMARIES.where(*own, *joined).order_by(ordered).limit(limit + 1)
    else:  # the page is found first, so that only its own licences are joined and sorted whole
        found = select(key).where(*own).order_by(ordered).limit(limit + 1).correlate(None)
        query = _SUMMARIES.where(key.in_(found)).order_by(ordered)
    rows = session.execute(query, {"at": moment}).all()
    return page(
        rows,
        limit,
        lambda row: (row.license_id,),
        lambda row: LicenseSummary(**_summary(row, moment, head)),
    )


def read_license(session: Session, head: IndexHead, license_id: int) -> LicenseAnswer:
    """Everything about one, as of the head. Raises NotFound."""
    now = head.head_time
    row = session.execute(_ONE, {"license_id": license_id, "at": now}).first()
    if row is None:
        raise NotFound(f"no licence {license_id}: ids count from 1")
    known = read_history(session, license_id)
    version, pending = known.history.version_at(now), known.history.pending_at(now)
    in_time = [each for each in (version, pending) if each is not None]
    terms = {
        found.terms_id: terms_answer(found, head)
        for found in terms_rows(session, [each.terms_id for each in in_time])
    }
    same = {"content": row.content, "isrc": row.isrc, "at": now}
    rivals = session.execute(_RIVALS, {**same, "owner": row.owner}).all()
    earliest = session.execute(_EARLIEST_LIVE, same).first()
    return LicenseAnswer(
        **_summary(row, now, head),
        voided=row.voided,
        term_ends_at=None if version is None else version.term_end(now),
        terms=None if version is None else terms[version.terms_id],
        pending=None
        if pending is None
        else PendingVersion(
            start=pending.start,
            document=cid_from_digest(pending.document),
            terms=terms[pending.terms_id],
        ),
        split=read_split(session, head, row.split_id),
        versions=[
            VersionAnswer(
                start=each.start,
                terms_id=each.terms_id,
                tiers=tier_names(each.terms.tiers),
                document=cid_from_digest(each.document),
            )
            for each in known.history.versions
        ],
        document_reason=row.document_reason,
        rivals=[
            RivalLicense(
                license_id=rival.license_id,
                owner=rival.owner,
                state=license_state(rival.minted_at, rival.ends_at, now),
                same_content=rival.content == row.content,
                same_isrc=row.isrc is not None and rival.isrc == row.isrc,
                minted_at=rival.minted_at,
            )
            for rival in rivals
        ],
        earliest_live=None if earliest is None else earliest.license_id,
    )


def _own_conditions(wanted: LicenseFilter) -> list[ColumnElement[bool]]:
    """What the licence's own row tells."""
    found: list[ColumnElement[bool]] = []
    if wanted.owner is not None:
        found.append(_L.c.owner == wanted.owner)
    if wanted.payee is not None:
        paid = select(_PAYEES.c.split_id).where(_PAYEES.c.account == wanted.payee)
        found.append(_L.c.split_id.in_(paid))
    if wanted.content is not None:
        found.append(_L.c.content == wanted.content)
    if wanted.state is not None:
        found.append(_STATES[wanted.state])
    return found


def _joined_conditions(
    session: Session, wanted: LicenseFilter, at: int
) -> list[ColumnElement[bool]]:
    """What takes its terms or its document."""
    found: list[ColumnElement[bool]] = []
    if wanted.isrc is not None:
        naming = select(_V.c.license_id).join(_D, _D.c.digest == _V.c.document)
        found += [
            _L.c.license_id.in_(naming.where(_D.c.isrc == wanted.isrc)),
            _D.c.isrc == wanted.isrc,
        ]
    if wanted.tier is not None:
        found += [_IN_FORCE, _T.c.tiers.bitwise_and(Tier[wanted.tier].bit) != 0]
    if wanted.title is not None:
        found.append(Search(session).contains(_D.c.title, wanted.title))
    if wanted.artist is not None:
        found.append(Search(session).any_contains(_D.c.artists, wanted.artist))
    if wanted.rival_of is not None:
        found.append(_rivals_of(session, wanted.rival_of, at))
    return found


def _rivals_of(session: Session, license_id: int, at: int) -> ColumnElement[bool]:
    """Raises NotFound where there is no such licence."""
    row = session.execute(_ONE, {"license_id": license_id, "at": at}).first()
    if row is None:
        raise NotFound(f"no licence {license_id} to have rivals: ids count from 1")
    # As a parameter, an ISRC that there is not equals no other.
    claiming = _claiming(row.content, literal(row.isrc, _D.c.isrc.type))
    return and_(claiming, _L.c.owner != row.owner)


def _summary(row: Row[*tuple[Any, ...]], at: int, head: IndexHead) -> dict[str, Any]:
    state = license_state(row.minted_at, row.ends_at, at)
    in_force = state in ("in_force", "ending")
    return {
        "license_id": row.license_id,
        "state": state,
        "owner": row.owner,
        "title": row.title,
        "artists": row.artists,
        "isrc": row.isrc,
        "content": row.content,
        "document": cid_from_digest(row.document),
        "document_state": _document_word(row.document_state),
        "terms_id": row.terms_id if in_force else None,
        "tiers": tier_names(row.tiers) if in_force else [],
        "split_id": row.split_id,
        "minted_at": row.minted_at,
        "ends_at": row.ends_at,
        "certainty": certainty(head, row.changed_in),
    }


def _document_word(state: str | None) -> DocumentWord:
    """A document that nobody asked for yet is missing too."""
    if state == "read":
        return "read"
    return "invalid" if state == "invalid" else "missing"


def document_cid(session: Session, head: IndexHead, license_id: int) -> str:
    """The CID of the document that the licence has, or had when it ended. Raises NotFound."""
    history = read_history(session, license_id).history
    return cid_from_digest(history.document_at(head.head_time) or history.versions[0].document)


def legal_text_cid(session: Session, head: IndexHead, license_id: int) -> str:
    """The CID of the legal text of the terms in force; after the end, of the last. Raises NotFound."""
    history = read_history(session, license_id).history
    last = head.head_time
    if history.ends_at is not None:
        last = min(last, history.ends_at - 1)
    begun = [version for version in history.versions if version.start <= last]
    shown = begun[-1] if begun else history.versions[0]
    return cid_from_digest(shown.terms.text_digest)
