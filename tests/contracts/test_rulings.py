"""Rulings: where every unit goes."""

from __future__ import annotations

import pytest

from obbligato.rules.rulings import ContestedRow, MeteredPrice, PoolPrice, Winner, rule
from obbligato.words import Pricing, Tier
from tests.contracts.contest import (
    DEAD,
    MINIMUM,
    RULED,
    challenge,
    challenge_of,
    check_books,
    escrow,
)
from tests.contracts.house import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    PLATFORM_ADMIN,
    PRODUCER,
    RELAY,
    STRANGER,
    UNIT,
    House,
    RateCard,
    Report,
    refused,
    row,
    split,
    terms,
)

WINDOW, ARBITRATION, CLAIM_PERIOD = 7 * DAY, 14 * DAY, 180 * DAY
JUDGE = {"from": ARBITER}
REPORTED = 100_001 * UNIT
CREDITED = 100_001_000
"""A hundred dollars and a thousandth, so that halves and tenths are odd."""
HAS = 1_000 * DOLLAR


@pytest.fixture(scope="module")
def licenses(house: House) -> list[int]:
    """Three pooled licences of three artists."""
    return [
        house.license(pays=split((owner, 1_000_000)), owner=owner)
        for owner in (ARTIST, LABEL, PRODUCER)
    ]


@pytest.fixture(scope="module")
def platform(house: House, licenses: list[int]) -> int:
    made = house.platform(HAS)
    house.fund_account(STRANGER, HAS)
    house.wait(30 * DAY)
    return made


@pytest.fixture
def report(house: House, platform: int, licenses: list[int]) -> Report:
    """The contested row and one that nobody contests."""
    made = house.report(platform, [row(licenses[0], REPORTED), row(licenses[1], 7 * UNIT)])
    house.submit(made)
    return made


def received(house: House, license_id: int) -> int:
    return int(house.vault.receivedOf(house.registry.licenseOf(license_id)[6]))


# ---- who gets what ------------------------------------------------------------------------------------------------

