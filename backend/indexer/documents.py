"""Reading licences' documents: what they say of the recording, or why nobody knows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from backend.db.index_db import Document, DocumentState, IndexDatabase, LicenseVersion
from backend.db.license_tables import Fingerprint, FingerprintValue
from obbligato.audit.recompute import OnProgress
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.recordings import Fingerprint as Sound
from obbligato.recordings import indexed_values
from obbligato.store import ContentStore, StoreError

FETCHED_AT_ONCE: Final = 8
KEPT_AT_ONCE: Final = 200
"""Documents in one transaction."""
MOST_PATIENCE_SECONDS: Final = 300
READING: Final = 1
"""Counts what is taken from documents: 0 took no fingerprints."""


class FetchedDocument(NamedTuple):
    """What the store gave for a digest."""

    digest: bytes
    state: DocumentState
    reason: str | None = None
    document: LicenseDocument | None = None


def read_documents(
    database: IndexDatabase, store: ContentStore, now: int, watch: OnProgress
) -> int:
    """Ask the store for every document that is not known yet and due; how many were asked for.

    One that is missing is asked for again, each time twice as late, up to five minutes. One that was read
    when less was taken from it is asked for once more, and stays as it is known until it comes.
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
    is_due = or_(Document.state == DocumentState.MISSING, Document.read_as < READING)
    digests = session.scalars(
        select(LicenseVersion.document)
        .outerjoin(Document, Document.digest == LicenseVersion.document)
        .where(or_(Document.digest.is_(None), is_due & (Document.due_at <= now)))
        .distinct()
    )
    return sorted(digests)


def _ask(store: ContentStore, digest: bytes) -> FetchedDocument:
    try:
        data = store.get(cid_from_digest(digest))
    except (NotFound, StoreError, DigestMismatch) as error:
        return FetchedDocument(digest, DocumentState.MISSING, str(error))
    try:
        return FetchedDocument(
            digest, DocumentState.READ, document=LicenseDocument.from_bytes(data)
        )
    except InputError as error:
        return FetchedDocument(digest, DocumentState.INVALID, str(error))


def _keep(session: Session, answer: FetchedDocument, now: int) -> None:
    known = session.get(Document, answer.digest)
    attempts = 1 if known is None else known.attempts + 1
    due_at = now + min(2 ** (attempts - 1), MOST_PATIENCE_SECONDS)
    if known is not None and answer.state == DocumentState.MISSING != known.state:
        known.attempts, known.due_at = attempts, due_at
        return
    recording = answer.document.recording if answer.document else None
    session.merge(
        Document(
            digest=answer.digest,
            state=answer.state,
            reason=answer.reason,
            attempts=attempts,
            due_at=due_at,
            isrc=recording.isrc if recording else None,
            title=recording.title if recording else None,
            artists=list(recording.artists) if recording else None,
            read_as=0 if answer.state == DocumentState.MISSING else READING,
            read_at=0 if answer.state == DocumentState.MISSING else time.time_ns() // 1_000,
        )
    )
    if recording is not None and recording.fingerprint is not None:
        _keep_sound(session, answer.digest, Sound.of(recording.fingerprint))


def _keep_sound(session: Session, digest: bytes, sound: Sound) -> None:
    """Bytes never change under a digest: what is there already is right."""
    if session.get(Fingerprint, digest) is not None:
        return
    session.add(Fingerprint(digest=digest, packed=sound.to_bytes()))
    rows = [{"value": value, "digest": digest} for value in indexed_values(sound)]
    if rows:
        session.execute(insert(FingerprintValue), rows)
