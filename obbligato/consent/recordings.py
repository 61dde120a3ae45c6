"""Which recording the document of a licence names: fetched by digest, parsed once, remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

from obbligato.audit.recompute import OnProgress
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store import ContentStore, StoreError

FETCHED_AT_ONCE: Final = 8
MOST_PATIENCE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Missing:
    """A document that nobody gave, why, how often it was asked for, and when to ask again."""

    reason: str
    attempts: int
    due: float

    def after(self, reason: str, now: float) -> Missing:
        """The next failure: first asked again at once, then each time twice as late."""
        patience = min(2 ** (self.attempts - 1), MOST_PATIENCE_SECONDS)
        return Missing(reason, self.attempts + 1, now + patience)


class IsrcResult(NamedTuple):
    """The ISRC in a document, if it names one; or why nobody gave the document."""

    digest: bytes
    isrc: str | None
    failure: str | None


class Recordings:
    """ISRCs by the digest of a licence's document.

    A document whose bytes are there and are no licence document names no recording: everybody who
    has the digest finds the same. One that nobody has is `missing`, and asked for again.
    """

    def __init__(
        self, store: ContentStore | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self.known: dict[bytes, str | None] = {}
        """None: the document names no ISRC."""
        self.missing: dict[bytes, Missing] = {}

    def look_up(self, digests: Iterable[bytes], watch: OnProgress) -> list[IsrcResult]:
        """What the store says of the documents that are not known and due; changes nothing here."""
        now = self._clock()
        unread_cids = [
            digest
            for digest in dict.fromkeys(digests)
            if digest not in self.known
            and (digest not in self.missing or self.missing[digest].due <= now)
        ]
        answers = []
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
            for done, answer in enumerate(pool.map(self._ask, unread_cids), start=1):
                answers.append(answer)
                watch("reading licence documents", done, len(unread_cids))
        return answers

    def learn(self, answers: Iterable[IsrcResult]) -> None:
        """Remember what the store said."""
        now = self._clock()
        for digest, isrc, failure in answers:
            if failure is None:
                self.known[digest] = isrc
                self.missing.pop(digest, None)
                continue
            before = self.missing.get(digest)
            self.missing[digest] = (
                Missing(failure, 1, now) if before is None else before.after(failure, now)
            )

    def _ask(self, digest: bytes) -> IsrcResult:
        if self._store is None:
            return IsrcResult(digest, None, "no store was named to ask for documents")
        try:
            data = self._store.get(cid_from_digest(digest))
        except (NotFound, StoreError, DigestMismatch) as error:
            return IsrcResult(digest, None, str(error))
        try:
            return IsrcResult(digest, LicenseDocument.from_bytes(data).recording.isrc, None)
        except InputError:
            return IsrcResult(digest, None, None)
