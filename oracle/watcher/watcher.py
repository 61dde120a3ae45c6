"""The watcher: every report on the chain checked against its evidence, in order, and contested where wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from web3.exceptions import BlockNotFound

from obbligato.chain.client import Chain, answered
from obbligato.chain.events import BLOCKS_PER_QUERY
from obbligato.consent import LicenseBook
from obbligato.errors import ChainError, NotFound, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.constants import DAY_SECONDS
from obbligato.protocol.contested import RowKey
from obbligato.store import ContentStore, StoreError
from oracle.watcher.challenger import Challenger
from oracle.watcher.checkpoint import Checkpoint, FoundReport
from oracle.watcher.checks import check_report
from oracle.watcher.findings import Finding, Kind, SeenReport, reports_in

SCRATCH: Final = "scratch"
DEFAULT_DEPTH: Final = 12
DEFAULT_MOST_BONDS_UNITS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`from_block`: where to begin (default: the deployment's first block). `depth`: how many blocks
    must follow a block before its reports are checked. `most_bonds_units`: the most money to put up
    as bonds in one day of the chain's time.
    """

    from_block: int | None = None
    depth: int = DEFAULT_DEPTH
    most_bonds_units: int = DEFAULT_MOST_BONDS_UNITS


@dataclass(frozen=True, slots=True)
class Contestation:
    """What was done about a row, or would be. `bond_units` is None where there is no bond to name."""

    finding: Finding
    words: str
    bond_units: int | None = None
    challenge_id: int | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one pass found: everything known up to `block`; `fresh` is what was not known before."""

    block: int
    reports: int
    findings: tuple[Finding, ...]
    fresh: tuple[Finding, ...]
    contestations: tuple[Contestation, ...]

    @property
    def only_missing(self) -> bool:
        """Whether evidence is missing and nothing else is wrong."""
        return all(finding.kind is Kind.MISSING for finding in self.findings)


class Watcher:
    """Checks reports in the order of the chain and keeps its checkpoint in `folder`.

    Without `contest` it only tells what it would challenge. With it, rows that differ from their
    evidence are challenged with that account's dollars, each at most once.
    """

    def __init__(
        self,
        chain: Chain,
        store: ContentStore,
        book: LicenseBook,
        *,
        folder: Path,
        contest: Signer | None = None,
        settings: WatchSettings | None = None,
    ) -> None:
        """Raises InputError where the folder holds another deployment's checkpoint."""
        self._chain = chain
        self._store = store
        self._book = book
        self._folder = folder
        self._settings = settings or WatchSettings()
        self._challenger = Challenger(chain, store, book, contest)
        folder.mkdir(parents=True, exist_ok=True)
        self._checkpoint = Checkpoint.load(folder, deployment=self._name) or self._beginning()
        self._known_findings = set(self._findings())

    def sweep(self) -> Sweep:
        """Check what is new, look again for evidence that was missing, contest, and save the checkpoint.

        Raises ChainError.
        """
        self._check_reorg()
        self._look_again()
        self._check_new()
        contestations = tuple(self._contest())
        self._checkpoint.save(self._folder)
        findings, told = tuple(self._findings()), self._known_findings
        self._known_findings = set(findings)
        return Sweep(
            block=self._checkpoint.checked,
            reports=self._checkpoint.reports,
            findings=findings,
            fresh=tuple(finding for finding in findings if finding not in told),
            contestations=contestations,
        )

    # ---- checking

    def _check_new(self) -> None:
        target = self._height() - self._settings.depth
        while self._checkpoint.checked < target:
            since = self._checkpoint.checked + 1
            until = min(since + BLOCKS_PER_QUERY - 1, target)
            reached = self._hash_of(until)
            self._book.follow(until=until)
            count = 0
            for report in reports_in(self._chain, since, until):
                self._check(report)
                count += 1
            if reached is None or self._hash_of(until) != reached:
                self._checkpoint = self._beginning(self._checkpoint)
                raise ChainError("the chain changed while it was read: read it again")
            self._checkpoint.checked, self._checkpoint.checked_hash = until, reached
            self._checkpoint.reports += count
            self._checkpoint.save(self._folder)

    def _look_again(self) -> None:
        """Evidence that nobody had may be there now."""
        for name, found in list(self._checkpoint.found.items()):
            if found.unseen:
                self._book.follow(until=found.block)
                self._check(self._report(name, found))

    def _check(self, report: SeenReport) -> None:
        findings = check_report(
            report, book=self._book, store=self._store, folder=self._folder / SCRATCH
        )
        name = report.report_id.hex()
        if findings:
            self._checkpoint.found[name] = FoundReport(report.block, findings)
        else:
            self._checkpoint.found.pop(name, None)

    def _check_reorg(self) -> None:
        """Begin again where a reorg undid the last block that was checked."""
        known = self._checkpoint.checked_hash
        if known is None:
            return
        found = self._hash_of(self._checkpoint.checked)
        if found is None:
            raise ChainError(
                f"the node does not hold block {self._checkpoint.checked}, which was checked: "
                "wait until it does, or ask another one"
            )
        if found != known:
            self._checkpoint = self._beginning(self._checkpoint)

    # ---- contesting

    def _contest(self) -> Iterator[Contestation]:
        for name, found in self._in_order():
            waiting = [
                (finding, _row_name(finding.row))
                for finding in found.findings
                if finding.contestable and finding.row is not None
            ]
            open_ = [(finding, row) for finding, row in waiting if row not in found.closed]
            report = self._report(name, found) if open_ else None
            for finding, row in waiting:
                if report is None or row in found.closed:
                    yield Contestation(finding, found.closed[row])
                else:
                    yield self._contest_row(report, found, finding, row)

    def _contest_row(
        self, report: SeenReport, found: FoundReport, finding: Finding, row: str
    ) -> Contestation:
        obstacle = self._challenger.obstacle(report, finding)
        if obstacle is not None:
            if obstacle.lasting:
                found.closed[row] = obstacle.words
            return Contestation(finding, obstacle.words)
        try:
            bond_units = self._challenger.bond_units(report, finding)
        except (RefusedError, NotFound) as error:
            return Contestation(finding, str(error))
        if self._challenger.signer is None:
            return Contestation(finding, "would be contested", bond_units)
        day = self._challenger.now() // DAY_SECONDS
        spent = self._checkpoint.bonds.get(day, 0)
        if spent + bond_units > self._settings.most_bonds_units:
            limit = self._settings.most_bonds_units
            words = f"waits: {spent} units of the day's {limit} are put up as bonds already"
            return Contestation(finding, words, bond_units)
        return self._challenge(report, found, finding, row, bond_units, day)

    def _challenge(
        self,
        report: SeenReport,
        found: FoundReport,
        finding: Finding,
        row: str,
        bond_units: int,
        day: int,
    ) -> Contestation:
        spent = self._checkpoint.bonds.get(day, 0)
        # Before anything is sent: a crash must not make the day's limit forget it.
        self._checkpoint.bonds = {day: spent + bond_units}
        self._checkpoint.save(self._folder)
        try:
            challenge_id = self._challenger.challenge(report, finding, bond_units)
        except (RefusedError, StoreError) as error:
            self._checkpoint.bonds[day] = spent  # nothing was sent
            return Contestation(finding, f"could not be contested: {error}", bond_units)
        found.closed[row] = f"challenge {challenge_id}"
        self._checkpoint.save(self._folder)
        return Contestation(finding, found.closed[row], bond_units, challenge_id)

    # ---- helpers

    @property
    def _name(self) -> str:
        deployment = self._chain.deployment
        return f"{deployment.chain_id}/{deployment.address('UsageOracle')}"

    def _beginning(self, before: Checkpoint | None = None) -> Checkpoint:
        first = self._settings.from_block
        start = self._chain.deployment.block if first is None else first
        return Checkpoint(self._name, start - 1, bonds={} if before is None else before.bonds)

    def _findings(self) -> Iterator[Finding]:
        for _, found in self._in_order():
            yield from found.findings

    def _in_order(self) -> list[tuple[str, FoundReport]]:
        """What was found, by block: the same order after a restart."""
        return sorted(self._checkpoint.found.items(), key=lambda each: (each[1].block, each[0]))

    def _report(self, name: str, found: FoundReport) -> SeenReport:
        for report in reports_in(self._chain, found.block, found.block):
            if report.report_id.hex() == name:
                return report
        raise ChainError(f"the node has lost report 0x{name} of block {found.block}: ask another")

    def _height(self) -> int:
        return int(answered(lambda: self._chain.web3.eth.block_number))

    def _hash_of(self, number: int) -> str | None:
        def ask() -> Any:
            try:
                return self._chain.web3.eth.get_block(number)
            except BlockNotFound:
                return None

        found = answered(ask)
        return None if found is None else "0x" + bytes(found["hash"]).hex()


def _row_name(row: RowKey) -> str:
    return "/".join(str(part) for part in row)
