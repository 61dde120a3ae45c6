"""What a report costs and whom it credits: formula version 1 of docs/rules.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import (
    NOT_OFFERED,
    PPM,
    TIER_WEIGHTS,
    UINT64_MAX,
    Flag,
    Pricing,
    Tier,
)
from obbligato.protocol.rows import Credit, Row, check_rows
from obbligato.protocol.terms import PeriodTerms
from obbligato.protocol.types import member_of, whole_number


@dataclass(frozen=True, slots=True)
class Offer:
    """What a row is priced with.

    `terms` are those of the period's moments with consent, `split_id` is the split the licence has at
    submission, `granted` whether the platform holds a grant for the licence,
    tier and model that overlaps the period (asked only where the terms require one).
    """

    terms: PeriodTerms
    split_id: int
    granted: bool = False


OfferOf = Callable[[int, Tier], Offer | None] | Mapping[tuple[int, Tier], Offer]
"""Gives the offer for (licenseId, tier), None where the period has no moment of consent."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A priced report: credit i belongs to row i; `total`, in money units, is their exact sum."""

    credits: tuple[Credit, ...]
    total: int


def metered_amount(quantity: int, rate: int) -> int:
    """`floor(quantity * rate / 1e6)` money units, `quantity` in millionths of a unit.

    Raises RefusedError for NOT_OFFERED or an amount over uint64, InputError for no uint64.
    """
    whole_number(quantity, field="quantity", most=UINT64_MAX)
    whole_number(rate, field="rate", most=UINT64_MAX)
    if rate == NOT_OFFERED:
        raise RefusedError("this use is not offered by the meter: ask the licensor for a rate")
    return _in_uint64(quantity * rate // PPM)


def pool_weight(quantity: int, tier: Tier | int) -> int:
    """Weight of a row in a pool: millionths of a unit times the weight of its tier."""
    whole_number(quantity, field="quantity", most=UINT64_MAX)
    return quantity * TIER_WEIGHTS[member_of(Tier)(tier)]


def pool_amounts(total: int, weights: Sequence[int]) -> list[int]:
    """`total` money units shared by weight so that the amounts sum to it exactly.

    With C_i the sum of the first i weights and W of all, amount i is
    `floor(total * C_i / W) - floor(total * C_(i-1) / W)`. Raises InputError where W is 0.
    """
    whole_number(total, field="total", most=UINT64_MAX)
    total_weight = sum(weights)
    if total_weight <= 0 or min(weights) < 0:
        raise InputError("a pool needs rows with a weight above 0", field="weights")
    amounts = []
    cumulative = paid = 0
    for weight in weights:
        cumulative += weight
        reached = total * cumulative // total_weight
        amounts.append(reached - paid)
        paid = reached
    return amounts


def price_rows(
    rows: Sequence[Row], *, pricing: Pricing | int, offer_of: OfferOf, total: int | None = None
) -> Priced:
    """Price a whole report.

    `total` is what a POOL shares and must be given; for METERED it may be given and must then equal
    the sum. Raises InputError for rows out of order, RefusedError naming the first row the rules
    refuse.
    """
    kind = member_of(Pricing)(pricing)
    check_rows(rows)
    if total is not None:
        whole_number(total, field="total", most=UINT64_MAX)
    shares = _pool_shares(rows, total) if kind is Pricing.POOL else None
    credited: list[Credit] = []
    credited_total = 0
    for number, row in enumerate(rows):
        try:
            offer = _offer(row, offer_of)
            amount = _metered(row, offer) if shares is None else shares[number]
            if shares is not None:
                _check_pooled(row, offer, amount)
            credited_total = _in_uint64(credited_total + amount)
        except RefusedError as error:
            raise RefusedError(error.reason, row=number) from error
        credited.append(Credit(split_id=offer.split_id, amount=amount))
    if total is not None and total != credited_total:
        raise RefusedError(
            f"the rows cost {credited_total}, the report says {total}: sign the former"
        )
    return Priced(credits=tuple(credited), total=credited_total)


def _offer(row: Row, offer_of: OfferOf) -> Offer:
    if isinstance(offer_of, Mapping):
        offer = offer_of.get((row.license_id, row.tier))
    else:
        offer = offer_of(row.license_id, row.tier)
    if offer is None or not offer.terms.offers(row.tier):
        raise RefusedError(
            f"licence {row.license_id} has no consent for {row.tier.name} at any moment of the "
            "period: leave the row out and declare the use as unlicensed"
        )
    if offer.terms.has(Flag.GRANT_REQUIRED) and not offer.granted:
        raise RefusedError(
            f"licence {row.license_id} asks for a grant for {row.tier.name}: "
            "buy one that overlaps the period"
        )
    return offer


def _metered(row: Row, offer: Offer) -> int:
    return metered_amount(row.quantity, offer.terms.rate(row.tier, row.metric))


def _pool_shares(rows: Sequence[Row], total: int | None) -> list[int]:
    if total is None:
        raise InputError("say how much the pool shares", field="total")
    if not rows:
        raise RefusedError("a report without rows is priced METERED with total 0")
    return pool_amounts(total, [pool_weight(row.quantity, row.tier) for row in rows])


def _check_pooled(row: Row, offer: Offer, amount: int) -> None:
    if not offer.terms.has(Flag.POOL):
        raise RefusedError(f"licence {row.license_id} does not join pools: report it metered")
    rate = offer.terms.reserve(row.tier, row.metric)
    reserve = 0 if rate == NOT_OFFERED else row.quantity * rate // PPM
    if amount < reserve:
        raise RefusedError(
            f"licence {row.license_id} would receive {amount}, below its reserve price of "
            f"{reserve}: raise the total or report it metered"
        )


def _in_uint64(amount: int) -> int:
    if amount > UINT64_MAX:
        raise RefusedError(f"{amount} is more than a uint64 holds: divide the usage into reports")
    return amount