# claimed, ruled, who was nearer
REDUCTIONS = [
    (0, 0, Winner.CHALLENGER),
    (0, REPORTED, Winner.PLATFORM),
    (0, REPORTED // 2, Winner.DRAW),
    (0, REPORTED // 2 - 1, Winner.CHALLENGER),
    (0, REPORTED // 2 + 1, Winner.PLATFORM),
    (60_000 * UNIT, 60_000 * UNIT, Winner.CHALLENGER),
    (60_000 * UNIT, 12_345_678, Winner.CHALLENGER),  # below what was claimed, down to nothing
    (REPORTED - 1, REPORTED - 1, Winner.CHALLENGER),
]
INCREASES = [
    (REPORTED + 300_000 * UNIT, REPORTED + 300_000 * UNIT, Winner.CHALLENGER),
    (REPORTED + 300_000 * UNIT, REPORTED, Winner.PLATFORM),
    (REPORTED + 300_000 * UNIT, REPORTED + 150_000 * UNIT, Winner.DRAW),
    (REPORTED + 300_000 * UNIT, REPORTED + 150_000 * UNIT + 1, Winner.CHALLENGER),
    (REPORTED + 300_000 * UNIT, REPORTED + 149_999_999_999, Winner.PLATFORM),
    (REPORTED + 1, REPORTED + 1, Winner.CHALLENGER),
]


@pytest.mark.parametrize(("claimed", "ruled", "winner"), REDUCTIONS + INCREASES)
def test_every_unit_goes_where_the_rules_say(
    house: House,
    platform: int,
    licenses: list[int],
    report: Report,
    claimed: int,
    ruled: int,
    winner: Winner,
) -> None:
    had = escrow(house, platform).available
    made = challenge(house, report, licenses[0], claimed, by=STRANGER)
    bond = challenge_of(house, made).bond
    contested = ContestedRow(reported=REPORTED, credited=CREDITED, price=MeteredPrice(1_000))
    expected = rule(contested, claimed=claimed, ruled=ruled, bond_units=bond)
    assert expected.winner is winner

    tx = house.disputes.rule(made, ruled, JUDGE)

    event = tx.events["Ruled"]
    assert event["quantity"] == ruled
    assert (event["arrears"], event["challengerWon"]) == (0, winner is Winner.CHALLENGER)
    assert challenge_of(house, made).state == RULED
    assert event["paid"] == expected.to_split + expected.owed
    assert received(house, licenses[0]) == expected.to_split + expected.owed
    assert house.vault.refundOf(STRANGER) == expected.to_challenger
    assert house.vault.refundOf(DEAD) == expected.burned
    assert escrow(house, platform).available == (
        had
        + expected.to_platform
        + expected.stake_to_platform
        - expected.owed
        - expected.platform_stake
    )
    assert house.vault.reservedOf(house.disputes, platform) == house.vault.challengeBonds() == 0

    # The other row and the rest of the report are as if nothing had happened.
    house.pass_window()
    reduces = claimed < REPORTED
    credited = house.settle(report).events["ReportSettled"]["credited"]
    assert credited == 7_000 + (0 if reduces else CREDITED)
    assert received(house, licenses[0]) == contested.value(ruled)
    assert received(house, licenses[1]) == 7_000
    check_books(house)


def test_what_is_burnt_waits_where_nobody_can_use_it_and_anyone_may_send_it_there(
    house: House, licenses: list[int], report: Report
) -> None:
    made = challenge(house, report, licenses[0], 0, by=STRANGER)
    bond = challenge_of(house, made).bond
    assert bond == 10_000_100
    house.disputes.rule(made, REPORTED, JUDGE)
    assert house.vault.claim(DEAD, [], {"from": RELAY}).return_value == 5_000_050
    assert house.token.balanceOf(DEAD) == 5_000_050
    check_books(house)


def test_an_omitted_row_is_paid_from_the_first_unit(
    house: House, platform: int, licenses: list[int], report: Report
) -> None:
    made = challenge(house, report, licenses[2], 50_000 * UNIT, by=STRANGER)
    house.disputes.rule(made, 30_000 * UNIT, JUDGE)
    # Nearer to fifty thousand than to none: thirty dollars, and the minimum bond twice over.
    assert received(house, licenses[2]) == 30 * DOLLAR
    assert house.vault.refundOf(STRANGER) == MINIMUM + MINIMUM // 2
    assert house.vault.refundOf(DEAD) == MINIMUM // 2
    assert escrow(house, platform).available == HAS - CREDITED - 7_000 - 30 * DOLLAR - MINIMUM


def test_a_pool_pays_a_ruled_row_by_its_weight_and_moves_no_other(
    house: House, platform: int, licenses: list[int]
) -> None:
    # 20 units over three equal rows: 6, 7 and 7, since 20/3 and 40/3 are rounded down as marks. A row by itself is 6.
    tiny = [row(one, 1_000, Tier.TRAINING) for one in licenses]
    report = house.report(platform, tiny, pricing=Pricing.POOL, total=20)
    house.submit(report)
    contested = ContestedRow(reported=1_000, credited=7, price=PoolPrice(20, 6_000, Tier.TRAINING))
    made = challenge(house, report, licenses[1], 1_100, by=STRANGER, tier=Tier.TRAINING)
    # 1 100 are worth 7.33, no more than the row has.
    assert rule(contested, claimed=1_100, ruled=1_100, bond_units=MINIMUM).owed == 0
    house.disputes.rule(made, 1_100, JUDGE)
    assert received(house, licenses[1]) == 0
    again = challenge(house, report, licenses[1], 1_200, by=STRANGER, tier=Tier.TRAINING)
    house.disputes.rule(again, 1_200, JUDGE)
    assert received(house, licenses[1]) == 1
    house.pass_window()
    house.settle(report)
    assert [received(house, one) for one in licenses] == [6, 8, 7]
    check_books(house)


def test_a_pool_row_ruled_just_below_what_was_reported_keeps_what_rounding_gave(
    house: House, platform: int, licenses: list[int]
) -> None:
    tiny = [row(one, 1_000, Tier.TRAINING) for one in licenses]
    report = house.report(platform, tiny, pricing=Pricing.POOL, total=20)
    house.submit(report)
    made = challenge(house, report, licenses[1], 0, by=STRANGER, tier=Tier.TRAINING)
    house.disputes.rule(made, 999, JUDGE)
    # 6.66 by weight; the seventh unit was rounding's.
    assert received(house, licenses[1]) == 6
    house.pass_window()
    house.settle(report)
    assert [received(house, one) for one in licenses] == [6, 6, 7]
    check_books(house)


def test_the_smallest_pool_cannot_buy_rows_that_have_a_price(
    house: House, platform: int, licenses: list[int]
) -> None:
    rows = [row(licenses[0], UNIT), row(licenses[1], UNIT)]
    with refused("BelowReserve", licenses[0], Tier.GENERATIVE, 2, 0, 1_000):
        house.submit(house.report(platform, rows, pricing=Pricing.POOL, total=1))
    # A row of the platform's own that weighs a thousand times as much pushes no honest row below its reserve.
    sybil = house.license(
        terms({Tier.GENERATIVE: RateCard(training_run=0, generation=0, playback=0, grant_fee=0)}),
        split((PLATFORM_ADMIN, 1_000_000)),
        owner=PLATFORM_ADMIN,
    )
    house.wait(60)
    with refused("BelowReserve", licenses[0], Tier.GENERATIVE, 2, 1, 1_000):
        house.submit(
            house.report(
                platform,
                [row(licenses[0], UNIT), row(sybil, 1_000 * UNIT)],
                pricing=Pricing.POOL,
                total=2_000,
            )
        )
