"""Rows cost what the rules say, to the unit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import NOT_OFFERED, PPM, TIER_WEIGHTS, Flag, Metric, Pricing, Tier
from obbligato.protocol.pricing import (
    Offer,
    Priced,
    metered_amount,
    pool_amounts,
    pool_weight,
    price_rows,
)
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.terms import PeriodTerms, Terms
from tests.protocol.examples import quantities, row_lists, terms_with, uint64
from tests.protocol.vectors import vectors

GENERATION = Metric.GENERATION


def row(license_id: int, tier: Tier = Tier.ANALYSIS, quantity: int = PPM) -> Row:
    return Row(license_id, tier, GENERATION, quantity)


def offers(*terms: Terms) -> dict[tuple[int, Tier], Offer]:
    """Licence i has the i-th terms for every tier, and split 10 + i."""
    return {
        (number, tier): Offer(terms=PeriodTerms(one, one), split_id=10 + number)
        for number, one in enumerate(terms)
        for tier in Tier
    }


@pytest.mark.parametrize("vector", vectors("metered"))
def test_metered_amounts_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    if vector["expected"].get("refused"):
        with pytest.raises(RefusedError):
            metered_amount(**vector["input"])
    else:
        assert metered_amount(**vector["input"]) == vector["expected"]["amount"]


@pytest.mark.parametrize("vector", vectors("metered"))
def test_reports_cost_their_metered_amounts(vector: dict[str, Any]) -> None:
    terms = terms_with(Tier.ANALYSIS, generation=vector["input"]["rate"])
    rows = [row(0, quantity=vector["input"]["quantity"])]
    if vector["expected"].get("refused"):
        with pytest.raises(RefusedError) as refused:
            price_rows(rows, pricing=Pricing.METERED, offer_of=offers(terms))
        assert refused.value.row == 0
    else:
        amount = vector["expected"]["amount"]
        priced = price_rows(rows, pricing=Pricing.METERED, offer_of=offers(terms))
        assert priced == Priced(credits=(Credit(10, amount),), total=amount)


@pytest.mark.parametrize("vector", vectors("pool"))
def test_pools_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    given_rows, total = vector["input"]["rows"], vector["input"]["total"]
    terms = [
        terms_with(*Tier, generation=one["rate"], flags=int(Flag.POOL) * one["pool"])
        for one in given_rows
    ]
    rows = [row(i, Tier(one["tier"]), one["quantity"]) for i, one in enumerate(given_rows)]
    bad = vector["expected"].get("refusedRow")
    if bad is not None:
        with pytest.raises(RefusedError) as refused:
            price_rows(rows, pricing=Pricing.POOL, total=total, offer_of=offers(*terms))
        assert refused.value.row == bad
        return
    priced = price_rows(rows, pricing=Pricing.POOL, total=total, offer_of=offers(*terms))
    assert [credit.amount for credit in priced.credits] == vector["expected"]["amounts"]
    assert priced.total == total


def test_each_row_is_credited_to_the_split_of_its_licence() -> None:
    priced = price_rows(
        [row(0), row(1, Tier.TRAINING), row(1, Tier.STYLE)],
        pricing=1,
        offer_of=offers(terms_with(*Tier, generation=5), terms_with(*Tier, generation=7)),
    )
    assert priced.credits == (Credit(10, 5), Credit(11, 7), Credit(11, 7))
    assert priced.total == 19


def test_the_metric_chooses_the_rate() -> None:
    rows = [Row(0, Tier.STYLE, metric, 2 * PPM) for metric in Metric]
    priced = price_rows(rows, pricing=Pricing.METERED, offer_of=offers(terms_with(*Tier)))
    assert [credit.amount for credit in priced.credits] == [6_000_000, 40_000, 200]


def test_offers_may_come_from_a_function() -> None:
    terms = terms_with(Tier.ANALYSIS, generation=3)

    def offer_of(license_id: int, tier: Tier) -> Offer | None:
        return (
            Offer(terms=PeriodTerms(terms, terms), split_id=license_id) if license_id < 3 else None
        )

    rows = [row(1), row(2)]
    assert price_rows(rows, pricing=Pricing.METERED, offer_of=offer_of).total == 6
    with pytest.raises(RefusedError, match="no consent") as refused:
        price_rows([*rows, row(3)], pricing=Pricing.METERED, offer_of=offer_of)
    assert refused.value.row == 2


def test_a_row_without_consent_is_refused_by_name() -> None:
    terms = terms_with(Tier.ANALYSIS)
    with pytest.raises(RefusedError, match=r"row 1: licence 0 has no consent for TRAINING"):
        price_rows([row(0), row(0, Tier.TRAINING)], pricing=Pricing.METERED, offer_of=offers(terms))


@pytest.mark.parametrize("pricing", list(Pricing))
def test_a_grant_is_asked_for_where_the_terms_require_one(pricing: Pricing) -> None:
    terms = terms_with(*Tier, generation=0, flags=int(Flag.GRANT_REQUIRED | Flag.POOL))
    for granted in (False, True):
        offer_of = {
            (0, Tier.VOICE): Offer(terms=PeriodTerms(terms, terms), split_id=1, granted=granted)
        }
        rows = [row(0, Tier.VOICE)]
        if granted:
            assert price_rows(rows, pricing=pricing, total=0, offer_of=offer_of).total == 0
        else:
            with pytest.raises(RefusedError, match="grant") as refused:
                price_rows(rows, pricing=pricing, total=0, offer_of=offer_of)
            assert refused.value.row == 0


def test_what_the_meter_does_not_offer_is_refused() -> None:
    closed = offers(terms_with(*Tier), terms_with(*Tier, generation=NOT_OFFERED))
    with pytest.raises(RefusedError, match="not offered") as refused:
        price_rows([row(0), row(1)], pricing=Pricing.METERED, offer_of=closed)
    assert refused.value.row == 1


def test_a_sum_beyond_uint64_is_refused_by_the_row_that_goes_over() -> None:
    dear = offers(*[terms_with(*Tier, generation=2**63)] * 3)
    with pytest.raises(RefusedError, match="uint64") as refused:
        price_rows([row(0), row(1), row(2)], pricing=Pricing.METERED, offer_of=dear)
    assert refused.value.row == 1


def test_the_first_bad_row_is_named_whatever_is_wrong_with_it() -> None:
    pool_terms = terms_with(*Tier, generation=0, flags=int(Flag.POOL))
    dear = terms_with(*Tier, generation=10**9, flags=int(Flag.POOL))
    no_pool = terms_with(*Tier, generation=0)
    with pytest.raises(RefusedError, match="reserve") as refused:
        price_rows(
            [row(0), row(1), row(2), row(3)],
            pricing=Pricing.POOL,
            total=5,
            offer_of=offers(pool_terms, dear, no_pool),
        )
    assert refused.value.row == 1


def test_a_metered_total_that_is_not_the_sum_is_refused() -> None:
    known = offers(terms_with(*Tier, generation=5))
    assert price_rows([row(0)], pricing=Pricing.METERED, offer_of=known, total=5).total == 5
    with pytest.raises(RefusedError, match="cost 5"):
        price_rows([row(0)], pricing=Pricing.METERED, offer_of=known, total=6)


def test_a_zero_statement_is_metered_and_costs_nothing() -> None:
    assert price_rows([], pricing=Pricing.METERED, offer_of={}, total=0) == Priced((), 0)
    with pytest.raises(RefusedError, match="METERED"):
        price_rows([], pricing=Pricing.POOL, offer_of={}, total=0)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        price_rows([row(1), row(0)], pricing=Pricing.METERED, offer_of={})
    assert refused.value.row == 1


@pytest.mark.parametrize("total", [None, -1, 2**64, 1.0, True, "1"])
def test_a_pool_needs_a_total_in_whole_units(total: Any) -> None:
    pool_terms = offers(terms_with(*Tier, generation=0, flags=int(Flag.POOL)))
    with pytest.raises(InputError) as refused:
        price_rows([row(0)], pricing=Pricing.POOL, offer_of=pool_terms, total=total)
    assert refused.value.field == "total"


@pytest.mark.parametrize("pricing", [0, 3, 1.0, True, "METERED"])
def test_an_unknown_pricing_is_refused(pricing: Any) -> None:
    with pytest.raises(InputError, match="no pricing"):
        price_rows([], pricing=pricing, offer_of={})


@pytest.mark.parametrize(("quantity", "rate"), [(1.0, 1), (True, 1), ("1", 1), (1, 0.1), (-1, 1)])
def test_amounts_of_no_integers_are_refused(quantity: Any, rate: Any) -> None:
    with pytest.raises(InputError):
        metered_amount(quantity, rate)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [3, -1]])
def test_a_pool_without_weight_is_refused(weights: list[int]) -> None:
    with pytest.raises(InputError, match="weight"):
        pool_amounts(1, weights)


def test_tier_weights_are_those_of_formula_version_1() -> None:
    assert [TIER_WEIGHTS[tier] for tier in Tier] == [1, 2, 4, 6, 8, 10]
    assert pool_weight(3, Tier.VOICE) == pool_weight(3, 6) == 30


weights = st.lists(st.integers(min_value=1, max_value=10 * (2**64 - 1)), min_size=1, max_size=50)


@given(uint64, weights)
def test_pool_amounts_sum_to_the_total_to_the_unit(total: int, shared: list[int]) -> None:
    assert sum(pool_amounts(total, shared)) == total


@given(uint64, weights)
def test_a_pool_amount_is_within_a_unit_of_its_exact_share(total: int, shared: list[int]) -> None:
    whole = sum(shared)
    for weight, amount in zip(shared, pool_amounts(total, shared), strict=True):
        assert abs(amount * whole - total * weight) < whole


@given(uint64, weights, st.data())
def test_rows_before_a_mark_share_exactly_up_to_the_mark(
    total: int, shared: list[int], data: Any
) -> None:
    count = data.draw(st.integers(min_value=0, max_value=len(shared)))
    reached = total * sum(shared[:count]) // sum(shared)
    assert sum(pool_amounts(total, shared)[:count]) == reached


@given(row_lists(max_size=20), st.integers(min_value=0, max_value=10**12))
def test_whole_pool_reports_sum_to_their_total(rows: list[Row], total: int) -> None:
    terms = terms_with(*Tier, rates=[FREE] * len(Tier), flags=int(Flag.POOL))
    if rows:
        priced = price_rows(
            rows,
            pricing=Pricing.POOL,
            total=total,
            offer_of=lambda license_id, tier: Offer(terms=PeriodTerms(terms, terms), split_id=1),
        )
        assert sum(credit.amount for credit in priced.credits) == priced.total == total


FREE = {"trainingRun": 0, "generation": 0, "playback": 0, "grantFee": 0}


@given(
    st.lists(st.integers(min_value=1, max_value=10**12), min_size=1, max_size=20),
    st.integers(min_value=0, max_value=10**6),
)
def test_usage_divided_into_reports_costs_the_same_within_one_unit_a_row(
    parts: list[int], rate: int
) -> None:
    divided = sum(metered_amount(part, rate) for part in parts)
    assert 0 <= metered_amount(sum(parts), rate) - divided < len(parts)


@given(quantities, st.integers(min_value=0, max_value=PPM))
def test_more_usage_never_costs_less(quantity: int, rate: int) -> None:
    assert metered_amount(quantity, rate) >= metered_amount(quantity - 1, rate)


# ---- terms that change inside a period ------------------------------------------------------------------------------

CHEAP, DEAR = terms_with(*Tier, generation=10), terms_with(*Tier, generation=1_000)
CLOSED = terms_with(*Tier, generation=NOT_OFFERED)


@pytest.mark.parametrize(
    ("first", "last", "rate", "reserve"),
    [
        (CHEAP, CHEAP, 10, 10),
        (CHEAP, DEAR, 1_000, 1_000),
        (DEAR, CHEAP, 1_000, 1_000),
        (CHEAP, CLOSED, NOT_OFFERED, 10),
        (CLOSED, CHEAP, NOT_OFFERED, 10),
        (CLOSED, CLOSED, NOT_OFFERED, NOT_OFFERED),
    ],
)
def test_a_period_costs_the_dearer_of_its_terms(
    first: Terms, last: Terms, rate: int, reserve: int
) -> None:
    both = PeriodTerms(first, last)
    assert both.rate(Tier.VOICE, Metric.GENERATION) == rate
    assert both.reserve(Tier.VOICE, Metric.GENERATION) == reserve


def test_a_period_asks_for_what_either_of_its_terms_asks_and_pools_only_what_both_do() -> None:
    free, asks = terms_with(*Tier), terms_with(*Tier, flags=int(Flag.GRANT_REQUIRED))
    joins = terms_with(*Tier, flags=int(Flag.POOL))
    for both in (PeriodTerms(free, asks), PeriodTerms(asks, free), PeriodTerms(asks, asks)):
        assert both.has(Flag.GRANT_REQUIRED)
    assert not PeriodTerms(free, free).has(Flag.GRANT_REQUIRED)
    assert PeriodTerms(joins, joins).has(Flag.POOL)
    assert not PeriodTerms(joins, free).has(Flag.POOL)
    assert not PeriodTerms(free, joins).has(Flag.POOL)
    low = terms_with(*Tier, influenceCapBps=50)
    assert (
        PeriodTerms(free, low).influence_cap_bps == PeriodTerms(low, free).influence_cap_bps == 50
    )
