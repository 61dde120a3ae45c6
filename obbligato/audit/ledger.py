"""What a replayed ledger holds: licences, platforms, reports, challenges, and who has what."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from obbligato.protocol.constants import ReportState, Tier
from obbligato.protocol.grants import Grant
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.rulings import ContestedRow, RowKey
from obbligato.protocol.splits import Split
from obbligato.protocol.streams import Stream
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import UsageReport


@dataclass(slots=True)
class LicenseRecord:
    """One licence. `document` is the newest digest it announced, in force or still pending.

    `renewed_until` is the end of the latest grant that was renewed ahead, 0 for none.
    """

    license_id: int
    owner: str
    content: bytes
    split_id: int
    history: LicenseHistory
    document: bytes
    renewed_until: int = 0


@dataclass(slots=True)
class PlatformRecord:
    """One platform's money, in money units; reserves are in `Ledger.reserved`."""

    platform_id: int
    admin: str
    bond: int
    available: int = 0
    thawing: int = 0
    obligations: int = 0
    closing: bool = False


@dataclass(slots=True)
class ReportRecord:
    """One report as the chain accepted it. `held` are the rows that challenges took out."""

    report_id: bytes
    header: UsageReport
    reporter: str
    rows: tuple[Row, ...]
    credits: tuple[Credit, ...]
    submitted_at: int
    transaction: str
    state: ReportState = ReportState.UNFUNDED
    window_end: int | None = None
    held: set[int] = field(default_factory=set)
    settled: int = 0
    ruled: int = 0
    """Money units that rulings, lapses and arrears paid for its rows."""


@dataclass(slots=True)
class ChallengeRecord:
    """One challenge of one row. `paid` is what its row's split got by it."""

    challenge_id: int
    report_id: bytes
    row_key: RowKey
    split_id: int
    challenger: str
    claimed: int
    bond: int
    row: ContestedRow
    evidence: bytes
    open: bool = True
    ruled_quantity: int | None = None
    paid: int = 0
    arrears: tuple[int, int] = (0, 0)
    """What is still due: (to the split, as penalty)."""


@dataclass(slots=True)
class Ledger:
    """Everything, by id. Amounts are money units; addresses are checksummed."""

    terms: dict[int, Terms] = field(default_factory=dict)
    splits: dict[int, Split] = field(default_factory=dict)
    licenses: dict[int, LicenseRecord] = field(default_factory=dict)
    platforms: dict[int, PlatformRecord] = field(default_factory=dict)
    grants: defaultdict[tuple[int, Tier, int], list[Grant]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By (licenseId, tier, platformId)."""
    reports: dict[bytes, ReportRecord] = field(default_factory=dict)
    streams: dict[tuple[int, bytes], Stream] = field(default_factory=dict)
    """By (platformId, modelId)."""
    challenges: dict[int, ChallengeRecord] = field(default_factory=dict)
    open_reductions: dict[tuple[bytes, RowKey], int] = field(default_factory=dict)
    """Rows that an open challenge holds, and its id."""
    row_amounts: dict[tuple[bytes, RowKey], tuple[int, int]] = field(default_factory=dict)
    """Rows that were ruled on: (quantity, amount) as they stand."""
    reserved: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    """By (module, platformId)."""
    challenge_bonds: int = 0
    received: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """By splitId."""
    claimed: defaultdict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    """By (splitId, payee)."""
    refunds: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    paid: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What left the vault by claims, by payee."""
    fees: int = 0
    """What came in as fees of grants."""
    platform_paid_out: int = 0
    """What left the vault to platforms: withdrawals and bonds."""

    def held_by_vault(self) -> int:
        """Every unit the vault must hold: invariant 1 of the protocol, with no direct transfers."""
        escrows = sum(p.available + p.thawing + p.bond for p in self.platforms.values())
        owed = sum(self.received.values()) - sum(self.claimed.values())
        return (
            escrows
            + sum(self.reserved.values())
            + self.challenge_bonds
            + sum(self.refunds.values())
            + owed
        )
