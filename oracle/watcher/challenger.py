"""Challenging a row: what it takes, why the contracts would not take it now, and the act itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obbligato.chain import blocks
from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.chain.events import events_in, read_events
from obbligato.chain.views import ChallengeView, RowView
from obbligato.consent import LicenseBook
from obbligato.errors import ChainError, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.constants import Metric, ReportState, Tier
from obbligato.protocol.rulings import RowKey, bond, contested_row, position_of
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.store import ContentStore
from oracle.watcher.findings import ChallengeStatement, Finding, SeenReport

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
        row, split_id = contested_row(
            report.header,
            report.rows,
            report.credits,
            key,
            claimed=claimed,
            history=self.book.history(key[0]),
            split_id=self.chain.license(key[0]).split_id,
            reduced=False,  # a row that was reduced or ruled on is not challenged: see `obstacle`
            ruled=None,
        )
        by_payee = self.chain.position(split_id, self.address).share_ppm != 0
        minimum = self.chain.least_bond_units(report.report_id)
        return bond(row, claimed=claimed, minimum=minimum, by_payee=by_payee)

    def obstacle(self, report: SeenReport, finding: Finding) -> Obstacle | None:
        """Why the row is not to be challenged now; None if it is. Raises ChainError."""
        key, claimed = _claim(finding)
        row = self.chain.row(report.report_id, key)
        reduces = claimed < (finding.reported or 0)
        rival_id = row.open_reduction if reduces else row.open_claim
        rival = self.chain.challenge(rival_id) if rival_id else None
        early_or_late = self._too_early_or_late(report, rival, reduces=reduces)
        return early_or_late or self._taken(report, key, claimed, row, rival)

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
        for event in events_in(self.chain, receipt):
            if event.name == "Challenged" and event["reportId"] == report.report_id:
                return int(event["challengeId"])
        raise ChainError("the challenge was mined without its event: look its transaction up")

    # ---- within

    def _too_early_or_late(
        self, report: SeenReport, rival: ChallengeView | None, *, reduces: bool
    ) -> Obstacle | None:
        """By the window of the report or, where we would take a rival's place, by the rival's clock."""
        view = self.chain.report(report.report_id)
        if view.state not in (ReportState.PENDING, ReportState.SETTLED):
            return Obstacle("the report is not funded yet", lasting=False)
        end = view.window_end if reduces else view.window_end + self.chain.claim_period()
        lasting = True
        if rival is not None:
            last = rival.disputed_since + self.chain.arbitration_period()
            # A reduction can be lowered after the window; a claim of more is open again once the rival has ended.
            lasting = reduces or end <= last
            end = last if reduces else min(end, last)
        if self.now() + SECONDS_TO_SPARE >= end:
            return Obstacle(f"the time to challenge it ended at {end}", lasting=lasting)
        return None

    def _taken(
        self,
        report: SeenReport,
        key: RowKey,
        claimed: int,
        row: RowView,
        rival: ChallengeView | None,
    ) -> Obstacle | None:
        """What challenges of the row there were, this account's own above all."""
        if self.signer is not None and self._challenged_before(report, key):
            return Obstacle("this account challenged it before", lasting=True)
        if row.ruled:
            return Obstacle("the arbiter has ruled on it", lasting=True)
        position = position_of(report.rows, key)
        reduces = position is not None and claimed < report.rows[position].quantity
        if reduces:
            if rival is not None:
                lower = claimed < rival.claimed
                return None if lower else Obstacle("as much less is claimed already", lasting=False)
            held = self.chain.call("UsageOracle", "isHeld", report.report_id, position)
            return Obstacle("a reduction of it has ended", lasting=True) if held else None
        if rival is not None and not _gives_way(rival, claimed):
            return Obstacle("a claim of as much is open already", lasting=False)
        return None

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
        return blocks.latest(self.chain).timestamp


def _gives_way(rival: ChallengeView, claimed: int) -> bool:
    """Whether an open claim of more ends for ours: docs/rules.md, Rulings."""
    return claimed - rival.reported > 2 * (rival.claimed - rival.reported)


def _claim(finding: Finding) -> tuple[RowKey, int]:
    """The row of a contestable finding and the quantity to claim."""
    if finding.row is None or finding.by_evidence is None:
        raise RefusedError(f"{finding.kind} is not about one row: there is nothing to challenge")
    return finding.row, finding.by_evidence
