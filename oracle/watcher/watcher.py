"""The watcher: every report on the chain checked against its evidence, in order, and contested where wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obbligato.chain import blocks
from obbligato.chain.blocks import to_bytes
from obbligato.chain.client import Chain
from obbligato.chain.events import read_events
from obbligato.chain.follower import (
    BLOCKS_BY_HASH,
    BlockId,
    Follower,
    NewBlocks,
    Position,
    Undone,
)
from obbligato.consent import LicenseBook
from obbligato.errors import ChainError, NotFound, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.constants import DAY_SECONDS
from obbligato.protocol.rulings import RowKey
from obbligato.store import ContentStore, StoreError
from oracle.watcher.challenger import Challenger
from oracle.watcher.checkpoint import Checkpoint, ReportFindings
from oracle.watcher.checks import check_report
from oracle.watcher.findings import Finding, FindingKind, SeenReport, reports_of

CONTRACTS: Final = ("UsageOracle",)
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
        return all(finding.kind is FindingKind.MISSING for finding in self.findings)


class _ReportFollower(Follower):
    """Compares events with blooms and receipts also where blocks are final, unless they are many.

    Nothing that the contracts count would show that a node left a report out.
    """

    def _check_complete(self, step: NewBlocks) -> None:
        numbers = range(step.base.number + 1, step.head.number + 1)
        if len(numbers) <= BLOCKS_BY_HASH:
            self._reader.check_complete(blocks.headers(self._chain, numbers), step.events)


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
        self._follower = _ReportFollower(
            chain, self, finality=self._settings.depth, contracts=CONTRACTS
        )
        self._known_findings = set(self._findings())

    def sweep(self) -> Sweep:
        """Check what is new, look again for evidence that was missing, contest, and save the checkpoint.

        Raises ChainError.
        """
        unseen = [name for name, found in self._checkpoint.found.items() if found.unseen]
        self._check_new()
        self._look_again(unseen)
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

    # ---- the cursor of its follower

    def position(self) -> Position:
        """The last block that was checked. A reorg of any depth only makes it check again."""
        hash_ = self._checkpoint.checked_hash
        return Position(
            self._checkpoint.checked,
            b"" if hash_ is None else to_bytes(hash_),
            self._beginning().checked,
        )

    def known_blocks(self, lowest: int, highest: int) -> Sequence[BlockId]:
        """The last block that was checked."""
        number, hash_, _ = self.position()
        return [BlockId(number, hash_)] if hash_ and lowest <= number <= highest else []

    # ---- checking

    def _check_new(self) -> None:
        """Check the reports of the blocks that enough others follow; all again where a reorg undid the last one."""
        if not self._is_held():
            raise ChainError(
                f"the node does not hold block {self._checkpoint.checked}, which was checked: "
                "wait until it does, or ask another one"
            )
        for step in self._follower.steps(only_final=True):
            if isinstance(step, Undone):
                self._checkpoint = self._beginning(self._checkpoint)
            elif isinstance(step, NewBlocks):
                self._book.follow(until=step.head.number)
                reports = list(reports_of(step.events))
                for report in reports:
                    self._check(report)
                self._checkpoint.checked = step.head.number
                self._checkpoint.checked_hash = step.head.hex
                self._checkpoint.reports += len(reports)
                self._checkpoint.save(self._folder)

    def _look_again(self, names: Sequence[str]) -> None:
        """Evidence that nobody had may be there now."""
        for name in names:
            found = self._checkpoint.found.get(name)
            if found is not None and found.unseen:
                self._book.follow(until=found.block)
                self._check(self._report(name, found))

    def _check(self, report: SeenReport) -> None:
        findings = check_report(
            report, book=self._book, store=self._store, folder=self._folder / SCRATCH
        )
        name = report.report_id.hex()
        if findings:
            self._checkpoint.found[name] = ReportFindings(report.block, findings)
        else:
            self._checkpoint.found.pop(name, None)

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
        self, report: SeenReport, found: ReportFindings, finding: Finding, row: str
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
        found: ReportFindings,
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

    def _in_order(self) -> list[tuple[str, ReportFindings]]:
        """What was found, by block: the same order after a restart."""
        return sorted(self._checkpoint.found.items(), key=lambda each: (each[1].block, each[0]))

    def _report(self, name: str, found: ReportFindings) -> SeenReport:
        block = found.block
        events = read_events(self._chain, since=block, until=block, contracts=CONTRACTS)
        for report in reports_of(events):
            if report.report_id.hex() == name:
                return report
        raise ChainError(f"the node has lost report 0x{name} of block {found.block}: ask another")

    def _is_held(self) -> bool:
        checkpoint = self._checkpoint
        return (
            checkpoint.checked_hash is None
            or blocks.header(self._chain, checkpoint.checked) is not None
        )


def _row_name(row: RowKey) -> str:
    return "/".join(str(part) for part in row)
