"""Recomputing a whole deployment: every event replayed, every figure and every document compared."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

from obbligato.audit.compare import (
    Difference,
    Outcome,
    Step,
    check_documents,
    compare_with_chain,
    documents_of,
    figures_of,
    outcome,
)
from obbligato.audit.ledger import Ledger
from obbligato.audit.replay import Replay
from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.chain.follower import MemoryFollower, NewBlocks, Undone
from obbligato.errors import ChainError
from obbligato.store import ContentStore


class OnProgress(Protocol):
    """Is told how far a long work has come: (what, done, of how many)."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def _no_progress(what: str, done: int, total: int) -> None:
    """The watcher of whoever shows no progress."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The ledger as the events up to `block` made it. `now` is that block's time in seconds."""

    ledger: Ledger
    differences: tuple[Difference, ...]
    events: int
    block: int
    now: int


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A reading together with everything that differs."""

    reading: Reading
    differences: tuple[Difference, ...]

    @property
    def ledger(self) -> Ledger:
        return self.reading.ledger

    @property
    def outcome(self) -> Outcome:
        return outcome(self.differences)


def read_ledger(
    chain: Chain, *, until: int | None = None, watch: OnProgress = _no_progress
) -> Reading:
    """Read every event up to block `until` (default: the latest) and replay it by the rules.

    Raises ChainError, also where the node answers with fewer events than its blocks and contracts say.
    """
    if until is None:
        head = blocks.latest(chain)
    else:
        (head,) = blocks.headers(chain, [until])
    replay, before = Replay(chain.deployment), chain.deployment.block - 1
    count = 0
    for step in MemoryFollower(chain).steps(head.number):
        if isinstance(step, Undone):
            raise ChainError("the chain changed while it was read: read it again")
        if isinstance(step, NewBlocks):
            for event in step.events:
                replay.apply(event)
            count += len(step.events)
            watch("reading blocks", step.head.number - before, head.number - before)
    replay.check_attributed()
    return Reading(replay.ledger, tuple(replay.differences), count, head.number, head.timestamp)


def recompute(
    chain: Chain, store: ContentStore, *, until: int | None = None, watch: OnProgress = _no_progress
) -> Recomputed:
    """Replay every event, then compare with the chain at that block and with every document.

    Raises ChainError; what the store cannot give is a difference of kind MISSING.
    """
    reading = read_ledger(chain, until=until, watch=watch)
    ledger = reading.ledger
    differences = [
        *reading.differences,
        *compare_with_chain(
            chain,
            ledger,
            block=reading.block,
            step=_counter("comparing with the chain", figures_of(ledger), watch),
        ),
        *check_documents(
            ledger, store, step=_counter("checking documents", documents_of(ledger), watch)
        ),
    ]
    return Recomputed(reading, tuple(differences))


def _counter(what: str, total: int, watch: OnProgress) -> Step:
    """A step that counts itself and tells the watcher."""
    done = itertools.count(1)
    return lambda: watch(what, next(done), total)
