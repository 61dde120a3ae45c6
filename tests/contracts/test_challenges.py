"""Challenging: which rows, until when, and what that holds."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import NOT_OFFERED, Metric, Pricing, Tier
from tests.contracts.contest import (
    EVIDENCE,
    OPEN,
    challenge,
    challenge_of,
    check_books,
    escrow,
    record_of,
    rule_challenge,
    window_end,
)
from tests.contracts.moments import mine_at, next_at
from tests.contracts.protocol import (
    ARBITER,
    ARTIST,
    DAY,
    DOLLAR,
    PLATFORM_ADMIN,
    PRODUCER,
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

WINDOW, CLAIM_PERIOD, SETTLEMENT = 7 * DAY, 180 * DAY, 21 * DAY
G, T, RUN = Tier.GENERATIVE, Tier.TRAINING, Metric.TRAINING_RUN
CARD = RateCard(training_run=2 * DOLLAR, generation=1_000, playback=NOT_OFFERED, grant_fee=0)


@pytest.fixture(scope="module")
def licenses(protocol: DeployedProtocol) -> list[int]:
    """Two licences in pools, one that joins none, and one that offers ANALYSIS for nothing."""
    return [
        protocol.license(terms({T: CARD, G: CARD}), split((ARTIST, 1_000_000))),
        protocol.license(terms({T: CARD, G: CARD}), split((PRODUCER, 1_000_000)), owner=PRODUCER),
        protocol.license(terms({G: CARD}, flags=0), split((ARTIST, 1_000_000))),
        protocol.license(
            terms({Tier.ANALYSIS: RateCard(training_run=0, generation=0, playback=0, grant_fee=0)})
        ),
    ]


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol, licenses: list[int]) -> int:
    """A platform, and a stranger with the money for many bonds."""
    made = protocol.platform(1_000 * DOLLAR)
    protocol.fund_account(STRANGER, 10_000 * DOLLAR)
    protocol.wait(30 * DAY)
    return made


@pytest.fixture
def report(protocol: DeployedProtocol, platform: int, licenses: list[int]) -> Report:
    """100 000 generations of the first licence (100 dollars) and 50 training runs of the second (100 dollars)."""
    made = protocol.report(
        platform, [row(licenses[0], 100_000 * UNIT), row(licenses[1], 50 * UNIT, T, RUN)]
    )
    protocol.submit(made)
    return made


# ---- what a challenge is about ------------------------------------------------------------------------------------


def test_a_reduction_holds_its_row_and_nothing_else(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    before = escrow(protocol, platform)
    made = challenge(protocol, report, licenses[0], 60_000 * UNIT, by=STRANGER)
    found = challenge_of(protocol, made)
    assert (found.challenger, found.platform, found.state) == (STRANGER, platform, OPEN)
    assert (found.reported, found.claimed) == (100_000 * UNIT, 60_000 * UNIT)
    # 40 dollars less are claimed, but all 100 are held for the row: the bond is 10.
    assert (found.amount, found.bond) == (100 * DOLLAR, 10 * DOLLAR)
    assert (found.numerator, found.denominator) == (1_000, 1_000_000)
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 100 * DOLLAR
    assert protocol.vault.reservedOf(protocol.oracle, platform) == 100 * DOLLAR
    assert escrow(protocol, platform) == before
    assert record_of(protocol, report, licenses[0]) == (0, 0, 0, 0, made, False)
    check_books(protocol)


def test_a_claim_of_more_holds_nothing(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    before = escrow(protocol, platform)
    made = challenge(protocol, report, licenses[0], 300_000 * UNIT, by=STRANGER)
    # 200 dollars more are claimed: the bond is 20.
    assert challenge_of(protocol, made).bond == 20 * DOLLAR
    assert protocol.vault.reservedOf(protocol.disputes, platform) == 0
    assert escrow(protocol, platform) == before
    assert not protocol.oracle.isHeld(protocol.report_id(report), 0)
    protocol.pass_window()
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 200 * DOLLAR


def test_the_event_says_all_that_is_needed_to_judge(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    tx = protocol.disputes.challenge(
        report.case, (licenses[1], T, RUN, 80 * UNIT, EVIDENCE), [], {"from": STRANGER}
    )
    event = tx.events["Challenged"]
    assert bytes.fromhex(str(event["reportId"])[2:]) == protocol.report_id(report)
    assert bytes.fromhex(str(event["evidence"])[2:]) == EVIDENCE
    assert {
        name: event[name]
        for name in ("licenseId", "tier", "metric", "reported", "claimed", "amount")
    } == {
        "licenseId": licenses[1],
        "tier": T,
        "metric": RUN,
        "reported": 50 * UNIT,
        "claimed": 80 * UNIT,
        "amount": 100 * DOLLAR,
    }
    # 30 more runs are 60 dollars: a bond of 6.
    assert (event["challenger"], event["bond"]) == (STRANGER, 6 * DOLLAR)
    assert event["splitId"] == protocol.split_id(split((PRODUCER, 1_000_000)))


def test_only_a_report_that_was_accepted_is_challenged(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    never = protocol.report(platform, [row(licenses[0], UNIT)])
    with refused("NotChallengeable", protocol.report_id(never)):
        challenge(protocol, never, licenses[0], 2 * UNIT, by=STRANGER)


def test_a_challenge_shows_the_reports_own_rows_and_credits(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    rows, credits_ = keccak(report.rows), keccak(report.credits)
    with refused("RowsDigestMismatch", rows, keccak(report.rows[:14])):
        challenge(
            protocol,
            report,
            licenses[0],
            0,
            by=STRANGER,
            case=(report.raw, report.rows[:14], report.credits),
        )
    forged = report.credits[:-1] + b"\x01"
    for wrong in (forged, b""):
        with refused("CreditsDigestMismatch", credits_, keccak(wrong)):
            challenge(
                protocol, report, licenses[0], 0, by=STRANGER, case=(report.raw, report.rows, wrong)
            )


def test_the_credits_need_not_be_shown_for_a_row_that_is_left_out(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(
        protocol, report, licenses[2], UNIT, by=STRANGER, case=(report.raw, report.rows, b"")
    )
    assert challenge_of(protocol, made).reported == 0


def test_claiming_what_was_reported_is_refused(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    with refused("NothingClaimed", licenses[0], G, Metric.GENERATION):
        challenge(protocol, report, licenses[0], 100_000 * UNIT, by=STRANGER)
    with refused("NothingClaimed", licenses[2], G, Metric.GENERATION):
        challenge(protocol, report, licenses[2], 0, by=STRANGER)


def test_one_row_has_one_open_reduction_and_one_open_claim_of_more_and_its_neighbours_their_own(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    first = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    more = challenge(protocol, report, licenses[0], 200_000 * UNIT, by=STRANGER)
    assert record_of(protocol, report, licenses[0]) == (0, 0, 0, more, first, False)
    for quantity, open_one in (
        (0, first),
        (1, first),
        (200_000 * UNIT, more),
        (100_000 * UNIT + 1, more),
    ):
        with refused("AlreadyChallenged", open_one):
            challenge(protocol, report, licenses[0], quantity, by=STRANGER)
    others = [
        challenge(protocol, report, licenses[1], 0, by=STRANGER, tier=T, metric=RUN),
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, metric=RUN),
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, tier=T),
    ]
    assert others == [more + 1, more + 2, more + 3]
    assert protocol.disputes.challengeCount() == more + 3


# ---- until when ---------------------------------------------------------------------------------------------------


def test_a_reduction_is_in_time_until_the_window_ends(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    end = window_end(protocol, report)
    next_at(end - 1)
    challenge(protocol, report, licenses[0], 0, by=STRANGER)
    next_at(end)
    with refused("ChallengeTooLate", protocol.report_id(report), end):
        challenge(protocol, report, licenses[1], 0, by=STRANGER, tier=T, metric=RUN)


def test_a_claim_of_more_is_in_time_for_180_days_after_the_window_settled_or_not(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    claim_end = window_end(protocol, report) + CLAIM_PERIOD
    mine_at(window_end(protocol, report))
    protocol.settle(report)
    next_at(claim_end - 1)
    challenge(protocol, report, licenses[0], 100_001 * UNIT, by=STRANGER)
    next_at(claim_end)
    with refused("ChallengeTooLate", protocol.report_id(report), claim_end):
        challenge(protocol, report, licenses[1], 51 * UNIT, by=STRANGER, tier=T, metric=RUN)


def test_a_challenge_pushes_a_running_thaw_and_a_closing(
    protocol: DeployedProtocol, platform: int, licenses: list[int], report: Report
) -> None:
    admin = {"from": PLATFORM_ADMIN}
    closes_at = int(protocol.vault.close(platform, admin).timestamp) + 201 * DAY
    ends_at = int(protocol.vault.thaw(platform, DOLLAR, admin).timestamp) + 28 * DAY
    mine_at(ends_at - DAY)
    challenge(protocol, report, licenses[0], 100_001 * UNIT, by=STRANGER)
    assert escrow(protocol, platform).thaw_ends_at == protocol.now() + SETTLEMENT
    assert protocol.vault.platformOf(platform)[1] == closes_at
    mine_at(window_end(protocol, report) + CLAIM_PERIOD - 2)
    challenge(protocol, report, licenses[1], 51 * UNIT, by=STRANGER, tier=T, metric=RUN)
    pushed = protocol.now() + SETTLEMENT
    assert protocol.vault.platformOf(platform)[1] == pushed > closes_at
    next_at(closes_at)
    with refused("StillThawing", platform, pushed):
        protocol.vault.withdrawBond(platform, STRANGER, admin)


# ---- rows that were left out --------------------------------------------------------------------------------------


def test_use_left_out_of_a_metered_report_is_worth_its_meter(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge_of(
        protocol, challenge(protocol, report, licenses[2], 70_000 * UNIT, by=STRANGER)
    )
    assert (made.reported, made.amount, made.claimed) == (0, 0, 70_000 * UNIT)
    assert (made.numerator, made.denominator) == (1_000, 1_000_000)
    assert made.split_id == protocol.registry.licenseOf(licenses[2])[6]
    assert made.bond == 7 * DOLLAR


def test_use_denied_by_a_zero_statement_can_be_claimed(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    zero = protocol.report(platform, [])
    protocol.submit(zero)
    made = challenge(protocol, zero, licenses[0], 70_000 * UNIT, by=STRANGER)
    rule_challenge(protocol, made, 70_000 * UNIT, {"from": ARBITER})
    assert protocol.vault.receivedOf(protocol.split_id(split((ARTIST, 1_000_000)))) == 70 * DOLLAR
    check_books(protocol)


def test_use_that_no_terms_offer_cannot_be_priced_and_so_not_claimed(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    with refused("NotOffered", licenses[0], G, Metric.PLAYBACK):
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, metric=Metric.PLAYBACK)
    with refused("NoConsent", licenses[0], 6, Metric.GENERATION):
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, tier=Tier.VOICE)
    with refused("UnknownLicense", 999):
        challenge(protocol, report, 999, UNIT, by=STRANGER)
    with refused("UnknownTier", licenses[0], 7):
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, tier=7)


def test_a_value_beyond_a_uint64_is_refused_by_row(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    # 2^63 millionths of a training run at two dollars are 2^64 units of money.
    with refused("ValueTooLarge", licenses[0], T, RUN):
        challenge(protocol, report, licenses[0], 2**63, by=STRANGER, tier=T, metric=RUN)


def pooled(protocol: DeployedProtocol, platform: int, licenses: list[int], total: int) -> Report:
    """A pool of equal generations of the first two licences."""
    made = protocol.report(
        platform,
        [row(one, 10_000 * UNIT) for one in licenses[:2]],
        pricing=Pricing.POOL,
        total=total,
    )
    protocol.submit(made)
    return made


def test_use_left_out_of_a_pool_is_worth_its_weight(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    # 200 dollars over 20 000 units of weight 4: a unit of weight 4 is worth a cent, ten times its meter.
    report = pooled(protocol, platform, licenses, 200 * DOLLAR)
    made = challenge_of(
        protocol, challenge(protocol, report, licenses[0], 5 * UNIT, by=STRANGER, tier=T)
    )
    assert made.numerator == 200 * DOLLAR * 2
    assert made.denominator == 20_000 * UNIT * 4
    # Five units of weight 2: two and a half cents.
    assert 5 * UNIT * made.numerator // made.denominator == 25_000


def test_use_left_out_of_a_pool_is_worth_its_reserve_price_at_least(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    # 20 dollars over the same rows are exactly the reserve of a generation, and weight 2 would be worth half of it.
    report = pooled(protocol, platform, licenses, 20 * DOLLAR)
    made = challenge_of(
        protocol, challenge(protocol, report, licenses[0], 5 * UNIT, by=STRANGER, tier=T)
    )
    assert (made.numerator, made.denominator) == (1_000, 1_000_000)
    # What the meter does not offer sets no reserve price: playback is worth its weight.
    played = challenge(protocol, report, licenses[0], UNIT, by=STRANGER, metric=Metric.PLAYBACK)
    assert challenge_of(protocol, played).denominator == 20_000 * UNIT * 4


def test_use_of_a_licence_that_joins_no_pools_left_out_of_one_is_worth_its_meter(
    protocol: DeployedProtocol, platform: int, licenses: list[int]
) -> None:
    report = pooled(protocol, platform, licenses, 200 * DOLLAR)
    made = challenge_of(protocol, challenge(protocol, report, licenses[2], 5 * UNIT, by=STRANGER))
    assert (made.numerator, made.denominator) == (1_000, 1_000_000)
    with refused("NotOffered", licenses[2], G, Metric.PLAYBACK):
        challenge(protocol, report, licenses[2], UNIT, by=STRANGER, metric=Metric.PLAYBACK)


def test_a_price_is_the_one_in_force_when_the_use_was_submitted(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    # Only tiers are added, so the new terms are in force at once; and then the licence is revoked and voided.
    wider = terms({T: CARD, G: CARD, Tier.VOICE: CARD})
    protocol.registry.amend(
        licenses[0], protocol.intern_terms(wider), keccak(b"wider"), {"from": ARTIST}
    )
    protocol.registry.revoke(licenses[0], {"from": ARTIST})
    made = challenge(protocol, report, licenses[0], 0, by=STRANGER)
    assert (challenge_of(protocol, made).numerator, challenge_of(protocol, made).amount) == (
        1_000,
        100 * DOLLAR,
    )
    # At no moment of the period was there consent for the new tier.
    with refused("NoConsent", licenses[0], 6, RUN):
        challenge(protocol, report, licenses[0], UNIT, by=STRANGER, tier=Tier.VOICE, metric=RUN)


def test_free_use_left_out_can_be_put_on_record(
    protocol: DeployedProtocol, licenses: list[int], report: Report
) -> None:
    made = challenge(protocol, report, licenses[3], 5 * UNIT, by=STRANGER, tier=Tier.ANALYSIS)
    rule_challenge(protocol, made, 5 * UNIT, {"from": ARBITER})
    assert record_of(protocol, report, licenses[3], Tier.ANALYSIS)[:2] == (5 * UNIT, 0)
