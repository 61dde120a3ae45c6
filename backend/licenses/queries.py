"""Licences: lists by what is asked for, and one with everything."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import Document, License, LicenseVersion, SplitPayee, Terms
from backend.db.prepared import Prepared
from backend.http.deps import (
    AddressQuery,
    Bytes32Query,
    IdQuery,
    IsrcQuery,
    MomentQuery,
    SearchQuery,
)
from backend.http.paging import ListQuery, decode_cursor, page
from backend.http.schemas import DocumentWord, LicenseState, Page, license_state, tier_names
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
from obbligato.schemas.terms import TierName

_FOLD = "obbligato_folded"
_HAS_FOLD = "obbligato folds case"


def _fold_case(session: Session) -> None:
    """Lend SQLite, whose own folding knows ASCII alone, Python's."""
    connection = session.connection()
    if connection.dialect.name == "sqlite" and not connection.info.get(_HAS_FOLD):
        own: Any = connection.connection.driver_connection
        assert isinstance(own, sqlite3.Connection)
        own.create_function(_FOLD, 1, _folded, deterministic=True)
        connection.info[_HAS_FOLD] = True


def _contains(is_sqlite: bool, text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Whether a column holds a part of text, a parameter. No character of it has a special meaning."""
    searched = bindparam(part, type_=Text())
    if is_sqlite:
        return func.instr(getattr(func, _FOLD)(text), getattr(func, _FOLD)(searched)) > 0
    return func.strpos(func.lower(text), func.lower(searched)) > 0


def _any_contains(is_sqlite: bool, texts: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Whether any text of a JSON list does."""
    if is_sqlite:
        listed = func.json_each(texts)
    else:
        # A document that was not read has the JSON null, which PostgreSQL refuses to list.
        alone = case((func.json_typeof(texts) == "array", texts), else_=None)
        listed = func.json_array_elements_text(alone)
    each = listed.table_valued("value")
    return exists(select(1).select_from(each).where(_contains(is_sqlite, each.c.value, part)))


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


def _version_number() -> Any:
    """The number of the version at `AT`: after the licence's end, the last that was ever in force."""
    earlier = _V.alias("earlier")
    begun = select(func.max(earlier.c.number)).where(
        earlier.c.license_id == _L.c.license_id,
        earlier.c.start <= AT,
        or_(_L.c.ends_at.is_(None), earlier.c.start < _L.c.ends_at),
    )
    return func.coalesce(begun.correlate(_L).scalar_subquery(), 0)


AT_MOMENT: Final = (
    _L.join(_V, and_(_V.c.license_id == _L.c.license_id, _V.c.number == _version_number()))
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
).select_from(AT_MOMENT)

_IN_FORCE: Final = and_(_L.c.minted_at <= AT, or_(_L.c.ends_at.is_(None), _L.c.ends_at > AT))
_STATES: Final[dict[LicenseState, ColumnElement[bool]]] = {
    "not_yet": _L.c.minted_at > AT,
    "in_force": and_(_L.c.minted_at <= AT, _L.c.ends_at.is_(None)),
    "ending": and_(_L.c.minted_at <= AT, _L.c.ends_at > AT),
    "ended": and_(_L.c.minted_at <= AT, _L.c.ends_at <= AT),
}

_ONE: Final = Prepared(_SUMMARIES.where(_L.c.license_id == bindparam("license_id")))


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
_RIVALS: Final = Prepared(_CLAIMING.where(_L.c.owner != bindparam("owner")).limit(MOST_RIVALS))
_EARLIEST_LIVE: Final = Prepared(_CLAIMING.where(_IN_FORCE).limit(1))


class LicenseQuery(ListQuery):
    """What a list of licences can be narrowed to, and how it is ordered."""

    isrc: IsrcQuery = None
    artist: SearchQuery = None
    """Part of the name of any of its artists, in upper or lower case."""
    title: SearchQuery = None
    owner: AddressQuery = None
    payee: AddressQuery = None
    content: Bytes32Query = None
    tier: TierName | None = None
    """With consent to it at the moment."""
    state: LicenseState | None = None
    rival_of: IdQuery = None
    """For the same recording as this licence, under another owner."""
    at: MomentQuery = None
    order: Order = "newest"

    @property
    def is_by_key(self) -> bool:
        """Whether the list walks along a key: a search in texts reads every document."""
        return self.title is None and self.artist is None and self.rival_of is None


def list_licenses(session: Session, head: IndexHead, query: LicenseQuery) -> Page[LicenseSummary]:
    """Licences as they stand at a moment (default: the head's). Raises InputError for a cursor."""
    moment = head.head_time if query.at is None else query.at
    narrowed = query.model_dump(exclude={"limit", "cursor", "at", "order"}, exclude_none=True)
    names = frozenset(narrowed)
    values: dict[str, Any] = {**narrowed, "at": moment, "most": query.limit + 1}
    if query.cursor is not None:
        (values["last"],) = decode_cursor(query.cursor, int)
    if query.tier is not None:
        values["tier"] = Tier[query.tier].bit
    if query.rival_of is not None:
        values |= _recording(session, query.rival_of, moment)
    if names & _TEXTS:
        _fold_case(session)
    is_sqlite = session.connection().dialect.name == "sqlite"
    statement = _list(names, query.state, query.order, query.cursor is not None, is_sqlite)
    return page(
        statement.all(session, **values),
        query.limit,
        lambda row: (row.license_id,),
        lambda row: LicenseSummary(**_summary(row, moment, head)),
    )


def read_license(session: Session, head: IndexHead, license_id: int) -> LicenseAnswer:
    """Everything about one, as of the head. Raises NotFound."""
    now = head.head_time
    row = _ONE.first(session, license_id=license_id, at=now)
    if row is None:
        raise NotFound(f"there is no licence {license_id}: ids count from 1")
    known = read_history(session, head, license_id)
    version, pending = known.history.version_at(now), known.history.pending_at(now)
    in_time = [each for each in (version, pending) if each is not None]
    terms = {
        row_terms.terms_id: terms_answer(row_terms, head)
        for row_terms in terms_rows(session, [each.terms_id for each in in_time])
    }
    same = {"content": row.content, "isrc": row.isrc, "at": now}
    rivals = _RIVALS.all(session, **same, owner=row.owner)
    earliest = _EARLIEST_LIVE.first(session, **same)
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


_TEXTS: Final = frozenset({"title", "artist"})
_OWN: Final[dict[str, ColumnElement[bool]]] = {
    "owner": _L.c.owner == bindparam("owner"),
    "payee": _L.c.split_id.in_(
        select(_PAYEES.c.split_id).where(_PAYEES.c.account == bindparam("payee"))
    ),
    "content": _L.c.content == bindparam("content"),
}
"""By a member of LicenseQuery, what the licence's own row says."""
_JOINED: Final[dict[str, ColumnElement[bool]]] = {
    "isrc": and_(
        _L.c.license_id.in_(
            select(_V.c.license_id)
            .join(_D, _D.c.digest == _V.c.document)
            .where(_D.c.isrc == bindparam("isrc"))
        ),
        _D.c.isrc == bindparam("isrc"),
    ),
    "tier": and_(_IN_FORCE, _T.c.tiers.bitwise_and(bindparam("tier", type_=BigInteger())) != 0),
    "rival_of": and_(
        _claiming(
            bindparam("same_content", type_=_L.c.content.type),
            bindparam("same_isrc", type_=_D.c.isrc.type),
        ),
        _L.c.owner != bindparam("other_owner"),
    ),
}
"""What takes its terms or its document."""


@lru_cache(maxsize=1_024)
def _list(
    names: frozenset[str], state: LicenseState | None, order: Order, goes_on: bool, is_sqlite: bool
) -> Prepared:
    """The list narrowed by these members of a LicenseQuery: one statement for all requests of one shape."""
    key = _L.c.license_id
    ordered = key.desc() if order == "newest" else key
    own = [_OWN[name] for name in sorted(names & _OWN.keys())]
    joined = [_JOINED[name] for name in sorted(names & _JOINED.keys())]
    if state is not None:
        own.append(_STATES[state])
    if "title" in names:
        joined.append(_contains(is_sqlite, _D.c.title, "title"))
    if "artist" in names:
        joined.append(_any_contains(is_sqlite, _D.c.artists, "artist"))
    if goes_on:
        last = bindparam("last", type_=BigInteger())
        own.append(key < last if order == "newest" else key > last)
    most = bindparam("most", type_=BigInteger())
    if joined:
        return Prepared(_SUMMARIES.where(*own, *joined).order_by(ordered).limit(most))
    # The ids of the page are selected first, so that only its own licences are joined and sorted.
    ids = select(key).where(*own).order_by(ordered).limit(most).correlate(None)
    return Prepared(_SUMMARIES.where(key.in_(ids)).order_by(ordered))


def _recording(session: Session, license_id: int, at: int) -> dict[str, Any]:
    """What rivals of a licence have in common with it. Raises NotFound where there is no such licence."""
    row = _ONE.first(session, license_id=license_id, at=at)
    if row is None:
        raise NotFound(f"no licence {license_id} to have rivals: ids count from 1")
    # A missing ISRC equals no other.
    return {"same_content": row.content, "same_isrc": row.isrc, "other_owner": row.owner}


def _summary(row: Any, at: int, head: IndexHead) -> dict[str, Any]:
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
    """A document that was not looked for yet is missing too."""
    if state == "read":
        return "read"
    return "invalid" if state == "invalid" else "missing"


def document_cid(session: Session, head: IndexHead, license_id: int) -> str:
    """The CID of the document that the licence has, or had when it ended. Raises NotFound."""
    history = read_history(session, head, license_id).history
    return cid_from_digest(history.document_at(head.head_time) or history.versions[0].document)


def legal_text_cid(session: Session, head: IndexHead, license_id: int) -> str:
    """The CID of the legal text of the terms in force; after the end, of the last. Raises NotFound."""
    history = read_history(session, head, license_id).history
    last = head.head_time
    if history.ends_at is not None:
        last = min(last, history.ends_at - 1)
    begun = [version for version in history.versions if version.start <= last]
    version = begun[-1] if begun else history.versions[0]
    return cid_from_digest(version.terms.text_digest)
