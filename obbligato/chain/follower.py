"""Following a deployment's blocks: new ones with their events, undone ones and what became final, in one stream.

A follower reads on from a cursor, which is wherever its consumer keeps how far it came: a row of a database, a
file, memory (`MemoryFollower`). Blocks that are final are read in ranges, all others by their hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from eth_hash.auto import keccak

from obbligato.chain import blocks
from obbligato.chain.abis import DEPLOYED
from obbligato.chain.blocks import Finality, Header, NodeRefused
from obbligato.chain.client import Chain
from obbligato.chain.events import Event, EventReader
from obbligato.errors import ChainError

BLOCKS_BY_HASH: Final = 64
"""Blocks that can still be undone and are read at once."""
TRIES: Final = 5
"""How often reading is begun again where the chain changes meanwhile."""
USUAL_DEPTH: Final = 64
"""Blocks on top of one that is final, for followers that no setting tells more."""

COUNTED: Final = {
    "LicenseMinted": ("LicenseRegistry", "licenseCount"),
    "TermsInterned": ("LicenseRegistry", "termsCount"),
    "SplitInterned": ("RoyaltyVault", "splitCount"),
    "PlatformRegistered": ("RoyaltyVault", "platformCount"),
    "Challenged": ("Disputes", "challengeCount"),
    "RecordingClaimed": ("Disputes", "claimCount"),
}
"""What the contracts count, by the event that each one of it emits."""


class FinalityBroken(ChainError):  # noqa: N818 -- says what happened
    """A block that was final is not on the node's chain: nothing was undone."""


class BlockId(NamedTuple):
    """A block that a consumer knows."""

    number: int
    hash: bytes


class Position(NamedTuple):
    """The last block that was read, with an empty hash where none was, and the last final block."""

    number: int
    hash: bytes
    final: int


class Cursor(Protocol):
    """How far a consumer came. Blocks up to `position().final` are never undone."""

    def position(self) -> Position:
        """Where reading goes on."""

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        """The blocks read in `lowest..highest` that are still known, from the highest down."""


class Undone(NamedTuple):
    """The blocks after this one, up to `base`, are no longer on the chain. The hash is empty where none is left."""

    number: int
    hash: bytes
    base: Position


class Finalized(NamedTuple):
    """The blocks up to this one are final."""

    number: int
    hash: bytes


@dataclass(frozen=True)
class NewBlocks:
    """The blocks after `base` up to `head`, with all of their events."""

    base: Position
    head: Header
    final: bool
    headers: Sequence[Header]
    """The blocks to remember: those with events, those that can still be undone, and the head."""
    events: Sequence[Event]
    counts: Mapping[str, int] | None
    """What the contracts count at the head, by event; None where the node no longer knows."""
    target: int
    """The last block of all that are being read."""

    def by_block(self) -> Iterator[tuple[int, list[Event]]]:
        """The events block by block."""
        for number, events in groupby(self.events, key=lambda event: event.block):
            yield number, list(events)

    def check_count(self, event: str, known: int, remedy: str = "") -> None:
        """Compare how many of a counted event are known with what its contract says. Raises ChainError."""
        counted = known if self.counts is None else self.counts[event]
        if counted != known:
            raise ChainError(
                f"{COUNTED[event][1]} is {counted} in block {self.head.number}, the node's logs hold "
                f"{known}: it left some out, ask another one{remedy}"
            )


Step = NewBlocks | Undone | Finalized


