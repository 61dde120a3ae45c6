"""Which blocks the index refers to: every document a licence ever had, legal texts, evidence and its chunks."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from backend.db.index_db import License, LicenseAct, LicenseVersion, Report, Terms
from backend.db.service_db import Pin
from backend.services import Services
from obbligato.audit.references import Reference
from obbligato.documents.cid import cid_from_digest, cid_of, digest_from_cid
from obbligato.documents.evidence import EvidenceDocument
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.server.http import Problem
from obbligato.store import BlockState, BlockStatus, ContentStore, StoreError, WrittenCar, write_car

EVIDENCE: Final = "evidence of report"
"""How the words for evidence begin."""


def named_references(session: Session, *, after: int = -1) -> Iterator[Reference]:
    """What the index names itself, each once: all but the chunks, which evidence names.

    With `after`, what blocks of the chain after this one brought.
    """
    documents = (
        select(LicenseAct.document, func.min(LicenseAct.license_id))
        .where(LicenseAct.document.is_not(None), LicenseAct.block_number > after)
        .group_by(LicenseAct.document)
        .order_by(func.min(LicenseAct.license_id), LicenseAct.document)
    )
    for document, license_id in session.execute(documents):
        assert document is not None, "the query leaves those out"
        yield Reference(cid_from_digest(document), f"document of licence {license_id}")
    texts = (
        select(Terms.text_digest, func.min(Terms.terms_id))
        .where(Terms.block_number > after)
        .group_by(Terms.text_digest)
        .order_by(func.min(Terms.terms_id))
    )
    for digest, terms_id in session.execute(texts):
        yield Reference(cid_from_digest(digest), f"legal text of terms {terms_id}")
    evidence = (
        select(Report.evidence, Report.report_id)
        .where(Report.block_number > after)
        .order_by(Report.number)
    )
    for digest, report_id in session.execute(evidence):
        yield Reference(cid_from_digest(digest), f"{EVIDENCE} 0x{report_id.hex()}")


def chunk_references(evidence: Reference, data: bytes) -> list[Reference]:
    """The chunks that evidence names. Raises InputError for what is no evidence document."""
    document = EvidenceDocument.from_bytes(data)
    chunks = (*document.chunks, *(document.unlicensed_chunks or ()))
    return [
        Reference(cid_from_digest(chunk.digest), f"chunk {number} of the {evidence.what}")
        for number, chunk in enumerate(chunks)
    ]


def all_references(session: Session, store: ContentStore) -> Iterator[Reference]:
    """Everything, chunks included where the store has their evidence."""
    for reference in named_references(session):
        yield reference
        if reference.what.startswith(EVIDENCE):
            try:
                yield from chunk_references(reference, store.get(reference.cid))
            except (InputError, NotFound, StoreError, DigestMismatch):
                continue


def is_referred_to(services: Services, cid: str) -> bool:
    """Whether this deployment refers to a block. Raises InputError for what is no CID of ours."""
    digest = digest_from_cid(cid)
    with services.service_db.reading() as records:
        if records.get(Pin, cid) is not None:
            return True
    named = or_(
        exists().where(LicenseVersion.document == digest),
        exists().where(License.document == digest),
        exists().where(Terms.text_digest == digest),
        exists().where(Report.evidence == digest),
    )
    with services.index_db.reading() as session:
        return bool(session.scalar(select(named)))


class HeldBlocks:
    """A store's own blocks: nothing is fetched from anywhere for whoever asks."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store

    def get(self, cid: str) -> bytes:
        """The verified bytes. Raises NotFound, DigestMismatch, StoreError."""
        if self._store.status(cid).state is BlockState.ABSENT:
            raise NotFound(f"block {cid} is not here (yet)")
        return self._store.get(cid)

    def status(self, cid: str) -> BlockStatus:
        """As the store says."""
        return self._store.status(cid)

    def put(self, data: bytes) -> str:
        """Always StoreError: these are only read."""
        raise StoreError("blocks are only read here")

    def pin(self, cid: str) -> None:
        """Always StoreError: these are only read."""
        raise StoreError("blocks are only read here")


PIECE_BYTES: Final = 1 << 18

_one_at_a_time = threading.Lock()


class Export(NamedTuple):
    """A file that is deleted once it is closed, and what is in it."""

    file: IO[bytes]
    written: WrittenCar
    etag: str
    """The same for the same blocks in the same order."""

    def pieces(self) -> Iterator[bytes]:
        """Its bytes; closes it."""
        with self.file:
            while piece := self.file.read(PIECE_BYTES):
                yield piece


def export_car(services: Services) -> Export:
    """Write what the store itself holds; what it lacks is told, and fetched by the pins.

    One at a time: raises Problem 503 while another is being written, StoreError where the store cannot be asked.
    """
    services.store.status(cid_of(b""))  # one that is down holds nothing of what it has
    if not _one_at_a_time.acquire(blocking=False):
        raise Problem(503, "Busy", "Somebody else's export is being written: try again in a moment")
    try:
        held = HeldBlocks(services.store)
        with services.index_db.reading() as session:
            cids = list(dict.fromkeys(each.cid for each in all_references(session, held)))
        # Not in memory: it may be gigabytes.
        file = tempfile.TemporaryFile(prefix="obbligato-", dir=services.settings.folder)  # noqa: SIM115 -- whoever sends it closes it
        try:
            written = write_car(cids, held, file, scratch=services.settings.folder)
            file.seek(0)
        except BaseException:
            file.close()
            raise
    finally:
        _one_at_a_time.release()
    absent = {each.cid for each in written.absent}
    roots = " ".join(cid for cid in cids if cid not in absent)
    return Export(file, written, f'"{hashlib.sha256(roots.encode()).hexdigest()[:32]}.car"')
