"""Money as the chain's own events tell it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tests.contracts.protocol import DeployedProtocol
from tests.contracts.stateful.node import Receipt


@dataclass
class Account:
    """What events say of one report's money."""

    taken: int = 0
    credited: int = 0
    awarded: int = 0
    settlements: int = 0


class Ledger:
    """Money as the vault's and the oracle's events tell it."""

    def __init__(self, protocol: DeployedProtocol) -> None:
        self._vault = protocol.vault.address.lower()
        self._oracle = protocol.oracle.address.lower()
        self._names = {
            int(topic, 16): name
            for contract in (protocol.vault, protocol.oracle)
            for name, topic in contract.topics.items()
        }
        self.brought: dict[int, int] = defaultdict(int)
        """By platform: what came in for it."""
        self.gone: dict[int, int] = defaultdict(int)
        """By platform: what left its own money, back to it or to splits and winners."""
        self.to_splits = 0
        self.reports: dict[bytes, Account] = defaultdict(Account)

    def book(self, receipt: Receipt, about: bytes | None) -> None:
        """Read a transaction's events; `about` is the report it belongs to."""
        for log in receipt.logs:
            name = self._names.get(log.topics[0], "")
            if log.address.lower() == self._oracle and name == "ReportSettled":
                self.reports[log.topics[1].to_bytes(32, "big")].settlements += 1
            if log.address.lower() != self._vault:
                continue
            account = Account() if about is None else self.reports[about]
            if name in ("PlatformRegistered", "Deposited", "BondAdded", "BondToPlatform"):
                self.brought[log.topics[1]] += log.data[0]
            elif name in ("Withdrawn", "BondWithdrawn"):
                self.gone[log.topics[1]] += log.data[0]
            elif name in ("Reserved", "Seized"):
                account.taken += log.data[0]
            elif name == "Released":
                account.taken -= log.data[0]
            elif name == "Credited":
                account.credited += log.data[0]
                self.to_splits += log.data[0]
                self.gone[log.topics[2]] += log.data[0]
            elif name == "Awarded":
                account.awarded += log.data[0]
                self.gone[log.topics[2]] += log.data[0]
            elif name in ("BondToSplit", "PaidIn"):
                self.to_splits += log.data[0]