class Follower:
    """The steps from a cursor to the newest block of a chain."""

    shorter_chain_undoes = False
    """Whether a node whose chain is shorter undoes blocks. Else it is behind, and changes nothing."""

    def __init__(
        self,
        chain: Chain,
        cursor: Cursor,
        *,
        finality: Finality,
        contracts: Sequence[str] = DEPLOYED,
    ) -> None:
        self._chain = chain
        self._cursor = cursor
        self._finality = finality
        self._reader = EventReader(chain, contracts)
        self._counted = {
            event: counted for event, counted in COUNTED.items() if counted[0] in contracts
        }

    def steps(self, until: int | None = None, *, only_final: bool = False) -> Iterator[Step]:
        """What happened since the cursor, up to block `until`: by default the newest, or newest final one.

        After each step the cursor is asked again where it is: the consumer moves it, or another process.
        Raises FinalityBroken where a final block is gone, and ChainError, also where the node answers with
        fewer events than its blocks hold.
        """
        latest = blocks.latest(self._chain)
        final = blocks.final_number(self._chain, self._finality, latest.number)
        target = min(latest.number, final) if only_final else latest.number
        if until is not None:
            if until > latest.number:
                raise ChainError(f"the node does not hold block {until}: ask another one")
            target = until
        yield from self._undone(latest)
        tries = 0
        while (position := self._cursor.position()).number < target:
            step = self._read(position, target, final)
            tries += 1
            if step is None and tries == TRIES:
                raise ChainError("the chain changed while it was read: read it again")
            if step is not None:
                try:
                    self._check_complete(step)
                except ChainError:
                    # A node that is taking in a block contradicts itself for a moment.
                    if tries == TRIES:
                        raise
                else:
                    yield step
                    tries = 0
                    continue
            yield from self._undone(blocks.latest(self._chain))
        yield from self._finalized(final)

    def _undone(self, latest: Header) -> Iterator[Undone]:
        position = self._cursor.position()
        top = min(position.number, latest.number)
        if not position.hash or (top < position.final and not self.shorter_chain_undoes):
            return  # nothing to compare: the node is behind what is final
        known = self._cursor.known_blocks(position.final, top)
        shorter = self.shorter_chain_undoes and latest.number < position.number
        if not shorter and all(self._is_on_chain(block) for block in known[:1]):
            return
        older = known if shorter else known[1:]
        common = next((block for block in older if self._is_on_chain(block)), None)
        yield self._begin_again(position, known) if common is None else Undone(*common, position)

    def _begin_again(self, position: Position, known: Sequence[BlockId]) -> Undone:
        """What is left where none of the known blocks is on the chain. Raises FinalityBroken."""
        if known[-1].number == position.final:
            raise FinalityBroken(
                f"block {position.final} was final and is not on the node's chain: ask another node; if "
                "all of them agree, delete the database and let the index be built anew"
            )
        return Undone(position.final, b"", position)

    def _is_on_chain(self, block: BlockId) -> bool:
        header = blocks.header(self._chain, block.number)
        return header is not None and header.hash == block.hash

    def _finalized(self, final: int) -> Iterator[Finalized]:
        """What the node calls final is never undone, as far as it was read."""
        position = self._cursor.position()
        number = min(final, position.number)
        if number <= position.final:
            return
        header = blocks.header(self._chain, number)
        known = self._cursor.known_blocks(number, number)
        if header is not None and [header.hash] == [block.hash for block in known]:
            yield Finalized(number, header.hash)

    # ---- reading

    def _read(self, base: Position, target: int, final: int) -> NewBlocks | None:
        """The next blocks on the way to `target`; None where the first does not follow the base: the chain changed."""
        if base.number < final:
            return self._read_final(base, min(target, final), target)
        return self._read_by_hash(base, target)

    def _read_final(self, base: Position, last: int, target: int) -> NewBlocks | None:
        first = base.number + 1
        logs, last = self._reader.between(first, last)
        lowest, head = blocks.headers(self._chain, [first, last])
        if base.hash not in (b"", lowest.parent):
            return None
        try:
            counts = self._counts_at(head)
        except NodeRefused:
            counts = None
        headers = [*(each for each in logs.headers if each.number != head.number), head]
        return NewBlocks(base, head, True, headers, logs.events, counts, target)

    def _read_by_hash(self, base: Position, target: int) -> NewBlocks | None:
        first, last = base.number + 1, min(target, base.number + BLOCKS_BY_HASH)
        headers = blocks.headers(self._chain, range(first, last + 1))
        parent = base.hash
        for header in headers:
            if parent not in (b"", header.parent):
                return None
            parent = header.hash
        events = self._reader.of(headers).events
        counts = self._counts_at(headers[-1])
        return NewBlocks(base, headers[-1], False, headers, events, counts, target)

    def _check_complete(self, step: NewBlocks) -> None:
        if not step.final:
            self._reader.check_complete(step.headers, step.events)

    def _counts_at(self, block: Header) -> dict[str, int]:
        """What the contracts count after a block.

        Raises NodeRefused where the node no longer has the state of that block.
        """
        requests = [
            (
                "eth_call",
                [
                    {
                        "to": self._chain.deployment.address(contract),
                        "data": "0x" + keccak(f"{function}()".encode())[:4].hex(),
                    },
                    {"blockHash": block.hex},
                ],
            )
            for contract, function in self._counted.values()
        ]
        # A contract that was not deployed yet answers with nothing.
        results = [
            int(each, 16) if each != "0x" else 0 for each in blocks.send(self._chain, requests)
        ]
        return dict(zip(self._counted, results, strict=True))


