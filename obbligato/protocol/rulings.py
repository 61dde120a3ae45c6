"""The arithmetic of disputes: what a row is worth at a quantity, bonds, and who gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from eth_hash.auto import keccak

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import (
    NOT_OFFERED,
    PPM,
    TIER_WEIGHTS,
    UINT64_MAX,
    Flag,
    Metric,
    Pricing,
    Tier,
)
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.pricing import metered_amount, pool_weight
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.terms import PeriodTerms
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import member_of, whole_number

BOND_DIVISOR = 10
"""A bond is a tenth of what the challenge can do, unless the minimum is more."""


@dataclass(frozen=True, slots=True)
class MeteredPrice:
    """The frozen price of a METERED row: money units for one whole unit."""

    rate: int

    def amount(self, quantity: int) -> int:
        """Raises RefusedError for NOT_OFFERED or over uint64."""
        return metered_amount(quantity, self.rate)


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """The frozen price of a POOL row: what the pool shared, by which weight in all."""

    total: int
    whole_weight: int
    tier: Tier

    def __post_init__(self) -> None:
        whole_number(self.total, field="total", most=UINT64_MAX)
        whole_number(self.whole_weight, field="wholeWeight", least=1, most=2**256 - 1)
        object.__setattr__(self, "tier", member_of(Tier)(self.tier))

    def amount(self, quantity: int) -> int:
        """Raises RefusedError over uint64."""
        amount = self.total * pool_weight(quantity, self.tier) // self.whole_weight
        if amount > UINT64_MAX:
            raise RefusedError(f"{amount} is more than a uint64 holds: claim a smaller quantity")
        return amount


@dataclass(frozen=True, slots=True)
class ContestedRow:
    """A row as its report froze it: an absent row has quantity 0 and credit 0."""

    reported: int
    credited: int
    price: MeteredPrice | PoolPrice

    def __post_init__(self) -> None:
        whole_number(self.reported, field="reported", most=UINT64_MAX)
        whole_number(self.credited, field="credited", most=UINT64_MAX)
        if self.reported == 0 and self.credited:
            raise InputError("an absent row has no credit", field="credited")

    def value(self, quantity: int) -> int:
        """Money units the row is worth at `quantity`: nothing at 0, its credit as reported."""
        whole_number(quantity, field="quantity", most=UINT64_MAX)
        if quantity == 0:
            return 0
        if quantity == self.reported:
            return self.credited
        return self.price.amount(quantity)


def price_of_row(
    *,
    pricing: Pricing,
    total: int,
    whole_weight: int,
    terms: PeriodTerms,
    row: tuple[Tier, Metric],
    found: bool,
) -> MeteredPrice | PoolPrice:
    """The frozen price of a contested row of a report; `found` says whether the report has the row.

    A row that a pool left out is worth its rate at least; one whose terms join no pools is worth
    its rate. Raises RefusedError where the terms put no price on it.
    """
    tier, metric = row
    rate = terms.reserve(tier, metric)
    if pricing is Pricing.POOL and terms.has(Flag.POOL):
        by_weight = total * TIER_WEIGHTS[tier]
        reserved = not found and rate != NOT_OFFERED and by_weight * PPM < rate * whole_weight
        if not reserved:
            return PoolPrice(total=total, whole_weight=whole_weight, tier=tier)
    if rate == NOT_OFFERED:
        raise RefusedError("the terms put no price on this use: there is nothing to rule on")
    return MeteredPrice(rate)


class Winner(StrEnum):
    """Who was nearer to the ruled quantity."""

    CHALLENGER = "challenger"
    PLATFORM = "platform"
    DRAW = "draw"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a ruling moves, in money units.

    Of the row's held credit `to_split` goes to its split and `to_platform` back (a reduction), or
    `owed` is taken from the platform for the split (an increase). `to_challenger` includes the
    challenger's own bond where it returns; `stake_to_platform` is what the platform wins;
    `platform_stake` is what it must pay, and `burned` is what leaves to 0x…dEaD.
    """

    winner: Winner
    to_split: int
    to_platform: int
    owed: int
    to_challenger: int
    stake_to_platform: int
    platform_stake: int
    burned: int


