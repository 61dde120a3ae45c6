"""A report is refused by naming its first bad row, and priced with the terms at the first moment of consent."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.licensing import licenses, packed_row, priced
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DEFAULT_CARD,
    LABEL,
    UNIT,
    DeployedProtocol,
    refused,
    row,
    split,
    terms,
)

START = 2_000_000_000
YEAR = 365 * DAY
OWNER = {"from": ARTIST}
GENERATIVE, GENERATION = int(Tier.GENERATIVE), int(Metric.GENERATION)


def generations(license_id: int, units: int = 1) -> bytes:
    """One packed row of generations by a generative model."""
    return packed_row(license_id, GENERATIVE, GENERATION, units * UNIT)


@pytest.fixture
def licence(protocol: DeployedProtocol) -> int:
    """TRAINING and GENERATIVE at the default prices, from START on."""
    next_at(START)
    return protocol.license(terms())


@pytest.fixture
def pair(protocol: DeployedProtocol) -> tuple[int, int]:
    first, second = licenses(protocol, [terms()] * 2, at=START)
    return first, second


def priced_at(
    protocol: DeployedProtocol, packed: bytes, start: int = START, end: int = START + 1
) -> int:
    return priced(protocol, packed, start, end)[1]


# ---- the report as a whole ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 13, 15, 27, 29])
def test_rows_are_whole(protocol: DeployedProtocol, licence: int, length: int) -> None:
    packed = (generations(licence) * 3)[:length]
    with refused("RowsMalformed", length):
        priced_at(protocol, packed)


def test_a_report_has_at_most_a_thousand_rows(protocol: DeployedProtocol) -> None:
    with refused("TooManyRows", 1_001, 1_000):
        priced_at(protocol, bytes(14 * 1_001))


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (2**64 - 1, 0)])
def test_a_period_ends_after_it_starts(protocol: DeployedProtocol, start: int, end: int) -> None:
    with refused("PeriodInvalid", start, end):
        priced_at(protocol, b"", start, end)


@pytest.mark.parametrize("pricing", [0, 3, 255])
def test_a_way_of_pricing_that_is_none_is_refused(protocol: DeployedProtocol, pricing: int) -> None:
    with refused("UnknownPricing", pricing):
        protocol.registry.price(b"", 5, 6, pricing, 0)


@pytest.mark.parametrize(
    "keys",
    [
        [(2, 3, 2), (1, 3, 2)],
        [(1, 3, 2), (1, 2, 2)],
        [(1, 3, 2), (1, 3, 1)],
        [(1, 2, 3), (1, 3, 1), (1, 3, 1)],
        [(1, 3, 2), (1, 3, 2)],
        [(1, 2, 1), (2, 2, 1), (1, 3, 1)],
    ],
    ids=["by licence", "by tier", "by metric", "a duplicate at the end", "twice", "back again"],
)
def test_rows_ascend_and_the_one_out_of_order_is_named(
    protocol: DeployedProtocol, pair: tuple[int, int], keys: list[tuple[int, int, int]]
) -> None:
    assert pair == (1, 2)
    packed = b"".join(packed_row(*key, UNIT) for key in keys)
    with refused("RowsNotAscending", *keys[-1]):
        priced_at(protocol, packed)
    with refused("RowsNotAscending", *keys[-1]):
        priced(protocol, packed, START, START + 1, Pricing.POOL, 10**9)


# ---- single rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "name", "named"),
    [
        ((3, 3, 2, UNIT), "UnknownLicense", (3,)),
        ((2**32 - 1, 3, 2, UNIT), "UnknownLicense", (2**32 - 1,)),
        ((2, 0, 2, UNIT), "UnknownTier", (2, 0)),
        ((2, 7, 2, UNIT), "UnknownTier", (2, 7)),
        ((2, 255, 2, UNIT), "UnknownTier", (2, 255)),
        ((2, 3, 0, UNIT), "UnknownMetric", (2, 3, 0)),
        ((2, 3, 4, UNIT), "UnknownMetric", (2, 3, 4)),
        ((2, 3, 255, UNIT), "UnknownMetric", (2, 3, 255)),
        ((2, 3, 2, 0), "QuantityZero", (2, 3, 2)),
        ((2, 1, 2, UNIT), "NoConsent", (2, 1, 2)),
        ((2, 6, 1, UNIT), "NoConsent", (2, 6, 1)),
    ],
)
@pytest.mark.parametrize("pricing", Pricing, ids=["metered", "pool"])
def test_a_row_that_nothing_prices_is_named(
    protocol: DeployedProtocol,
    pair: tuple[int, int],
    pricing: Pricing,
    bad: tuple[int, ...],
    name: str,
    named: tuple[int, ...],
) -> None:
    packed = generations(1) + packed_row(*bad)
    with refused(name, *named):
        priced(protocol, packed, START, START + 1, pricing, 10**9)
    # Alone it is refused as well: no pool of nothing divides by its weight.
    with refused(name, *named):
        priced(protocol, packed_row(*bad), START, START + 1, pricing, 10**9)


def test_the_licence_zero_is_none(protocol: DeployedProtocol) -> None:
    with refused("UnknownLicense", 0):
        priced_at(protocol, generations(0))
    with refused("RowsNotAscending", 0, 0, 0):
        priced_at(protocol, bytes(14))


def test_the_first_of_several_bad_rows_is_named(
    protocol: DeployedProtocol, pair: tuple[int, int]
) -> None:
    packed = generations(1) + packed_row(2, 1, 1, UNIT) + packed_row(2, 9, 9, 0)
    with refused("NoConsent", 2, 1, 1):
        priced_at(protocol, packed)


def test_what_the_meter_does_not_offer_is_named(protocol: DeployedProtocol) -> None:
    card = RateCard(training_run=5, generation=NOT_OFFERED, playback=5, grant_fee=0)
    _, second = licenses(protocol, [terms(), terms({Tier.GENERATIVE: card})], at=START)
    with refused("NotOffered", second, GENERATIVE, GENERATION):
        priced_at(protocol, generations(1) + generations(second))
    # In a pool it only sets no reserve.
    assert priced(protocol, generations(second), START, START + 1, Pricing.POOL, 0)[1] == 0


def test_a_licence_that_joins_no_pool_is_named(protocol: DeployedProtocol) -> None:
    _, second = licenses(protocol, [terms(), terms(flags=0)], at=START)
    with refused("NotInPool", second, GENERATIVE, GENERATION):
        priced(
            protocol, generations(1) + generations(second), START, START + 1, Pricing.POOL, 10**9
        )


def test_a_price_that_does_not_fit_is_named(protocol: DeployedProtocol) -> None:
    card = RateCard(training_run=2**63, generation=2**63 - 1, playback=2**64 - 2, grant_fee=0)
    first, second = licenses(protocol, [terms({Tier.GENERATIVE: card})] * 2, at=START)
    with refused("AmountTooLarge", first, GENERATIVE, int(Metric.TRAINING_RUN)):
        priced_at(protocol, packed_row(first, GENERATIVE, 1, 2 * UNIT))
    # 2^63 - 1 and 2^63 make 2^64 - 1, which fits; one more does not.
    fits = packed_row(first, GENERATIVE, 2, UNIT) + packed_row(second, GENERATIVE, 1, UNIT)
    assert priced_at(protocol, fits) == 2**64 - 1
    over = packed_row(first, GENERATIVE, 1, UNIT) + packed_row(second, GENERATIVE, 1, UNIT)
    with refused("AmountTooLarge", second, GENERATIVE, int(Metric.TRAINING_RUN)):
        priced_at(protocol, over)
    with refused("AmountTooLarge", first, GENERATIVE, int(Metric.PLAYBACK)):
        priced_at(protocol, packed_row(first, GENERATIVE, 3, 2**64 - 1))


def test_the_oracle_refuses_the_whole_report_by_naming_the_row(protocol: DeployedProtocol) -> None:
    license_id = protocol.license()
    platform = protocol.platform()
    protocol.wait(DAY)
    report = protocol.report(platform, [row(license_id, UNIT, Tier.VOICE)], total=0)
    with refused("NoConsent", license_id, int(Tier.VOICE), GENERATION):
        protocol.submit(report)
    assert protocol.oracle.streamOf(platform, report.header.model_id)["sequence"] == 0


# ---- the first moment of consent ------------------------------------------------------------------------------------

DEARER = terms(
    dict.fromkeys(
        (Tier.TRAINING, Tier.GENERATIVE),
        RateCard(training_run=0, generation=7_000, playback=0, grant_fee=0),
    )
)


def amend(protocol: DeployedProtocol, license_id: int, offer: Terms, at: int) -> Any:
    protocol.intern_terms(offer)
    next_at(at)
    return protocol.registry.amend(license_id, offer.digest(), keccak(b"new %d" % at), OWNER)


def test_use_is_priced_from_the_second_of_the_mint(
    protocol: DeployedProtocol, licence: int
) -> None:
    assert priced_at(protocol, generations(licence), START, START + 1) == 1_000
    assert priced_at(protocol, generations(licence), START - DAY, START + 1) == 1_000
    with refused("NoConsent", licence, GENERATIVE, GENERATION):
        priced_at(protocol, generations(licence), START - DAY, START)


def test_a_price_that_rises_in_a_period_is_the_price_of_all_of_it(
    protocol: DeployedProtocol, licence: int
) -> None:
    amend(protocol, licence, DEARER, START + DAY)
    turn = START + YEAR
    rows = generations(licence)
    assert priced_at(protocol, rows, turn - DAY, turn) == 1_000
    assert priced_at(protocol, rows, turn - DAY, turn + DAY) == 7_000
    assert priced_at(protocol, rows, turn - 1, turn + DAY) == 7_000
    assert priced_at(protocol, rows, turn, turn + DAY) == 7_000
    # The same once the amendment has been written into its place.
    amend(protocol, licence, terms(), turn + 5 * DAY)
    assert priced_at(protocol, rows, turn - 1, turn + DAY) == 7_000
    assert priced_at(protocol, rows, turn, turn + DAY) == 7_000


def test_a_tier_added_in_a_period_is_priced_from_then_on(
    protocol: DeployedProtocol, licence: int
) -> None:
    card = DEFAULT_CARD.model_copy(update={"generation": 50})
    more = terms({Tier.TRAINING: DEFAULT_CARD, Tier.GENERATIVE: DEFAULT_CARD, Tier.VOICE: card})
    turn = START + 10 * DAY
    amend(protocol, licence, more, turn)
    voice = packed_row(licence, Tier.VOICE, GENERATION, UNIT)
    assert priced_at(protocol, voice, START, START + 30 * DAY) == 50
    assert priced_at(protocol, voice, turn, turn + 1) == 50
    with refused("NoConsent", licence, int(Tier.VOICE), GENERATION):
        priced_at(protocol, voice, START, turn)
    # What was offered before is priced with the terms it began with; they agree.
    assert priced_at(protocol, generations(licence), START, START + 30 * DAY) == 1_000


def test_use_is_paid_up_to_the_last_second_of_consent(
    protocol: DeployedProtocol, licence: int
) -> None:
    next_at(START + DAY)
    protocol.registry.revoke(licence, OWNER)
    end = START + YEAR
    rows = generations(licence)
    assert priced_at(protocol, rows, end - 1, end) == 1_000
    assert priced_at(protocol, rows, end - 1, end + DAY) == 1_000
    for start in (end, end + 1, end + YEAR):
        with refused("NoConsent", licence, GENERATIVE, GENERATION):
            priced_at(protocol, rows, start, start + DAY)


def test_a_tier_taken_away_is_priced_until_then(protocol: DeployedProtocol, licence: int) -> None:
    amend(protocol, licence, terms({Tier.TRAINING: DEFAULT_CARD}), START + DAY)
    turn = START + YEAR
    assert priced_at(protocol, generations(licence), turn - 1, turn + DAY) == 1_000
    with refused("NoConsent", licence, GENERATIVE, GENERATION):
        priced_at(protocol, generations(licence), turn, turn + DAY)
    training = packed_row(licence, Tier.TRAINING, GENERATION, UNIT)
    assert priced_at(protocol, training, turn - 1, turn + DAY) == 1_000


def test_a_tier_that_goes_and_comes_back_takes_the_dearer_of_both_times(
    protocol: DeployedProtocol, licence: int
) -> None:
    away = START + YEAR
    back = away + YEAR
    amend(protocol, licence, terms({Tier.TRAINING: DEFAULT_CARD}), START + DAY)
    amend(protocol, licence, DEARER, away + DAY)
    amend(protocol, licence, terms(cap=1), back + DAY)
    rows = generations(licence)
    assert priced_at(protocol, rows, away - 1, back) == 1_000
    assert priced_at(protocol, rows, away - 1, back + DAY) == 7_000
    with refused("NoConsent", licence, GENERATIVE, GENERATION):
        priced_at(protocol, rows, away, back)
    assert priced_at(protocol, rows, away, back + 1) == 7_000
    # The last version has not begun: it prices what comes then.
    assert priced_at(protocol, rows, back + YEAR, back + YEAR + DAY) == 1_000


def test_a_voided_licence_is_paid_for_the_use_before(
    protocol: DeployedProtocol, licence: int
) -> None:
    protocol.fund_account(LABEL, protocol.parameters.minimum_challenge_bond)
    claim = protocol.disputes.claimRecording(licence, keccak(b"evidence"), {"from": LABEL})
    arbiter = {"from": protocol.disputes.arbiter()}
    next_at(START + 5 * DAY)
    protocol.disputes.ruleRecording(claim.return_value, True, arbiter)
    assert priced_at(protocol, generations(licence), START + 5 * DAY - 1, START + 9 * DAY) == 1_000
    with refused("NoConsent", licence, GENERATIVE, GENERATION):
        priced_at(protocol, generations(licence), START + 5 * DAY, START + 9 * DAY)


def test_a_row_priced_as_the_one_before_has_a_history_of_its_own(
    protocol: DeployedProtocol,
) -> None:
    # Five licences with the same terms now. Only the first has them all through the period that is asked for.
    offer = terms()
    turn = START + YEAR
    first, dearer, ended, late = licenses(protocol, [offer, DEARER, offer, offer], at=START)
    protocol.intern_terms(DEARER)
    next_at(START + DAY)
    protocol.registry.amend(dearer, offer.digest(), keccak(b"cheaper"), OWNER)
    next_at(START + 2 * DAY)
    protocol.registry.revoke(ended, OWNER)
    amend(protocol, late, DEARER, START + 3 * DAY)
    next_at(turn + DAY)
    protocol.registry.amend(dearer, offer.digest(), keccak(b"folded"), OWNER)
    young = licenses(protocol, [offer], at=turn + 2 * DAY)[0]

    def cost(license_id: int, start: int, end: int) -> int:
        rows = generations(first) + generations(license_id)
        return priced_at(protocol, rows, start, end) - 1_000

    def not_consented(license_id: int, start: int, end: int) -> None:
        with refused("NoConsent", license_id, GENERATIVE, GENERATION):
            cost(license_id, start, end)

    assert cost(dearer, turn - 1, turn + 1) == 7_000
    assert cost(dearer, turn, turn + 1) == 1_000
    assert cost(ended, turn - 1, turn + 1) == 1_000
    not_consented(ended, turn, turn + 1)
    assert cost(late, turn - 1, turn) == 1_000
    assert cost(late, turn - 1, turn + 1) == 7_000
    assert cost(late, turn, turn + 1) == 7_000
    assert cost(young, turn, turn + 2 * DAY + 1) == 1_000
    not_consented(young, turn, turn + 2 * DAY)
    # A row of nothing is refused even where all else is as in the row before.
    with refused("QuantityZero", young, GENERATIVE, GENERATION):
        priced_at(
            protocol,
            generations(first) + packed_row(young, GENERATIVE, GENERATION, 0),
            turn + 2 * DAY,
            turn + 3 * DAY,
        )


# ---- one rate -------------------------------------------------------------------------------------------------------


def test_the_rate_of_a_row_is_told_with_its_flags_and_split(protocol: DeployedProtocol) -> None:
    card = RateCard(training_run=11, generation=NOT_OFFERED, playback=13, grant_fee=17)
    pays = split((LABEL, 1_000_000))
    flags = int(Flag.POOL | Flag.COMMERCIAL)
    next_at(START)
    license_id = protocol.license(terms({Tier.STYLE: card}, flags=flags), pays)
    split_id = protocol.split_id(pays)
    for metric, rate in zip(Metric, (11, NOT_OFFERED, 13), strict=True):
        found = protocol.registry.rateFor(license_id, Tier.STYLE, metric, START, START + 1)
        assert found == (rate, flags, split_id)
    for arguments, name in (
        ((license_id, Tier.VOICE, 1, START, START + 1), "NoConsent"),
        ((license_id, Tier.STYLE, 1, START - 1, START), "NoConsent"),
        ((license_id, Tier.STYLE, 1, START, START), "NoConsent"),
        ((license_id, Tier.STYLE, 0, START, START + 1), "UnknownMetric"),
        ((license_id, 7, 1, START, START + 1), "UnknownTier"),
        ((license_id + 1, 1, 1, START, START + 1), "UnknownLicense"),
    ):
        with refused(name):
            protocol.registry.rateFor(*arguments)
