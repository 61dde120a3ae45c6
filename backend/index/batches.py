"""What is read from the node at once: a range of final blocks, or blocks one by one that can still be undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from backend.index.node import Header, Logs, Node, NodeRefused
from obbligato.ledger.events import Event

BLOCKS_IN_A_RANGE: Final = 2_000
"""Final blocks asked for at once, while the node does not refuse that many."""
BLOCKS_BY_HASH: Final = 64
"""Blocks followed at once that can still be undone."""


@dataclass(frozen=True)
class Batch:
    """Blocks after `base` up to `head`, with all of their events."""

    base: bytes
    """The hash of the block before the first; empty where nothing was read before."""
    head: Header
    final: bool
    headers: Sequence[Header]
    """The blocks to remember: those with events, and those that can still be undone."""
    events: Sequence[Event]
    counts: dict[str, int] | None
    """What the contracts count at the head; None where the node no longer knows."""

    def by_block(self) -> Iterator[tuple[int, list[Event]]]:
        """The events block by block."""
        for number, events in groupby(self.events, key=lambda event: event.block):
            yield number, list(events)


class Reader:
    """Reads batch after batch, in ranges as large as the node allows."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._range = BLOCKS_IN_A_RANGE

    def read(self, base: bytes, first: int, last: int, final: int) -> Batch | None:
        """The next batch of `first..last`; None where `first` does not follow `base`: the chain changed.

        Raises ChainError.
        """
        if first <= final:
            return self._read_final(base, first, min(last, final))
        return self._read_by_hash(base, first, min(last, first + BLOCKS_BY_HASH - 1))

    def _read_final(self, base: bytes, first: int, last: int) -> Batch | None:
        logs, last = self._in_range(first, last)
        lowest, head = self._node.headers([first, last])
        if not _follows(lowest, base):
            return None
        return Batch(base, head, True, [*logs.blocks, head], logs.events, self._counts_of(head))

    def _in_range(self, first: int, last: int) -> tuple[Logs, int]:
        """The logs from `first` on, and the block up to which they go."""
        while True:
            end = min(last, first + self._range - 1)
            try:
                logs = self._node.logs_between(first, end)
            except NodeRefused:
                if end == first:
                    raise
                self._range = max(1, (end - first + 1) // 2)
                continue
            self._range = min(self._range * 2, BLOCKS_IN_A_RANGE)
            return logs, end

    def _counts_of(self, head: Header) -> dict[str, int] | None:
        try:
            return self._node.counts(head)
        except NodeRefused:
            return None

    def _read_by_hash(self, base: bytes, first: int, last: int) -> Batch | None:
        headers = self._node.headers(range(first, last + 1))
        parent = base
        for header in headers:
            if not _follows(header, parent):
                return None
            parent = header.hash
        events = self._node.logs_of(headers).events
        counts = self._node.counts(headers[-1])
        return Batch(base, headers[-1], False, headers, events, counts)


def _follows(header: Header, parent: bytes) -> bool:
    return parent in (b"", header.parent)
