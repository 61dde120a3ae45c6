"""Following the events of licences and grants from block to block; what a reorg undid is read again."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from hexbytes import HexBytes
from web3.exceptions import BlockNotFound
from web3.types import BlockIdentifier

from obbligato.audit.recompute import OnProgress
from obbligato.chain.client import Chain, answered
from obbligato.chain.events import Event, read_events
from obbligato.errors import ChainError

CONTRACTS: Final = ("LicenseRegistry", "Grants")
MARKS_KEPT: Final = 256
MARK_DEPTH: Final = 64
"""Blocks below the head where a second mark is set: few reorgs are deeper."""

_COUNTED: Final = {"licenseCount": "LicenseMinted", "termsCount": "TermsInterned"}


class Mark(NamedTuple):
    """A block up to which events were read; `time` in seconds since 1970."""

    number: int
    hash: bytes
    time: int


class Change(NamedTuple):
    """What a step found: whether events known before are gone, and the events that are new."""

    rewound: bool
    new: list[Event]


class Following:
    """The events up to `head`, in order.

    Blocks are remembered by their hash. Where one is no longer on the chain, the events after the
    last common block are dropped and read again; without a common block, all of them.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._marks: list[Mark] = []
        self.events: list[Event] = []

    @property
    def head(self) -> Mark | None:
        """The last block that was read; None before the first step."""
        return self._marks[-1] if self._marks else None

    def forget(self) -> None:
        """Start from the deployment's first block at the next step."""
        self._marks, self.events = [], []

    def step(self, until: int | None, watch: OnProgress) -> Change:
        """Read on to block `until` (the latest), never back from it. Raises ChainError.

        A chain that changed while it was read, and a node that left events out, change nothing here.
        """
        common = self._common_marks()
        base = common[-1] if common else None
        target = self._block("latest" if until is None else until)
        if target is None:
            raise ChainError(f"the node does not hold block {until}: ask another one")
        rewound = len(common) < len(self._marks)
        kept = self._events_up_to(base) if rewound else self.events
        if base is not None and target.number <= base.number:
            self._marks, self.events = common, kept
            return Change(rewound, [])
        new = self._read(base, target, watch)
        middle = self._middle(base, target)
        self._check_complete(Counter(event.name for event in (*kept, *new)), target)
        self._marks = [*common, *middle, target][-MARKS_KEPT:]
        self.events = kept + new
        return Change(rewound, new)

    def _common_marks(self) -> list[Mark]:
        """The marks up to the last one that is still on the chain."""
        for position in range(len(self._marks), 0, -1):
            mark = self._marks[position - 1]
            if self._block(mark.number) == mark:
                return self._marks[:position]
        return []

    def _events_up_to(self, base: Mark | None) -> list[Event]:
        last = -1 if base is None else base.number
        return [event for event in self.events if event.block <= last]

    def _read(self, base: Mark | None, target: Mark, watch: OnProgress) -> list[Event]:
        return list(
            read_events(
                self._chain,
                since=None if base is None else base.number + 1,
                until=target.number,
                contracts=CONTRACTS,
                progress=lambda done, total: watch("reading licences", done, total),
            )
        )

    def _middle(self, base: Mark | None, target: Mark) -> list[Mark]:
        """A mark some way below a target that lies far from the last one."""
        lowest = self._chain.deployment.block if base is None else base.number
        number = target.number - MARK_DEPTH
        found = self._block(number) if number > lowest else None
        return [] if found is None else [found]

    def _check_complete(self, names: Counter[str], target: Mark) -> None:
        """What was read belongs to the target, and nothing is missing that the registry counts.

        A node that lags answers with no logs and without an error.
        """
        if self._block(target.number) != target:
            raise ChainError("the chain changed while it was read: read it again")
        for function, event in _COUNTED.items():
            count = self._chain.call("LicenseRegistry", function, block=HexBytes(target.hash))
            if count != names[event]:
                raise ChainError(
                    f"{function} is {count} in block {target.number}, the node's logs tell of "
                    f"{names[event]}: it left some out, ask another one"
                )

    def _block(self, number: BlockIdentifier) -> Mark | None:
        def ask() -> Any:
            try:
                return self._chain.web3.eth.get_block(number)
            except BlockNotFound:
                return None

        found = answered(ask)
        if found is None:
            return None
        return Mark(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))
