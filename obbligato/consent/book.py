"""The book of licences: what every licence allowed at any moment, up to the last followed block."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock, RLock
from typing import Final, TypeVar

from obbligato.audit.recompute import OnProgress
from obbligato.audit.replay import Replay
from obbligato.chain.blocks import Header
from obbligato.chain.client import Chain
from obbligato.chain.events import Event
from obbligato.chain.follower import MemoryFollower, NewBlocks, Step, Undone
from obbligato.consent.answers import Allowed, Named, allowed_in, named_in
from obbligato.consent.recordings import Recordings
from obbligato.documents.evidence import Period
from obbligato.errors import ChainError, NotFound
from obbligato.metering.workbench import Consents
from obbligato.protocol.constants import Pricing
from obbligato.protocol.history import LicenseHistory
from obbligato.store import ContentStore

CONTRACTS: Final = ("LicenseRegistry", "Grants")
ANSWERS_KEPT: Final = 64
"""Answers remembered until a follow changes something."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def _unwatched(what: str, done: int, total: int) -> None:
    """The watcher of whoever shows no progress."""


class LicenseBook:
    """Licences, terms and grants as events tell, and the recordings that documents name.

    One book may be shared by any number of threads. It knows nothing before the first `follow`:
    until then every question raises ChainError. Without a store no document can be read, so that
    only questions without an ISRC have an answer. Nothing is written anywhere.

    What it answers about a period that is over, `period.end <= book.time`, never changes with later
    blocks; with one exception, a document that was missing and is found.
    """

    def __init__(
        self,
        chain: Chain,
        store: ContentStore | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`, in seconds, decides when documents that were missing are asked for again."""
        self._chain = chain
        self._follower = MemoryFollower(chain, contracts=CONTRACTS)
        self._pending: list[Step] = []
        """What was read and is not applied yet: a follow that fails changes no answer."""
        self._events: list[Event] = []
        self._recordings = Recordings(store, clock)
        self._follows = Lock()
        """Held by the one thread that follows, node and store included."""
        self._lock = RLock()
        """Held for computing only."""
        self._head: Header | None = None
        self._replay = Replay(chain.deployment)
        self._allowed: dict[tuple[Period, int, bytes, Pricing], Allowed] = {}
        self._named: dict[Period, Named] = {}

    def follow(self, until: int | None = None, watch: OnProgress = _unwatched) -> int:
        """Read on to block `until` (default: the latest); the number of the block it is at now.

        It never goes back to an earlier `until`, but it does where a reorg undid blocks or the node
        holds a shorter chain. Documents that are not known yet are fetched; for one that stays
        missing the store is asked again at the next follow, then at growing intervals up to five
        minutes. Raises ChainError, also where the node left events out.
        """
        with self._follows:
            self._read(until, watch)
            with self._lock:
                self._apply()
                documents = self._documents()
            answers = self._recordings.look_up(documents, watch)
            if answers:
                with self._lock:
                    self._recordings.learn(answers)
                    self._forget_answers()
            return self.block

    # ---- where it is

    @property
    def block(self) -> int:
        """The number of the last followed block."""
        return self._at().number

    @property
    def block_hash(self) -> bytes:
        """The hash of the last followed block."""
        return self._at().hash

    @property
    def time(self) -> int:
        """The time of the last followed block, in seconds since 1970."""
        return self._at().timestamp

    # ---- licences

    @property
    def license_count(self) -> int:
        """Licence ids are 1 to this."""
        with self._lock:
            self._at()
            return len(self._replay.ledger.licenses)

    def history(self, license_id: int) -> LicenseHistory:
        """The versions of a licence. Raises NotFound for an id that was never minted."""
        with self._lock:
            self._at()
            known = self._replay.ledger.licenses.get(license_id)
        if known is None:
            raise NotFound(f"licence {license_id} was never minted: check the id")
        return known.history

    @property
    def unreadable(self) -> dict[int, str]:
        """Licences that have, or had, a document that nobody gave so far, and why."""
        with self._lock:
            missing = self._recordings.missing
            return {
                license_id: missing[version.document].reason
                for license_id, known in self._replay.ledger.licenses.items()
                for version in known.history.versions
                if version.document in missing
            }

    # ---- what is allowed

    def licenses_of(self, isrc: str, start: int, end: int) -> tuple[int, ...]:
        """The licences in force at some moment of `[start, end)` whose document then names the ISRC.

        Empty where there is none; NotFound where a missing document might be the one.
        """
        period = Period(start=start, end=end)
        with self._lock:
            return self._licenses_named([isrc], period).get(isrc, ())

    def isrcs(self, period: Period) -> Mapping[str, tuple[int, ...]]:
        """Every ISRC that a readable document of a licence in force in the period names."""
        with self._lock:
            return self._named_in(period).licenses_of

    def consents(
        self,
        *,
        period: Period,
        platform_id: int,
        model_id: bytes,
        pricing: Pricing,
        isrcs: Collection[str] | None = None,
    ) -> Consents:
        """What licences allow in the period, for one platform, model and pricing.

        `isrcs` are the (canonical) ISRCs that usage names, none of them for usage by licence id
        alone; None asks for every ISRC there may be. NotFound names the licences in force whose
        document is missing, where one of them might be the licence of an ISRC that is asked for:
        unknown is not unlicensed.
        """
        with self._lock:
            named = self._licenses_named(isrcs, period)
            key = (period, platform_id, model_id, pricing)
            if key not in self._allowed:
                _make_room(self._allowed)
                self._allowed[key] = allowed_in(
                    self._replay.ledger,
                    period=period,
                    platform_id=platform_id,
                    model_id=model_id,
                    pricing=pricing,
                )
            license_count, intervals, withheld = self._allowed[key]
            return Consents(
                period=period,
                licenses_of=named,
                license_count=license_count,
                intervals=intervals,
                withheld=withheld,
            )

    # ---- within

    def _at(self) -> Header:
        head = self._head
        if head is None:
            raise ChainError("the book of licences was not read yet: follow the chain first")
        return head

    def _read(self, until: int | None, watch: OnProgress) -> None:
        """Read on. What is read before an error stays pending."""
        first = self._follower.position().number
        for step in self._follower.steps(until):
            self._pending.append(step)
            if isinstance(step, NewBlocks):
                watch("reading licences", step.head.number - first, step.target - first)

    def _apply(self) -> None:
        """Let the answers be those of the last block that was read."""
        undone = False
        new: list[Event] = []
        for step in self._pending:
            if isinstance(step, Undone):
                undone = True
                self._events = [event for event in self._events if event.block <= step.number]
                new = []
            elif isinstance(step, NewBlocks):
                self._events += step.events
                new += step.events
        self._pending = []
        if undone:
            self._replay, new = Replay(self._chain.deployment), self._events
        for event in new:
            self._replay.apply(event)
        if undone or new:
            self._forget_answers()
        if self._replay.differences:
            first = self._replay.differences[0]
            self._head, self._replay, self._events = None, Replay(self._chain.deployment), []
            self._follower.forget()
            raise ChainError(f"the node's events do not follow from each other: {first}")
        self._head = self._follower.head

    def _documents(self) -> list[bytes]:
        """Every document that was in force or waits to be."""
        return [
            version.document
            for known in self._replay.ledger.licenses.values()
            for version in known.history.versions
        ]

    def _licenses_named(
        self, isrcs: Collection[str] | None, period: Period
    ) -> Mapping[str, tuple[int, ...]]:
        """The licences of the ISRCs. Raises NotFound where that cannot be known."""
        licenses_of, unread = self._named_in(period)
        if unread and (isrcs is None or any(isrc not in licenses_of for isrc in isrcs)):
            raise NotFound(
                f"the documents of licences {_listed(unread)} are missing, and one may name a "
                "recording that is asked for: name the licence by its id, or find the document"
            )
        if isrcs is None:
            return licenses_of
        return {isrc: licenses_of[isrc] for isrc in isrcs if isrc in licenses_of}

    def _named_in(self, period: Period) -> Named:
        self._at()
        if period not in self._named:
            _make_room(self._named)
            ledger, known = self._replay.ledger, self._recordings.known
            self._named[period] = named_in(ledger, period, known)
        return self._named[period]

    def _forget_answers(self) -> None:
        self._allowed.clear()
        self._named.clear()


def _make_room(answers: dict[Question, Answer]) -> None:
    """Drop the oldest answer of a full table."""
    if len(answers) >= ANSWERS_KEPT:
        del answers[next(iter(answers))]


def _listed(licenses: tuple[int, ...], most: int = 10) -> str:
    listed = ", ".join(str(license_id) for license_id in licenses[:most])
    return listed if len(licenses) <= most else f"{listed} and {len(licenses) - most} more"
