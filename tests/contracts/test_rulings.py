"""Rulings: where every unit goes."""

from __future__ import annotations

import pytest

from obbligato.protocol.constants import Pricing, Tier
from obbligato.protocol.rulings import ContestedRow, MeteredPrice, PoolPrice, Winner, rule
from tests.contracts.contest import (
    DEAD,
    MINIMUM,
    RULED,
    challenge,
    challenge_of,
    check_books,
    escrow,
    received,
    rule_challenge,
)
from tests.contracts.protocol import (
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
    DeployedProtocol,
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
def licenses(protocol: DeployedProtocol) -> list[int]:
    """Three pooled licences of three artists."""
    return [
        protocol.license(pays=split((owner, 1_000_000)), owner=owner)
        for owner in (ARTIST, LABEL, PRODUCER)
    ]


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, licenses: list[int]) -> int:
    made = protocol.platform(HAS)
    protocol.fund_account(STRANGER, HAS)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, licenses: list[int]) -> Report:
    """The contested row and one that nobody contests."""
    made = protocol.report(platform, [row(licenses[0], REPORTED), row(licenses[1], 7 * UNIT)])
    protocol.submit(made)
    return made


# ---- who gets what ------------------------------------------------------------------------------------------------

# claimed, ruled, who was nearer
REDUCTIONS = [
    (0, 0, Winner.CHALLENGER),
    (0, REPORTED, Winner.PLATFORM),
    (0, REPORTED // 2, Winner.DRAW),
    (0, REPORTED // 2 - 1, Winner.CHALLENGER),
    (0, REPORTED // 2 + 1, Winner.PLATFORM),
    (60_000 * UNIT, 60_000 * UNIT, Winner.CHALLENGER),
    (0, 12_345_678, Winner.CHALLENGER),  # a fraction of a unit
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
    protocol: DeployedProtocol,
    platform: int,
    licenses: list[int],
    report: Report,
    claimed: int,
    ruled: int,
    winner: Winner,
) -> None:
    had = escrow(protocol, platform).available
    made = challenge(protocol, report, licenses[0], claimed, by=STRANGER)
    bond = challenge_of(protocol, made).bond
    contested = ContestedRow(reported=REPORTED, credited=CREDITED, price=MeteredPrice(1_000))
    expected = rule(contested, claimed=claimed, ruled=ruled, bond_units=bond)
    assert expected.winner is winner

    tx = rule_challenge(protocol, made, ruled, JUDGE)

    event = tx.events["Ruled"]
    assert event["quantity"] == ruled
    assert (event["arrears"], event["challengerWon"]) == (0, winner is Winner.CHALLENGER)
    assert challenge_of(protocol, made).state == RULED
    assert event["paid"] == expected.to_split + expected.owed
    assert received(protocol, licenses[0]) == expected.to_split + expected.owed
    assert protocol.vault.refundOf(STRANGER) == expected.to_challenger
    assert protocol.vault.refundOf(DEAD) == expected.burned
    assert escrow(protocol, platform).available == (
        had
        + expected.to_platform
        + expected.stake_to_platform
        - expected.owed
        - expected.platform_stake
    )
    assert (
        protocol.vault.reservedOf(protocol.disputes, platform)
        == protocol.vault.challengeBonds()
        == 0
    )

    # The other row and the rest of the report are as if nothing had happened.
    protocol.pass_window()
    reduces = claimed < REPORTED
    credited = protocol.settle(report).events["ReportSettled"]["credited"]
    assert credited == 7_000 + (0 if reduces else CREDITED)
    assert received(protocol, licenses[0]) == contested.value(ruled)
    assert received(protocol, licenses[1]) == 7_000
    check_books(protocol)


def test_what_is_burnt_waits_where_nobody_can_use_it_and_anyone_may_send_it_there(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    bond = challenge_of(protocol, made).bond
    assert bond == 10_000_100
    rule_challenge(protocol, made, REPORTED, JUDGE)
    assert protocol.vault.claim(DEAD, [], {"from": RELAY}).return_value == 5_000_050
    assert protocol.token.balanceOf(DEAD) == 5_000_050
    check_books(protocol)


def test_an_omitted_row_is_paid_from_the_first_unit(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[2], 50_000 * UNIT, by=STRANGER)
    rule_challenge(protocol, made, 30_000 * UNIT, JUDGE)
    # Nearer to fifty thousand than to none: thirty dollars, and the minimum bond twice over.
    assert received(protocol, licenses[2]) == 30 * DOLLAR
    assert protocol.vault.refundOf(STRANGER) == MINIMUM + MINIMUM // 2
    assert protocol.vault.refundOf(DEAD) == MINIMUM // 2
    assert escrow(protocol, platform).available == HAS - CREDITED - 7_000 - 30 * DOLLAR - MINIMUM


def test_a_pool_pays_a_ruled_row_by_its_weight_and_moves_no_other(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    # 20 units over three equal rows: 6, 7 and 7, since 20/3 and 40/3 are rounded down as marks. A row by itself is 6.
    tiny = [row(one, 1_000, Tier.TRAINING) for one in licenses]
    report = protocol.report(platform, tiny, pricing=Pricing.POOL, total=20)
    protocol.submit(report)
    contested = ContestedRow(reported=1_000, credited=7, price=PoolPrice(20, 6_000, Tier.TRAINING))
    made = challenge(protocol, report, licenses[1], 1_100, by=STRANGER, tier=Tier.TRAINING)
    # 1 100 are worth 7.33, no more than the row has.
    assert rule(contested, claimed=1_100, ruled=1_100, bond_units=MINIMUM).owed == 0
    rule_challenge(protocol, made, 1_100, JUDGE)
    assert received(protocol, licenses[1]) == 0
    again = challenge(protocol, report, licenses[1], 1_200, by=STRANGER, tier=Tier.TRAINING)
    rule_challenge(protocol, again, 1_200, JUDGE)
    assert received(protocol, licenses[1]) == 1
    protocol.pass_window()
    protocol.settle(report)
    assert [received(protocol, one) for one in licenses] == [6, 8, 7]
    check_books(protocol)


def test_a_pool_row_ruled_just_below_what_was_reported_keeps_what_rounding_gave(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    tiny = [row(one, 1_000, Tier.TRAINING) for one in licenses]
    report = protocol.report(platform, tiny, pricing=Pricing.POOL, total=20)
    protocol.submit(report)
    made = challenge(protocol, report, licenses[1], 0, by=STRANGER, tier=Tier.TRAINING)
    rule_challenge(protocol, made, 999, JUDGE)
    # 6.66 by weight; the seventh unit was rounding's.
    assert received(protocol, licenses[1]) == 6
    protocol.pass_window()
    protocol.settle(report)
    assert [received(protocol, one) for one in licenses] == [6, 6, 7]
    check_books(protocol)


def test_the_smallest_pool_cannot_buy_rows_that_have_a_price(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    rows = [row(licenses[0], UNIT), row(licenses[1], UNIT)]
    with refused("BelowReserve", licenses[0], Tier.GENERATIVE, 2, 0, 1_000):
        protocol.submit(protocol.report(platform, rows, pricing=Pricing.POOL, total=1))
    # A row of the platform's own that weighs a thousand times as much pushes no honest row below its reserve.
    sybil = protocol.license(
        terms({Tier.GENERATIVE: RateCard(training_run=0, generation=0, playback=0, grant_fee=0)}),
        split((PLATFORM_ADMIN, 1_000_000)),
        owner=PLATFORM_ADMIN,
    )
    protocol.wait(60)
    with refused("BelowReserve", licenses[0], Tier.GENERATIVE, 2, 1, 1_000):
        protocol.submit(
            protocol.report(
                platform,
                [row(licenses[0], UNIT), row(sybil, 1_000 * UNIT)],
                pricing=Pricing.POOL,
                total=2_000,
            )
        )
