"""Which splits pay an account: the vault's events, followed by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from obbligato.chain.client import Chain
from obbligato.chain.events import read_events
from oracle.reports.report_events import continues
from oracle.startup import Block, latest_block

CONTRACTS = ("RoyaltyVault",)


@dataclass
class Payees:
    """Splits by payee. Ids that a reorg undid are forgotten: the same id may be another split after it."""

    chain: Chain
    _seen: Block | None = None
    _splits: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def follow(self) -> None:
        """Read on to the newest block. Raises ChainError; the next time then begins where this one did."""
        newest, seen = latest_block(self.chain), self._seen
        if seen is None or not continues(self.chain, seen, newest):
            self._splits.clear()
            self._seen = seen = None
        first = self.chain.deployment.block if seen is None else seen.number + 1
        found = [
            (event["splitId"], payee["account"])
            for event in read_events(
                self.chain, since=first, until=newest.number, contracts=CONTRACTS
            )
            if event.name == "SplitInterned"
            for payee in event["payees"]
        ]
        for split_id, account in found:
            self._splits[account].append(split_id)
        self._seen = newest

    def splits_of(self, account: str) -> Sequence[int]:
        """The splits that pay an account (checksummed), ascending."""
        return tuple(self._splits.get(account, ()))
