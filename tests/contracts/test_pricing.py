"""What rows cost and whom they credit: worked by hand, and against the Python model on random reports."""

from __future__ import annotations

import random

import pytest

from obbligato.errors import RefusedError
from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.pricing import Offer, price_rows
from obbligato.protocol.rows import Credit, Row, pack_rows
from obbligato.protocol.terms import PeriodTerms, RateCard, Terms
from tests.contracts.licensing import licenses, packed_row, priced
from tests.contracts.moments import ask_all
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DEFAULT_CARD,
    LABEL,
    PRODUCER,
    UNIT,
    DeployedProtocol,
    Refusal,
    refused,
    row,
    split,
    terms,
)

START = 2_000_000_000
PERIOD = (START + DAY, START + 2 * DAY)
MANY = 56
"""Licences of the large reports: six tiers and three metrics of each are a thousand rows."""


def random_card(dice: random.Random) -> RateCard:
    rates = [0, 1, 999, 1_000, 12_345, 2_000_000]
    weights = [2, 2, 3, 3, 3, 3]
    return RateCard(
        training_run=dice.choices(rates, weights)[0],
        generation=dice.choices(rates, weights)[0],
        playback=dice.choices([*rates, NOT_OFFERED], [*weights, 1])[0],
        grant_fee=0,
    )


@pytest.fixture(scope="module")
def catalogue(protocol: DeployedProtocol) -> dict[int, tuple[Terms, int]]:
    """(terms, splitId) of many licences of random terms, paying one of three splits, by id."""
    dice = random.Random(1)
    offers = []
    for _ in range(9):
        tiers = dice.sample(list(Tier), dice.choice([3, 5, 6, 6]))
        flags = int(dice.choice([Flag.POOL, Flag.POOL, Flag.POOL | Flag.GRANT_REQUIRED, Flag(0)]))
        offers.append(terms({tier: random_card(dice) for tier in tiers}, flags=flags))
    # One price list without holes, so that a thousand rows can be priced.
    offers.append(terms(dict.fromkeys(Tier, DEFAULT_CARD), flags=int(Flag.POOL)))
    found = {}
    three = [
        split((ARTIST, 1_000_000)),
        split((LABEL, 1_000_000)),
        split((ARTIST, 1), (PRODUCER, 999_999)),
    ]
    for number, pays in enumerate(three):
        chosen = [dice.choice(offers) for _ in range(10)]
        minted = licenses(protocol, chosen, pays, at=START + 1_000 * number)
        for license_id, offer in zip(minted, chosen, strict=True):
            found[license_id] = (offer, protocol.split_id(pays))
    return found


@pytest.fixture(scope="module")
def whole(protocol: DeployedProtocol) -> list[int]:
    """Licences that offer every tier at the default prices."""
    return licenses(protocol, [terms(dict.fromkeys(Tier, DEFAULT_CARD))] * MANY)


# ---- metered --------------------------------------------------------------------------------------------------------


def test_the_meter_charges_each_metric_its_rate_and_rounds_each_row_down(
    protocol: DeployedProtocol,
) -> None:
    pays, other = split((ARTIST, 1_000_000)), split((LABEL, 1_000_000))
    (first,), (second,) = licenses(protocol, [terms()], pays), licenses(protocol, [terms()], other)
    now = protocol.now()
    rows = [
        # 1.5 runs at 2 dollars are 3 dollars.
        Row(first, Tier.TRAINING, Metric.TRAINING_RUN, 1_500_000),
        # 12 345.678901 generations at 1 000: 12 345 678.901, rounded down.
        Row(first, Tier.GENERATIVE, Metric.GENERATION, 12_345_678_901),
        # 0.001999 playbacks at 500: 0.9995 is nothing.
        Row(second, Tier.TRAINING, Metric.PLAYBACK, 1_999),
        # 0.002 playbacks at 500 are one.
        Row(second, Tier.GENERATIVE, Metric.PLAYBACK, 2_000),
    ]
    credits_, total, granted = priced(protocol, pack_rows(rows), now, now + 1)
    mine, theirs = protocol.split_id(pays), protocol.split_id(other)
    assert credits_ == [
        Credit(mine, 3_000_000),
        Credit(mine, 12_345_678),
        Credit(theirs, 0),
        Credit(theirs, 1),
    ]
    assert total == 15_345_679
    assert granted == (0, 0, 0, 0)


def test_the_meter_ignores_the_total_and_a_free_rate_costs_nothing(
    protocol: DeployedProtocol,
) -> None:
    free = RateCard(training_run=0, generation=0, playback=0, grant_fee=0)
    (license_id,) = licenses(protocol, [terms({Tier.VOICE: free})])
    packed = packed_row(license_id, Tier.VOICE, Metric.GENERATION, 2**64 - 1)
    now = protocol.now()
    for ignored in (0, 1, 2**64 - 1):
        assert priced(protocol, packed, now, now + 1, total=ignored)[1] == 0


