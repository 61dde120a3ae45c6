"""Reading licences' documents: what they say of the recording, or why nobody knows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend.database import Database
from backend.database.tables import Document, DocumentState, LicenseVersion
from obbligato.documents import LicenseDocument, cid_from_digest
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.ledger.recompute import Watcher
from obbligato.store import ContentStore, StoreError

FETCHED_AT_ONCE: Final = 8
KEPT_AT_ONCE: Final = 200
"""Documents in one transaction."""
MOST_PATIENCE_SECONDS: Final = 300


class Answer(NamedTuple):
    """What the store gave for a digest."""

    digest: bytes
    state: DocumentState
    reason: str | None = None
    document: LicenseDocument | None = None


def read_documents(database: Database, store: ContentStore, now: int, watch: Watcher) -> int:
    """Ask the store for every document that is not known yet and due; how many were asked for.

    One that is missing is asked for again, each time twice as late, up to five minutes.
    """
    with database.reading() as session:
        digests = _due(session, now)
    with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
        for start in range(0, len(digests), KEPT_AT_ONCE):
            some = digests[start : start + KEPT_AT_ONCE]
            answers = list(pool.map(lambda digest: _ask(store, digest), some))
            with database.work() as session:
                for answer in answers:
                    _keep(session, answer, now)
            watch("reading licence documents", start + len(some), len(digests))
    return len(digests)


def _due(session: Session, now: int) -> list[bytes]:
    missing = (Document.state == DocumentState.MISSING) & (Document.due_at <= now)
    found = session.scalars(
        select(LicenseVersion.document)
        .outerjoin(Document, Document.digest == LicenseVersion.document)
        .where(or_(Document.digest.is_(None), missing))
        .distinct()
    )
    return sorted(found)


def _ask(store: ContentStore, digest: bytes) -> Answer:
    try:
        data = store.get(cid_from_digest(digest))
    except (NotFound, StoreError, DigestMismatch) as error:
        return Answer(digest, DocumentState.MISSING, str(error))
    try:
        return Answer(digest, DocumentState.READ, document=LicenseDocument.from_bytes(data))
    except InputError as error:
        return Answer(digest, DocumentState.INVALID, str(error))


def _keep(session: Session, answer: Answer, now: int) -> None:
    known = session.get(Document, answer.digest)
    attempts = 1 if known is None else known.attempts + 1
    recording = answer.document.recording if answer.document else None
    session.merge(
        Document(
            digest=answer.digest,
            state=answer.state,
            reason=answer.reason,
            attempts=attempts,
            due_at=now + min(2 ** (attempts - 1), MOST_PATIENCE_SECONDS),
            isrc=recording.isrc if recording else None,
            title=recording.title if recording else None,
            artists=list(recording.artists) if recording else None,
        )
    )
