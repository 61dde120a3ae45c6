"""Challenging a row: what it takes, why the contracts would not take it now, and the act itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain, answered
from obbligato.chain.events import read_events
from obbligato.consent import LicenseBook
from obbligato.errors import ChainError, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.pricing import pool_weight
from obbligato.protocol.rulings import ContestedRow, bond, price_of_row
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.store import ContentStore
from oracle.watcher.findings import ChallengeStatement, Finding, RowKey, SeenReport


class _State(IntEnum):
    """Of a report that was seen, as the oracle numbers them."""

    UNFUNDED = 1
    PENDING = 2
    SETTLED = 3


SECONDS_TO_SPARE: Final = 60
"""A challenge this near to the end of its time would be mined too late."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a row cannot be challenged; `lasting` if that will not change."""

    words: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Challenger:
    """Challenges rows of reports, with the bonds of `signer`'s account.

    Without a signer it only answers.
    """

    chain: Chain
    store: ContentStore
    book: LicenseBook
    signer: Signer | None

    @property
    def address(self) -> str:
        return ZERO_ADDRESS if self.signer is None else self.signer.address

    def bond_units(self, report: SeenReport, finding: Finding) -> int:
        """The bond of a challenge, in money units. Raises RefusedError where there is no price."""
        key, claimed = _claim(finding)
        row, split_id = self._contested(report, key)
        share = self.chain.call("RoyaltyVault", "positionOf", split_id, self.address)[0]
        minimum = self.chain.call("Disputes", "minimumChallengeBond")
        return bond(row, claimed=claimed, minimum=minimum, by_payee=share != 0)

    def obstacle(self, report: SeenReport, finding: Finding) -> Obstacle | None:
        """Why the row is not to be challenged now; None if it is. Raises ChainError."""
        key, claimed = _claim(finding)
        return self._too_early_or_late(report, finding) or self._taken(report, key, claimed)

    def challenge(self, report: SeenReport, finding: Finding, bond_units: int) -> int:
        """Store the statement, allow the bond, challenge the row; the challenge's id.

        Raises ContractRefused, ChainError, StoreError; RefusedError where the account lacks money.
        """
        if self.signer is None:
            raise RefusedError("nobody signs: give a keystore to contest with")
        key, claimed = _claim(finding)
        statement = ChallengeStatement(
            report_id=report.report_id,
            license_id=key[0],
            tier=Tier(key[1]),
            metric=Metric(key[2]),
            reported=finding.reported or 0,
            by_evidence=claimed,
            evidence=report.header.evidence,
        )
        self.store.put(statement.to_bytes())
        self._allow(bond_units)
        claim = (*key, claimed, statement.digest())
        receipt = self.chain.transact(self.signer, "Disputes", "challenge", report.case, claim, [])
        for log in receipt["logs"]:
            if [bytes(topic) for topic in log["topics"][2:3]] == [report.report_id]:
                return int.from_bytes(log["topics"][1], "big")
        raise ChainError("the challenge was mined without its event: look its transaction up")

    # ---- within

    def _contested(self, report: SeenReport, key: RowKey) -> tuple[ContestedRow, int]:
        """The row as the contracts will freeze it, and the split it pays."""
        position = next((i for i, row in enumerate(report.rows) if row.key == key), None)
        found = position is not None
        header, (license_id, tier, metric) = report.header, key
        history = self.book.history(license_id)
        moment = history.first_moment(tier, header.period_start, header.period_end)
        version = None if moment is None else history.version_at(moment)
        if version is None:
            raise RefusedError("the licence has no consent in the period: nothing to rule on")
        price = price_of_row(
            pricing=header.pricing,
            total=header.total,
            whole_weight=sum(pool_weight(row.quantity, row.tier) for row in report.rows),
            terms=version.terms,
            row=(Tier(tier), Metric(metric)),
            found=found,
        )
        if position is None:
            split_id = self.chain.call("LicenseRegistry", "licenseOf", license_id)[6]
            return ContestedRow(0, 0, price), int(split_id)
        credit = report.credits[position]
        return ContestedRow(report.rows[position].quantity, credit.amount, price), credit.split_id

    def _too_early_or_late(self, report: SeenReport, finding: Finding) -> Obstacle | None:
        _, state, _, _, end, *_ = self.chain.call("UsageOracle", "reportOf", report.report_id)
        if state not in (_State.PENDING, _State.SETTLED):
            return Obstacle("the report is not funded yet", lasting=False)
        if (finding.by_evidence or 0) > (finding.reported or 0):
            end += self.chain.call("Disputes", "claimPeriod")
        if self.now() + SECONDS_TO_SPARE >= end:
            return Obstacle(f"the time to challenge it ended at {end}", lasting=True)
        return None

    def _taken(self, report: SeenReport, key: RowKey, claimed: int) -> Obstacle | None:
        """What challenges of the row there were, this account's own above all."""
        if self.signer is not None and self._challenged_before(report, key):
            return Obstacle("this account challenged it before", lasting=True)
        record = self.chain.call("Disputes", "rowRecordOf", report.report_id, *key)
        _, _, _, open_claim, open_reduction, ruled = record
        if ruled:
            return Obstacle("the arbiter has ruled on it", lasting=True)
        position = next((i for i, row in enumerate(report.rows) if row.key == key), None)
        reduces = position is not None and claimed < report.rows[position].quantity
        if reduces:
            held = self.chain.call("UsageOracle", "isHeld", report.report_id, position)
            return Obstacle("a reduction of it was opened already", lasting=True) if held else None
        if open_reduction:
            return Obstacle("a reduction of it is open", lasting=False)
        if open_claim and not self._gives_way(open_claim, claimed):
            return Obstacle("a claim of as much is open already", lasting=False)
        return None

    def _gives_way(self, challenge_id: int, claimed: int) -> bool:
        """Whether an open claim of more ends for ours: docs/rules.md, Rulings."""
        known = self.chain.call("Disputes", "challengeOf", challenge_id)
        reported, before = known[6], known[7]
        return bool(claimed - reported > 2 * (before - reported))

    def _challenged_before(self, report: SeenReport, key: RowKey) -> bool:
        """By the chain's own events, so that a lost folder costs no second bond."""
        events = read_events(self.chain, since=report.block, contracts=("Disputes",))
        return any(
            event.name == "Challenged"
            and event["reportId"] == report.report_id
            and (event["licenseId"], event["tier"], event["metric"]) == key
            and event["challenger"] == self.address
            for event in events
        )

    def _allow(self, bond_units: int) -> None:
        """Let the vault take the bond."""
        assert self.signer is not None
        balance = self.chain.call(DOLLAR, "balanceOf", self.address)
        if balance < bond_units:
            raise RefusedError(
                f"{self.address} holds {balance} units and the bond is {bond_units}: send it dollars"
            )
        vault = self.chain.deployment.address("RoyaltyVault")
        if self.chain.call(DOLLAR, "allowance", self.address, vault) < bond_units:
            self.chain.transact(self.signer, DOLLAR, "approve", vault, bond_units)

    def now(self) -> int:
        """The time of the latest block, in seconds since 1970."""
        return int(answered(lambda: self.chain.web3.eth.get_block("latest"))["timestamp"])


def _claim(finding: Finding) -> tuple[RowKey, int]:
    """The row of a contestable finding and the quantity to claim."""
    if finding.row is None or finding.by_evidence is None:
        raise RefusedError(f"{finding.kind} is not about one row: there is nothing to challenge")
    return finding.row, finding.by_evidence
