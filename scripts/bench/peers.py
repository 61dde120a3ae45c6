"""What others charge for the same payments, on the same node: 100 works, each with its own payees.

Funding is included, and so is delivery: plain transfers and OpenZeppelin's PaymentSplitter push the money to the
payees, from Uniswap's merkle distributor they fetch it. Every peer gets the leanest batch we could write for it, as
large as one transaction may be. None of them checks a licence, a price or a signature: that is left to whoever pays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from obbligato.protocol.rows import unpack_credits
from obbligato.protocol.splits import Split
from scripts.bench.chain import TRANSACTION_GAS_CAP, Artefact, Contract
from scripts.bench.protocol import DeployedProtocol, account, even_split, usage, works

WORKS: Final = 100
PAYEES: Final = (4, 8)
STATES: Final = ("fresh", "steady")

Step = Callable[[str], None]
Costs = dict[str, int]


@dataclass(frozen=True)
class Work:
    """What one work's payees are due."""

    split: Split
    amount: int

    @property
    def payments(self) -> list[tuple[str, int]]:
        return [(p.account, self.amount * p.share // 1_000_000) for p in self.split.payees]


@dataclass
class Peers:
    """The peers' contracts on the deployed protocol's chain; the deployed protocol's platform pays."""

    protocol: DeployedProtocol
    batch: Contract
    splitter_code: Artefact
    distributor_code: Artefact

    def measure(self, step: Step) -> dict[str, Costs]:
        """By peer: gas a work (`r4_steady`), and gas afterwards for each payee (`claim_r4_steady`).

        Obbligato itself is measured beside them, on the very same works.
        """
        totals: dict[str, Costs] = {"obbligato": {}, "transfers": {}, "splitter": {}, "merkle": {}}
        for payees in PAYEES:
            self._measure(totals, f"r{payees}", works(WORKS, payees, f"peers {payees}"), step)
        step("the same payees for every work")
        shared = even_split([account(f"shared payee {i}") for i in range(4)])
        self._measure(totals, "shared", [shared] * WORKS, step)
        return totals

    def _measure(
        self, totals: dict[str, Costs], label: str, splits: list[Split], step: Step
    ) -> None:
        chain = self.protocol.chain
        with chain.undone():
            step(f"{label}: obbligato")
            paid = self._obbligato(totals["obbligato"], label, splits)
        for peer, pay in (
            ("transfers", self._transfers),
            ("splitter", self._splitters),
            ("merkle", self._merkle),
        ):
            step(f"{label}: {peer}")
            with chain.undone():
                pay(totals[peer], label, paid)

    # ---- ourselves ----------------------------------------------------------------------------------------------

    def _obbligato(self, costs: Costs, label: str, splits: list[Split]) -> list[Work]:
        """The works with what one report earned each of them."""
        protocol = self.protocol
        rows = usage(protocol.catalogue(splits))
        ids = [int(protocol.vault.ask("splitIdOf", split.digest())) for split in splits]
        for state in STATES:
            report = protocol.report(rows)
            gas = protocol.submit(report) + protocol.settle(report)
            costs[f"{label}_{state}"] = gas // WORKS
            holders = self._holders(splits, ids)
            claims = [
                protocol.vault.act("claim", payee, held, sender=protocol.relay)
                for payee, held in holders
            ]
            costs[f"claim_{label}_{state}"] = sum(claims) // len(claims)
            costs[f"delivered_{label}_{state}"] = (gas + sum(claims)) // WORKS
        amounts = [credit.amount for credit in unpack_credits(report.credits)]
        return [Work(split, amount) for split, amount in zip(splits, amounts, strict=True)]

    @staticmethod
    def _holders(splits: list[Split], ids: list[int]) -> list[tuple[str, list[int]]]:
        """Each payee with its splits."""
        held: dict[str, set[int]] = {}
        for split, split_id in zip(splits, ids, strict=True):
            for payee in split.payees:
                held.setdefault(payee.account, set()).add(split_id)
        return [(payee, sorted(of)) for payee, of in held.items()]

    # ---- pushing ------------------------------------------------------------------------------------------------

    def _transfers(self, costs: Costs, label: str, paid: list[Work]) -> None:
        def send(part: Sequence[Work]) -> int:
            due = [payment for work in part for payment in work.payments]
            accounts, amounts = [to for to, _ in due], [amount for _, amount in due]
            arguments = (self.protocol.token.address, accounts, amounts, sum(amounts))
            return self.batch.act("pay", *arguments, sender=self.protocol.admin)

        for state in STATES:
            costs[f"{label}_{state}"] = self._in_parts(paid, send) // len(paid)
            costs[f"delivered_{label}_{state}"] = costs[f"{label}_{state}"]

    def _splitters(self, costs: Costs, label: str, paid: list[Work]) -> None:
        made = []
        for work in paid:
            payees = [payee.account for payee in work.split.payees]
            shares = [payee.share for payee in work.split.payees]
            made.append(self.protocol.chain.deploy(self.splitter_code, payees, shares))
        costs[f"create_{label}"] = made[0].gas
        address = {id(work): splitter.address for work, splitter in zip(paid, made, strict=True)}

        def send(part: Sequence[Work]) -> int:
            splitters = [address[id(work)] for work in part]
            amounts = [work.amount for work in part]
            payees = [payee.account for work in part for payee in work.split.payees]
            arguments = (self.protocol.token.address, splitters, amounts, payees, sum(amounts))
            return self.batch.act("payThrough", *arguments, sender=self.protocol.admin)

        for state in STATES:
            costs[f"{label}_{state}"] = self._in_parts(paid, send) // len(paid)
            costs[f"delivered_{label}_{state}"] = costs[f"{label}_{state}"]

    def _in_parts(self, paid: list[Work], send: Callable[[Sequence[Work]], int]) -> int:
        """Gas of paying all works in transactions as large as they may be."""
        parts = 1
        while True:
            size = -(-len(paid) // parts)
            chunks = [paid[i : i + size] for i in range(0, len(paid), size)]
            with self.protocol.chain.undone():
                fits = send(chunks[0]) < TRANSACTION_GAS_CAP
            if fits:
                return sum(send(chunk) for chunk in chunks)
            parts *= 2

    # ---- fetching -----------------------------------------------------------------------------------------------

    def _merkle(self, costs: Costs, label: str, paid: list[Work]) -> None:
        """A distributor serves one period: each has its own. A payee of several works has one leaf."""
        due: dict[str, int] = {}
        for work in paid:
            for to, amount in work.payments:
                due[to] = due.get(to, 0) + amount
        leaves = [
            keccak(i.to_bytes(32, "big") + bytes.fromhex(to[2:]) + amount.to_bytes(32, "big"))
            for i, (to, amount) in enumerate(due.items())
        ]
        tree = MerkleTree(leaves)
        for state in STATES:
            distributor = self.protocol.chain.deploy(
                self.distributor_code, self.protocol.token.address, tree.root
            )
            funded = self.protocol.token.act(
                "transfer", distributor.address, sum(due.values()), sender=self.protocol.admin
            )
            published = distributor.gas + funded
            claims = [
                distributor.act("claim", i, to, amount, tree.proof(i), sender=self.protocol.relay)
                for i, (to, amount) in enumerate(due.items())
            ]
            costs[f"{label}_{state}"] = published // len(paid)
            costs[f"claim_{label}_{state}"] = sum(claims) // len(claims)
            costs[f"delivered_{label}_{state}"] = (published + sum(claims)) // len(paid)


class MerkleTree:
    """Sorted pairs, an odd node moves up as it is: what OpenZeppelin's MerkleProof verifies."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = [sorted(below[i : i + 2]) for i in range(0, len(below), 2)]
            self._levels.append([keccak(b"".join(p)) if len(p) == 2 else p[0] for p in pairs])

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def proof(self, index: int) -> list[bytes]:
        siblings = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index //= 2
        return siblings