def test_no_rows_cost_nothing(protocol: DeployedProtocol) -> None:
    for pricing in Pricing:
        assert priced(protocol, b"", 5, 6, pricing, 0) == ([], 0, (0, 0, 0, 0))


# ---- pools ----------------------------------------------------------------------------------------------------------


def test_a_pool_is_shared_by_quantity_and_weight_of_tier(protocol: DeployedProtocol) -> None:
    nothing = RateCard(
        training_run=NOT_OFFERED, generation=NOT_OFFERED, playback=NOT_OFFERED, grant_fee=0
    )
    (license_id,) = licenses(protocol, [terms(dict.fromkeys(Tier, nothing))])
    rows = [
        Row(license_id, Tier.ANALYSIS, Metric.GENERATION, 3 * UNIT),
        Row(license_id, Tier.GENERATIVE, Metric.GENERATION, UNIT),
        Row(license_id, Tier.VOICE, Metric.PLAYBACK, UNIT // 2),
    ]
    # Weights 3, 4, 5 of 12 millions. Of 100: floor(25) = 25, floor(58.3) = 58, 100.
    now = protocol.now()
    credits_, total, _ = priced(protocol, pack_rows(rows), now, now + 1, Pricing.POOL, 100)
    assert [credit.amount for credit in credits_] == [25, 33, 42]
    assert total == 100


def test_the_registry_says_by_which_formula_it_shares(protocol: DeployedProtocol) -> None:
    assert protocol.registry.formulaVersion() == 1
    weights = [protocol.registry.tierWeightOf(tier) for tier in (0, 1, 2, 3, 4, 5, 6, 7, 255)]
    assert weights == [0, 1, 2, 4, 6, 8, 10, 0, 0]


def test_the_reserve_price_of_a_pool_is_the_metered_price(protocol: DeployedProtocol) -> None:
    (license_id,) = licenses(protocol, [terms()])
    rows = pack_rows([row(license_id, 2 * UNIT)])
    now = protocol.now()
    # Two generations at 1 000.
    assert priced(protocol, rows, now, now + 1, Pricing.POOL, 2_000)[1] == 2_000
    with refused("BelowReserve", license_id, Tier.GENERATIVE, Metric.GENERATION, 1_999, 2_000):
        priced(protocol, rows, now, now + 1, Pricing.POOL, 1_999)
    with refused("BelowReserve", license_id, Tier.GENERATIVE, Metric.GENERATION, 0, 2_000):
        priced(protocol, rows, now, now + 1, Pricing.POOL, 0)


def test_a_pool_of_one_unit_for_licences_with_prices_is_refused(protocol: DeployedProtocol) -> None:
    ids = licenses(protocol, [terms()] * 3)
    now = protocol.now()
    rows = pack_rows([row(license_id, UNIT) for license_id in ids])
    with refused("BelowReserve", ids[0], Tier.GENERATIVE, Metric.GENERATION, 0, 1_000):
        priced(protocol, rows, now, now + 1, Pricing.POOL, 1)


def test_sybil_rows_push_no_honest_row_below_its_reserve(protocol: DeployedProtocol) -> None:
    free = RateCard(training_run=0, generation=0, playback=0, grant_fee=0)
    honest, sybil = licenses(protocol, [terms(), terms({Tier.VOICE: free})])
    fair = row(honest, UNIT)
    drowning = Row(sybil, Tier.VOICE, Metric.PLAYBACK, 10**9 * UNIT)
    now = protocol.now()
    with refused("BelowReserve", honest, Tier.GENERATIVE, Metric.GENERATION, 0, 1_000):
        priced(protocol, pack_rows([fair, drowning]), now, now + 1, Pricing.POOL, 1_000_000)


# ---- against the model ----------------------------------------------------------------------------------------------


def random_rows(
    dice: random.Random, catalogue: dict[int, tuple[Terms, int]], *, wild: float
) -> list[Row]:
    """Rows of a report; about `wild` of them of a tier picked without looking at the terms."""
    keys = set()
    for license_id in dice.sample(list(catalogue), dice.randint(1, len(catalogue))):
        offer = catalogue[license_id][0]
        offered = [tier for tier in Tier if offer.offers(tier)]
        for _ in range(dice.choice([1, 1, 2, 4])):
            tier = dice.choice(list(Tier) if dice.random() < wild else offered)
            metrics = (
                list(Metric) if dice.random() < wild else [Metric.TRAINING_RUN, Metric.GENERATION]
            )
            keys.add((license_id, tier, dice.choice(metrics)))
    largest = dice.choice([10, 10**7, 10**12])
    return [Row(*key, dice.randint(1, largest)) for key in sorted(keys)]


@pytest.mark.parametrize("pricing", Pricing, ids=["metered", "pool"])
def test_random_reports_are_priced_or_refused_as_in_the_model(
    protocol: DeployedProtocol, catalogue: dict[int, tuple[Terms, int]], pricing: Pricing
) -> None:
    dice = random.Random(int(pricing))
    offers = {
        (license_id, tier): Offer(terms=PeriodTerms(offer, offer), split_id=split_id, granted=True)
        for license_id, (offer, split_id) in catalogue.items()
        for tier in Tier
    }
    reports, wanted = [], []
    for number in range(80):
        rows = random_rows(dice, catalogue, wild=0.02 * (number % 2))
        total = dice.choice([0, 10**6, 10**12, 2**64 - 1]) if pricing is Pricing.POOL else None
        if pricing is Pricing.POOL and number % 3:
            pooled = Flag.POOL
            rows = [one for one in rows if catalogue[one.license_id][0].has(pooled)] or rows
        reports.append((pack_rows(rows), *PERIOD, int(pricing), total or 0))
        try:
            found = price_rows(rows, pricing=pricing, offer_of=offers, total=total)
        except RefusedError as error:
            wanted.append(rows[error.row or 0].key)
            continue
        bits = [catalogue[one.license_id][0].has(Flag.GRANT_REQUIRED) for one in rows]
        words = sum(1 << index for index, bit in enumerate(bits) if bit)
        wanted.append((list(found.credits), found.total, words))

    answers = ask_all([(protocol.registry.price, report) for report in reports])
    taken = 0
    for number, (answer, expected) in enumerate(zip(answers, wanted, strict=True)):
        if isinstance(answer, Refusal):
            assert answer.arguments[:3] == expected, number
            continue
        credits_, total, granted = expected
        assert bytes(answer[0]) == b"".join(
            credit.split_id.to_bytes(4, "big") + credit.amount.to_bytes(8, "big")
            for credit in credits_
        ), number
        assert answer[1] == total
        assert sum(int(word) << 256 * index for index, word in enumerate(answer[2])) == granted
        taken += 1
    assert 15 < taken < 80  # both kinds were tried


def test_a_thousand_rows_are_priced_and_one_more_is_refused(
    protocol: DeployedProtocol, whole: list[int]
) -> None:
    dice = random.Random(1_000)
    keys = [(one, tier, metric) for one in whole for tier in Tier for metric in Metric]
    rows = [Row(*key, dice.randint(1, 10**9)) for key in keys[:1_000]]
    split_id = protocol.split_id(split((ARTIST, 1_000_000)))
    default = terms(dict.fromkeys(Tier, DEFAULT_CARD))
    offer = Offer(terms=PeriodTerms(default, default), split_id=split_id)
    expected = price_rows(rows, pricing=Pricing.METERED, offer_of=lambda *_: offer)
    now = protocol.now()
    credits_, total, _ = priced(protocol, pack_rows(rows), now, now + 1)
    assert tuple(credits_) == expected.credits
    assert total == expected.total
    one_more = pack_rows(rows) + packed_row(*keys[1_000], 1)
    with refused("TooManyRows", 1_001, 1_000):
        priced(protocol, one_more, now, now + 1)


def test_rows_that_need_a_grant_are_marked_wherever_they_stand(
    protocol: DeployedProtocol, whole: list[int]
) -> None:
    asking = terms(dict.fromkeys(Tier, DEFAULT_CARD), flags=int(Flag.GRANT_REQUIRED))
    (last,) = licenses(protocol, [asking])
    keys = [(one, tier, metric) for one in whole for tier in Tier for metric in Metric][:998]
    rows = [Row(*key, 1) for key in keys]
    rows += [Row(last, Tier.VOICE, metric, 1) for metric in (Metric.GENERATION, Metric.PLAYBACK)]
    now = protocol.now()
    *_, granted = priced(protocol, pack_rows(rows), now, now + 1)
    # Rows 998 and 999 of word 3, which begins with row 768.
    assert granted == (0, 0, 0, 0b11 << 230)
    *_, granted = priced(protocol, pack_rows(rows[-2:]), now, now + 1)
    assert granted == (0b11, 0, 0, 0)
    *_, granted = priced(protocol, pack_rows([*rows[:255], *rows[-2:]]), now, now + 1)
    assert granted == (1 << 255, 1, 0, 0)
