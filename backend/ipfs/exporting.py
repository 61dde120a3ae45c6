"""Everything this deployment refers to in one CAR, as `obbligato document export` writes it, from the index."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from backend.ipfs.references import HeldBlocks, all_references
from backend.services import Services
from obbligato.documents import cid_of
from obbligato.service.http import Problem
from obbligato.store import WrittenCar, write_car

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
        with services.index.reading() as session:
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