def bond(row: ContestedRow, *, claimed: int, minimum: int, by_payee: bool) -> int:
    """Money units a challenger puts up: `max(minimum, floor(disputed / 10))`.

    A claim of less disputes all that the row was credited, since it holds the whole row; a claim of
    more the difference. Half of it (floor) for a payee of the row. Raises InputError where nothing
    is contested.
    """
    _check_claim(row, claimed)
    whole_number(minimum, field="minimum", most=UINT64_MAX)
    disputed = row.credited if claimed < row.reported else abs(row.value(claimed) - row.credited)
    full = max(minimum, disputed // BOND_DIVISOR)
    return full // 2 if by_payee else full


def rule(row: ContestedRow, *, claimed: int, ruled: int, bond_units: int) -> Ruling:
    """What follows when the arbiter answers `ruled` to a challenge that claimed `claimed`.

    `ruled` lies between what was reported and what was claimed; else InputError.
    """
    _check_claim(row, claimed)
    whole_number(bond_units, field="bond", most=UINT64_MAX)
    reduction = claimed < row.reported
    least, most = sorted((claimed, row.reported))
    whole_number(ruled, field="ruled", least=least, most=most)
    worth = row.value(ruled)
    if reduction:
        worth = min(worth, row.credited)  # prefix rounding: never more than the row holds
    winner = _nearer(ruled, claimed=claimed, reported=row.reported)
    won = bond_units // 2
    return Ruling(
        winner=winner,
        to_split=worth if reduction else 0,
        to_platform=row.credited - worth if reduction else 0,
        # Prefix rounding may have credited a pool row one unit more than its own floor, so that a
        # slightly larger quantity can be worth less than the row already had.
        owed=0 if reduction else max(0, worth - row.credited),
        to_challenger={
            Winner.CHALLENGER: bond_units + won,
            Winner.PLATFORM: 0,
            Winner.DRAW: bond_units,
        }[winner],
        stake_to_platform=won if winner is Winner.PLATFORM else 0,
        platform_stake=bond_units if winner is Winner.CHALLENGER else 0,
        burned=0 if winner is Winner.DRAW else bond_units - won,
    )


def _nearer(ruled: int, *, claimed: int, reported: int) -> Winner:
    to_claimed, to_reported = abs(ruled - claimed), abs(ruled - reported)
    if to_claimed == to_reported:
        return Winner.DRAW
    return Winner.CHALLENGER if to_claimed < to_reported else Winner.PLATFORM


def _check_claim(row: ContestedRow, claimed: int) -> None:
    whole_number(claimed, field="claimed", most=UINT64_MAX)
    if claimed == row.reported:
        raise InputError(
            f"{claimed} is what was reported: name the quantity you hold to be right",
            field="claimed",
        )


RowKey = tuple[int, int, int]
"""(licenseId, tier, metric)."""


def row_digest(report_id: bytes, key: RowKey) -> bytes:
    """The 32 bytes by which the disputes keep a row: keccak256 of the ABI's words, in this order."""
    return keccak(report_id + b"".join(number.to_bytes(32, "big") for number in key))


def challenge_digest(row: bytes, *, challenger: str, reported: int, claimed: int) -> bytes:
    """What a challenge means, 32 bytes: a ruling carries it, so that it rules on nothing else.

    `row` is its `row_digest`; quantities are in millionths of a unit, `reported` as the event
    `Challenged` tells it.
    """
    numbers = (int(challenger, 16), reported, claimed)
    return keccak(row + b"".join(number.to_bytes(32, "big") for number in numbers))


def position_of(rows: Sequence[Row], key: RowKey) -> int | None:
    """Where the row with this key is in a report; None if the report left it out."""
    return next((position for position, row in enumerate(rows) if row.key == key), None)


def contested_row(
    report: UsageReport,
    rows: Sequence[Row],
    credits_: Sequence[Credit],
    key: RowKey,
    *,
    claimed: int,
    history: LicenseHistory,
    split_id: int,
    reduced: bool,
    ruled: tuple[int, int] | None,
) -> tuple[ContestedRow, int]:
    """The row and the split it pays, when somebody claims `claimed` millionths of a unit for it.

    A claim of less is about the row as reported, until a reduction of the row has ended
    (`reduced`); any other claim is about the row as rulings left it: `ruled` is that quantity and
    amount. A row that the report left out has quantity 0 and pays `split_id`, the licence's split of
    today. Raises RefusedError where the licence gave no consent in the period, or no price.
    """
    license_id, tier, metric = key
    terms = history.period_terms(tier, report.period_start, report.period_end)
    if terms is None:
        raise RefusedError(
            f"licence {license_id} gave no consent in the period: there is nothing to rule on"
        )
    position = position_of(rows, key)
    quantity = amount = 0
    if position is not None:
        credit = credits_[position]
        quantity, amount, split_id = rows[position].quantity, credit.amount, credit.split_id
    price = price_of_row(
        pricing=report.pricing,
        total=report.total,
        whole_weight=sum(pool_weight(row.quantity, row.tier) for row in rows),
        terms=terms,
        row=(Tier(tier), Metric(metric)),
        found=position is not None,
    )
    reduces = claimed < quantity and not reduced
    if ruled is not None and not reduces:
        quantity, amount = ruled
    return ContestedRow(quantity, amount, price), split_id