class _Bookmark:
    """A cursor that knows one block, and does not hold it for final."""

    def __init__(self, block: BlockId) -> None:
        self.block = block
        self._final = block.number - 1

    def position(self) -> Position:
        return Position(*self.block, self._final)

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        return [self.block] if lowest <= self.block.number <= highest else []


def events_after(
    chain: Chain, block: BlockId, *, finality: Finality, contracts: Sequence[str] = DEPLOYED
) -> Iterator[Event]:
    """The events of the blocks after one that is known; none where the node is behind it.

    Raises ChainError, also where a block is no longer on the chain: what was known and read is then stale.
    """
    bookmark = _Bookmark(block)
    for step in Follower(chain, bookmark, finality=finality, contracts=contracts).steps():
        if isinstance(step, Undone):
            raise ChainError(
                f"block {bookmark.block.number} is no longer on the chain: read it again"
            )
        if isinstance(step, NewBlocks):
            yield from step.events
            bookmark.block = BlockId(step.head.number, step.head.hash)


class MemoryFollower(Follower):
    """A follower that is its own cursor. It begins at the deployment's first block.

    Nothing is ever lost by beginning again, so it never raises FinalityBroken: where no known block is
    left, all of them are undone. With `undoes_all`, for a consumer that cannot take back a part, every
    reorg undoes all of them, and only the head is remembered.
    """

    shorter_chain_undoes = True

    def __init__(
        self,
        chain: Chain,
        *,
        finality: Finality = USUAL_DEPTH,
        contracts: Sequence[str] = DEPLOYED,
        undoes_all: bool = False,
    ) -> None:
        super().__init__(chain, self, finality=finality, contracts=contracts)
        self._undoes_all = undoes_all
        self.forget()

    def forget(self) -> None:
        """Begin again with the next step."""
        self._final = self._chain.deployment.block - 1
        self._headers: list[Header] = []
        self._counts: list[Counter[str]] = []
        """The counted events up to and with each of the headers."""

    @property
    def head(self) -> Header | None:
        """The last block that was read; None before any was."""
        return self._headers[-1] if self._headers else None

    def position(self) -> Position:
        """Where reading goes on."""
        if self.head is None:
            return Position(self._chain.deployment.block - 1, b"", self._final)
        return Position(self.head.number, self.head.hash, self._final)

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        """The blocks that are remembered, from the highest down."""
        return [
            BlockId(header.number, header.hash)
            for header in reversed(self._headers)
            if lowest <= header.number <= highest
        ]

    def steps(self, until: int | None = None, *, only_final: bool = False) -> Iterator[Step]:
        """As `Follower.steps`. A step counts as taken when the next one is asked for."""
        for step in super().steps(until, only_final=only_final):
            if isinstance(step, NewBlocks):
                yield step
                self._counts += self._counts_after(step)
                self._headers += step.headers
                if step.final or self._undoes_all:
                    self._make_final(step.head.number)
            elif isinstance(step, Undone):
                yield step
                left = sum(header.number <= step.number for header in self._headers)
                del self._headers[left:], self._counts[left:]
                self._final = min(self._final, step.number)
            else:
                yield step
                self._make_final(step.number)

    def _begin_again(self, position: Position, known: Sequence[BlockId]) -> Undone:
        return Undone(self._chain.deployment.block - 1, b"", position)

    def _check_complete(self, step: NewBlocks) -> None:
        counts = self._counts_after(step)[-1]
        for event in self._counted:
            step.check_count(event, counts[event])
        super()._check_complete(step)

    def _counts_after(self, step: NewBlocks) -> list[Counter[str]]:
        """The counted events up to and with each of the step's headers."""
        events = dict(step.by_block())
        total = Counter(self._counts[-1]) if self._counts else Counter[str]()
        counts = []
        for header in step.headers:
            total.update(
                event.name for event in events.pop(header.number, ()) if event.name in self._counted
            )
            counts.append(Counter(total))
        return counts

    def _make_final(self, number: int) -> None:
        """Forget the headers below the last final one."""
        self._final = number
        below = sum(header.number < number for header in self._headers)
        del self._headers[:below], self._counts[:below]
