"""What the contracts know of one thing, by name: each method is one view call, each field has its unit.

Times are seconds since 1970; `_units` are millionths of a dollar; digests are 32 bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from web3.types import BlockIdentifier

from obbligato.protocol.constants import ChallengeState, ReportState
from obbligato.protocol.rulings import challenge_digest
from obbligato.protocol.streams import Stream


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report. One that the chain has not has the state NONE and zeroes."""

    credits_digest: bytes
    state: ReportState
    platform_id: int
    total_units: int
    window_end: int
    """When its challenge window ends; 0 before it is funded."""
    held_rows: int
    config_version: int


@dataclass(frozen=True, slots=True)
class LicenseView:
    """A licence's terms now and next, its end and its split."""

    terms_id: int
    start: int
    """When the terms in force began."""
    anchor: int
    """From where terms are counted."""
    next_terms_id: int
    next_start: int
    ends_at: int
    """0 where nothing ends it."""
    split_id: int


@dataclass(frozen=True, slots=True)
class PlatformView:
    """A platform. Its admin is the zero address where nobody registered it."""

    admin: str
    closes_at: int
    """0 while it is open."""


@dataclass(frozen=True, slots=True)
class EscrowView:
    """A platform's money in the vault."""

    available_units: int
    thawing_units: int
    bond_units: int
    thaw_ends_at: int
    obligations: int
    """Reports that are unfunded, and rulings in arrears: they stop reports and withdrawals."""


@dataclass(frozen=True, slots=True)
class PositionView:
    """A payee in a split: its share in millionths and what it has claimed."""

    share_ppm: int
    claimed_units: int
    role: int


@dataclass(frozen=True, slots=True)
class ChallengeView:
    """A challenge of one row. Quantities are in millionths of a unit.

    The row's price is frozen as `numerator / denominator` money units per millionth.
    """

    report_id: bytes
    row_key: bytes
    challenger: str
    opened_at: int
    platform_id: int
    state: ChallengeState
    reported: int
    claimed: int
    amount_units: int
    bond_units: int
    numerator: int
    denominator: int
    split_id: int
    disputed_since: int
    """When the first of the challenges that took each other's place was opened."""

    @property
    def digest(self) -> bytes:
        """What a ruling on it has to carry."""
        return challenge_digest(
            self.row_key, challenger=self.challenger, reported=self.reported, claimed=self.claimed
        )


@dataclass(frozen=True, slots=True)
class RowView:
    """What rulings have made of one row; `quantity` is in millionths of a unit."""

    quantity: int
    amount_units: int
    reopen_until: int
    open_claim: int
    """The id of the open challenge that claims more; 0 for none."""
    open_reduction: int
    ruled: bool


