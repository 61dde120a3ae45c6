"""Periods: how long and how old they may be, and what they cost where terms change inside them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import NOT_OFFERED, Flag, Metric, Pricing, Tier
from obbligato.protocol.rows import pack_rows
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.contest import stream
from tests.contracts.licensing import priced
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    MODEL,
    PLATFORM_ADMIN,
    UNIT,
    DeployedProtocol,
    refused,
    row,
    terms,
)

YEAR = 365 * DAY
ADMIN = {"from": PLATFORM_ADMIN}
POOL, GRANT = int(Flag.POOL), int(Flag.GRANT_REQUIRED)


def generative(rate: int, *, fee: int = 0, flags: int = POOL) -> Terms:
    card = RateCard(training_run=0, generation=rate, playback=0, grant_fee=fee)
    return terms({Tier.GENERATIVE: card}, flags=flags)


@dataclass(frozen=True)
class Changed:
    """A licence whose terms changed at `turn`, ten days ago, and a platform with money."""

    license_id: int
    turn: int
    platform: int


def changed(protocol: DeployedProtocol, before: Terms, after: Terms) -> Changed:
    license_id = protocol.license(before)
    platform = protocol.platform(100_000 * DOLLAR)
    turn = int(protocol.registry.termEndOf(license_id))
    protocol.intern_terms(after)
    protocol.registry.amend(
        license_id, after.digest(), keccak(b"from next year on"), {"from": ARTIST}
    )
    next_at(turn + 10 * DAY)
    protocol.wait(1)
    return Changed(license_id, turn, platform)


def cost(protocol: DeployedProtocol, license_id: int, start: int, end: int) -> int:
    """What a million units cost in [start, end)."""
    return priced(protocol, pack_rows([row(license_id, 1_000_000 * UNIT)]), start, end)[1]


# ---- how long, how old ----------------------------------------------------------------------------------------------


def test_a_period_is_at_most_a_month(protocol: DeployedProtocol) -> None:
    license_id, platform = protocol.license(), protocol.platform()
    protocol.wait(40 * DAY)
    end = protocol.now()
    for rows in ([row(license_id, UNIT)], []):
        with refused("PeriodTooLong", end - 31 * DAY - 1, end, 31 * DAY):
            protocol.submit(protocol.report(platform, rows, start=end - 31 * DAY - 1, end=end))
    protocol.submit(
        protocol.report(platform, [row(license_id, UNIT)], start=end - 31 * DAY, end=end)
    )


def test_a_new_stream_and_a_further_part_reach_back_a_quarter_and_no_more(
    protocol: DeployedProtocol,
) -> None:
    license_id, platform = protocol.license(), protocol.platform()
    protocol.wait(200 * DAY)
    used = [row(license_id, UNIT)]
    now = next_at(protocol.now() + 60)
    oldest = now - 92 * DAY
    with refused("PeriodTooOld", oldest - 1, oldest):
        protocol.submit(protocol.report(platform, used, start=oldest - 1, end=oldest + DAY))
    next_at(now + 60)
    protocol.submit(protocol.report(platform, used, start=oldest + 60, end=oldest + 31 * DAY))
    now = next_at(now + 120)
    oldest = now - 92 * DAY
    with refused("PeriodTooOld", oldest - 1, oldest):
        protocol.submit(protocol.report(platform, used, start=oldest - 1, end=oldest + DAY))
    next_at(now + 60)
    protocol.submit(protocol.report(platform, used, start=oldest + 60, end=oldest + DAY))


def test_no_stream_begins_at_the_beginning_of_time(protocol: DeployedProtocol) -> None:
    platform = protocol.platform()
    with refused("PeriodTooOld"):
        protocol.submit(protocol.report(platform, [], start=0, end=1, total=0))


def test_a_platform_that_is_behind_catches_up_month_by_month(protocol: DeployedProtocol) -> None:
    license_id, platform = protocol.license(), protocol.platform()
    protocol.wait(31 * DAY)
    protocol.submit(protocol.report(platform, [row(license_id, UNIT)]))
    protocol.wait(2 * YEAR)
    for _ in range(3):
        start = stream(protocol, platform)[2]
        end = start + 31 * DAY
        protocol.submit(protocol.report(platform, [row(license_id, UNIT)], start=start, end=end))
        assert stream(protocol, platform)[2] == end
        # A further part of that month is as late as the month; one of any other is too old.
        protocol.submit(
            protocol.report(platform, [row(license_id, UNIT)], start=start + DAY, end=end)
        )
        with refused("PeriodTooOld"):
            protocol.submit(
                protocol.report(platform, [row(license_id, UNIT)], start=start, end=end - 1)
            )


# ---- the terms of its own time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(10, 1_000), (1_000, 10)])
def test_a_period_over_a_change_of_price_takes_the_dearer_one(
    protocol: DeployedProtocol, before: int, after: int
) -> None:
    """A million units at 10 are 10 dollars, at 1 000 a thousand; split at the turn, each its own."""
    case = changed(protocol, generative(before), generative(after))
    turn = case.turn
    assert cost(protocol, case.license_id, turn - DAY, turn) == before * DOLLAR
    assert cost(protocol, case.license_id, turn, turn + DAY) == after * DOLLAR
    for start, end in (
        (turn - 20 * DAY, turn + DAY),
        (turn - 1, turn + 10 * DAY),
        (turn - 1, turn + 1),
    ):
        assert cost(protocol, case.license_id, start, end) == 1_000 * DOLLAR
        assert protocol.registry.rateFor(case.license_id, 3, 2, start, end)[0] == 1_000


def test_no_choice_of_period_brings_the_old_price_back(protocol: DeployedProtocol) -> None:
    case = changed(protocol, generative(10), generative(1_000))
    protocol.wait(200 * DAY)
    used = row(case.license_id, 1_000_000 * UNIT)
    honest = protocol.report(case.platform, [used], start=protocol.now() - 30 * DAY)
    assert honest.header.total == 1_000 * DOLLAR
    long = protocol.report(case.platform, [used], start=case.turn - 1, model=keccak(b"fresh"))
    with refused("PeriodTooLong"):
        protocol.submit(long)
    old = protocol.report(case.platform, [used], start=case.turn - DAY, end=case.turn)
    assert old.header.total == 10 * DOLLAR
    with refused("PeriodTooOld"):
        protocol.submit(old)
    protocol.submit(honest)
    part = protocol.report(case.platform, [used], start=case.turn - DAY, end=case.turn)
    with refused("PeriodTooOld"):
        protocol.submit(part)


@pytest.mark.parametrize("closed_first", [True, False])
def test_what_one_of_the_two_does_not_offer_is_not_metered_across_the_change(
    protocol: DeployedProtocol, closed_first: bool
) -> None:
    offers = [generative(NOT_OFFERED), generative(10)]
    case = changed(protocol, *(offers if closed_first else offers[::-1]))
    packed = pack_rows([row(case.license_id, UNIT)])
    with refused("NotOffered", case.license_id, Tier.GENERATIVE, Metric.GENERATION):
        priced(protocol, packed, case.turn - 1, case.turn + 1)
    # A pool needs no price; its reserve is the one that there is: 10 for the unit.
    assert priced(protocol, packed, case.turn - 1, case.turn + 1, Pricing.POOL, 10)[1] == 10
    with refused("BelowReserve", case.license_id, Tier.GENERATIVE, Metric.GENERATION, 9, 10):
        priced(protocol, packed, case.turn - 1, case.turn + 1, Pricing.POOL, 9)
    # And a contested row is worth what was offered.
    assert protocol.registry.rateFor(case.license_id, 3, 2, case.turn - 1, case.turn + 1)[0] == 10


@pytest.mark.parametrize("joins_first", [True, False])
def test_a_pool_across_a_change_needs_the_flag_on_both_sides(
    protocol: DeployedProtocol, joins_first: bool
) -> None:
    offers = [generative(10), generative(10, flags=0)]
    case = changed(protocol, *(offers if joins_first else offers[::-1]))
    packed = pack_rows([row(case.license_id, UNIT)])
    inside = (case.turn - 2, case.turn) if joins_first else (case.turn, case.turn + 2)
    assert priced(protocol, packed, *inside, Pricing.POOL, 10)[1] == 10
    with refused("NotInPool", case.license_id, Tier.GENERATIVE, Metric.GENERATION):
        priced(protocol, packed, case.turn - 1, case.turn + 1, Pricing.POOL, 10)


@pytest.mark.parametrize("asks_first", [True, False])
def test_a_grant_asked_for_at_either_end_is_needed(
    protocol: DeployedProtocol, asks_first: bool
) -> None:
    offers = [generative(10, flags=GRANT), generative(10, flags=0)]
    case = changed(protocol, *(offers if asks_first else offers[::-1]))
    used = [row(case.license_id, UNIT)]
    across = protocol.report(case.platform, used, start=case.turn - DAY, end=case.turn + DAY)
    assert across.header.total == 10
    with refused("GrantMissing", case.license_id, Tier.GENERATIVE):
        protocol.submit(across)
    inside = (case.turn, case.turn + DAY) if asks_first else (case.turn - DAY, case.turn)
    protocol.submit(protocol.report(case.platform, used, start=inside[0], end=inside[1]))


def test_a_grant_bought_late_does_not_reach_back_further_than_a_month(
    protocol: DeployedProtocol,
) -> None:
    license_id = protocol.license(generative(10, fee=DOLLAR, flags=GRANT))
    platform = protocol.platform()
    protocol.fund_account(PLATFORM_ADMIN, DOLLAR)
    minted = protocol.now()
    protocol.wait(90 * DAY)
    protocol.grants.buy(platform, license_id, Tier.GENERATIVE, MODEL, DOLLAR, ADMIN)
    protocol.wait(10)
    used = [row(license_id, UNIT)]
    with refused("PeriodTooLong"):
        protocol.submit(protocol.report(platform, used, start=minted))
    with refused("GrantMissing", license_id, Tier.GENERATIVE):
        protocol.submit(protocol.report(platform, used, start=minted, end=minted + 31 * DAY))
    now = protocol.now()
    protocol.submit(protocol.report(platform, used, start=now - 31 * DAY, end=now))


def test_a_row_after_one_whose_terms_changed_is_priced_by_its_own(
    protocol: DeployedProtocol,
) -> None:
    """Two licences of the first terms, the later never amended: 1 000 for the one, 10 for the other."""
    before = generative(10)
    case = changed(protocol, before, generative(1_000))
    steady = protocol.license(before)
    protocol.wait(5 * DAY)
    now = protocol.now()
    late = [row(steady, UNIT)]
    assert priced(protocol, pack_rows(late), now - DAY, now)[1] == 10
    # The steady one must have been there at the turn as well.
    other = changed(protocol, before, generative(1_000))
    packed = pack_rows([row(case.license_id, UNIT), row(steady, UNIT), row(other.license_id, UNIT)])
    credits_, total, _ = priced(protocol, packed, other.turn - 1, other.turn + 1)
    assert [credit.amount for credit in credits_] == [1_000, 10, 1_000]
    assert total == 2_010
    reverse = changed(protocol, before, generative(1_000))
    first_mixed = pack_rows([row(other.license_id, UNIT), row(reverse.license_id, UNIT)])
    assert priced(protocol, first_mixed, reverse.turn - 1, reverse.turn + 1)[1] == 2_000