@dataclass(frozen=True, slots=True)
class AttesterSet:
    """The attesters of one version of the configuration, and how many of them make a quorum."""

    version: int
    members: tuple[str, ...]
    quorum: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each thing there are; ids go from 1 to the count."""

    licenses: int
    terms: int
    splits: int
    platforms: int
    challenges: int


class Views(ABC):
    """Typed view calls over `call`. Every method raises ContractRefused and ChainError."""

    @abstractmethod
    def call(
        self, contract: str, function: str, *arguments: Any, block: BlockIdentifier = "latest"
    ) -> Any:
        """The answer of a view function."""

    def report(self, report_id: bytes, *, block: BlockIdentifier = "latest") -> ReportView:
        digest, state, *others = self.call("UsageOracle", "reportOf", report_id, block=block)
        return ReportView(bytes(digest), ReportState.numbered(state), *others)

    def stream(
        self, platform_id: int, model_id: bytes, *, block: BlockIdentifier = "latest"
    ) -> Stream:
        """Where the reports of a platform for a model are."""
        last, sequence, covered = self.call(
            "UsageOracle", "streamOf", platform_id, model_id, block=block
        )
        return Stream(sequence, bytes(last), covered)

    def attesters(self, *, block: BlockIdentifier = "latest") -> AttesterSet:
        """The attesters in force."""
        version = self.call("UsageOracle", "configVersion", block=block)
        members = self.call("UsageOracle", "attestersOf", version, block=block)
        quorum = self.call("UsageOracle", "quorum", block=block)
        return AttesterSet(version, tuple(members), quorum)

    def license(self, license_id: int, *, block: BlockIdentifier = "latest") -> LicenseView:
        return LicenseView(*self.call("LicenseRegistry", "licenseOf", license_id, block=block))

    def platform(self, platform_id: int, *, block: BlockIdentifier = "latest") -> PlatformView:
        return PlatformView(*self.call("RoyaltyVault", "platformOf", platform_id, block=block))

    def escrow(self, platform_id: int, *, block: BlockIdentifier = "latest") -> EscrowView:
        return EscrowView(*self.call("RoyaltyVault", "escrowOf", platform_id, block=block))

    def position(
        self, split_id: int, payee: str, *, block: BlockIdentifier = "latest"
    ) -> PositionView:
        """A payee in a split; all zeroes for an account that it does not pay."""
        return PositionView(*self.call("RoyaltyVault", "positionOf", split_id, payee, block=block))

    def claimable_units(
        self, payee: str, split_ids: Sequence[int], *, block: BlockIdentifier = "latest"
    ) -> int:
        """What a payee can claim from splits now."""
        return int(self.call("RoyaltyVault", "claimable", payee, split_ids, block=block))

    def recipient(self, payee: str, *, block: BlockIdentifier = "latest") -> str:
        """To which address a payee's claims are paid."""
        return str(self.call("RoyaltyVault", "recipientOf", payee, block=block))

    def claims_guarded(self, payee: str) -> bool:
        """Whether a payee lets nobody else claim for it."""
        return bool(self.call("RoyaltyVault", "areClaimsGuarded", payee))

    def minimum_bond_units(self) -> int:
        """The least bond of a platform."""
        return int(self.call("RoyaltyVault", "minimumBond"))

    def least_bond_units(self, report_id: bytes) -> int:
        """The least bond of the next challenge of a report; it rises with how many are open."""
        return int(self.call("Disputes", "leastBondOf", report_id))

    def challenge_window(self) -> int:
        """Seconds from a report's funding until it may be settled."""
        return int(self.call("UsageOracle", "challengeWindow"))

    def arbitration_period(self) -> int:
        """Seconds that the arbiter has for a ruling."""
        return int(self.call("Disputes", "arbitrationPeriod"))

    def claim_period(self) -> int:
        """Seconds after a report's window in which a row may be claimed to be too low."""
        return int(self.call("Disputes", "claimPeriod"))

    def received_units(self, split_id: int, *, block: BlockIdentifier = "latest") -> int:
        """Everything a split has been credited with."""
        return int(self.call("RoyaltyVault", "receivedOf", split_id, block=block))

    def challenge(self, challenge_id: int, *, block: BlockIdentifier = "latest") -> ChallengeView:
        values = list(self.call("Disputes", "challengeOf", challenge_id, block=block))
        values[0:2] = map(bytes, values[0:2])
        values[5] = ChallengeState.numbered(values[5])
        return ChallengeView(*values)

    def row(
        self,
        report_id: bytes,
        key: tuple[int, int, int],
        *,
        block: BlockIdentifier = "latest",
    ) -> RowView:
        """What rulings made of the row of (licenseId, tier, metric) in a report."""
        numbers = map(int, key)
        return RowView(*self.call("Disputes", "rowRecordOf", report_id, *numbers, block=block))

    def counts(self, *, block: BlockIdentifier = "latest") -> Counts:
        def count(contract: str, function: str) -> int:
            return int(self.call(contract, function, block=block))

        return Counts(
            licenses=count("LicenseRegistry", "licenseCount"),
            terms=count("LicenseRegistry", "termsCount"),
            splits=count("RoyaltyVault", "splitCount"),
            platforms=count("RoyaltyVault", "platformCount"),
            challenges=count("Disputes", "challengeCount"),
        )
