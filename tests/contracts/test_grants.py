"""Grants taken at the price of the card: who may buy, what it costs, how long it runs, what it covers."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak

from obbligato.rules.grants import Grant
from obbligato.words import NOT_OFFERED, Flag, Tier
from tests.contracts.granting import (
    ANY,
    FEE,
    GENERATIVE,
    OTHER,
    OWNER,
    PAYS,
    START,
    YEAR,
    buy,
    covered,
    offer,
)
from tests.contracts.house import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    MODEL,
    PLATFORM_ADMIN,
    REPORTER,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    STRANGER,
    UNIT,
    House,
    refused,
    row,
)
from tests.contracts.moments import next_at


@pytest.fixture(scope="module")
def platform(house: House) -> int:
    """A platform with a hundred dollars in escrow, whose admin has a hundred more."""
    registered = house.platform(100 * DOLLAR)
    house.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(house: House, platform: int) -> int:
    """Minted at START for GENERATIVE, by grant for three dollars."""
    next_at(START)
    return house.license(offer(), PAYS)


# ---- buying ---------------------------------------------------------------------------------------------------------


def test_a_grant_runs_for_one_term_from_now_and_pays_the_split(
    house: House, platform: int, licence: int
) -> None:
    now = START + 10 * DAY
    tx = buy(house, platform, licence, at=now)
    split_id = house.split_id(PAYS)
    assert dict(tx.events["Granted"]) == {
        "licenseId": licence,
        "platformId": platform,
        "tier": GENERATIVE,
        "modelId": "0x" + MODEL.hex(),
        "start": now,
        "end": now + YEAR,
        "fee": FEE,
        "splitId": split_id,
    }
    # The admin pays; what stands in escrow for reports and rulings stays there.
    assert house.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    assert house.vault.escrowOf(platform)["available"] == 100 * DOLLAR
    assert house.vault.receivedOf(split_id) == FEE
    # 60 % of three dollars.
    assert house.vault.claimable(ARTIST, [split_id]) == 1_800_000
    assert house.grants.vault() == house.vault.address
    assert house.grants.registry() == house.registry.address


def test_a_grant_covers_every_period_that_overlaps_it(
    house: House, platform: int, licence: int
) -> None:
    start = START + 10 * DAY
    end = start + YEAR
    buy(house, platform, licence, at=start)
    periods = {
        (start - DAY, start): False,
        (start - DAY, start + 1): True,
        (start, start + 1): True,
        (start - DAY, end + DAY): True,
        (end - 1, end): True,
        (end - 1, end + DAY): True,
        (end, end + 1): False,
        (end + DAY, end + 2 * DAY): False,
        (0, 1): False,
    }
    assert covered(house, platform, licence, *periods) == list(periods.values())
    grant = Grant(
        license_id=licence,
        tier=Tier.GENERATIVE,
        platform_id=platform,
        model_id=MODEL,
        start=start,
        end=end,
    )
    assert [grant.overlaps(*period) for period in periods] == list(periods.values())


def test_a_grant_is_for_one_licence_tier_platform_and_model(
    house: House, platform: int, licence: int
) -> None:
    rival = house.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    other = house.license(offer(), PAYS)
    now = START + 10 * DAY
    buy(house, platform, licence, at=now)
    period = (now, now + 1)
    assert covered(house, platform, licence, period) == [True]
    assert covered(house, platform, other, period) == [False]
    assert covered(house, rival, licence, period) == [False]
    assert covered(house, platform, licence, period, model=OTHER) == [False]
    assert covered(house, platform, licence, period, model=ANY) == [False]
    assert covered(house, platform, licence, period, tier=int(Tier.STYLE)) == [False]


def test_a_grant_for_any_model_covers_each(house: House, platform: int, licence: int) -> None:
    now = START + 10 * DAY
    buy(house, platform, licence, model=ANY, at=now)
    for model in (MODEL, OTHER, ANY):
        assert covered(house, platform, licence, (now, now + 1), model=model) == [True]


def test_terms_that_bind_to_a_model_ask_for_one(house: House, platform: int) -> None:
    license_id = house.license(offer(Flag.MODEL_BOUND), PAYS)
    with refused("ModelMissing", license_id, GENERATIVE):
        buy(house, platform, license_id, model=ANY)
    buy(house, platform, license_id, model=MODEL)
    now = house.now()
    assert covered(house, platform, license_id, (now, now + 1)) == [True]
    assert covered(house, platform, license_id, (now, now + 1), model=OTHER) == [False]


def test_a_free_grant_moves_no_money(house: House, platform: int) -> None:
    license_id = house.license(offer(fee=0), PAYS)
    tx = buy(house, platform, license_id, maximum=0)
    assert "PaidIn" not in tx.events
    assert house.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    now = house.now()
    assert covered(house, platform, license_id, (now, now + 1)) == [True]


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_only_the_admin_of_a_platform_buys_for_it(
    house: House, platform: int, licence: int
) -> None:
    for account in (STRANGER, REPORTER, ARTIST):
        with refused("NotPlatformAdmin", platform, account):
            buy(house, platform, licence, sender={"from": account})
    with refused("NotPlatformAdmin", platform + 1, PLATFORM_ADMIN):
        buy(house, platform + 1, licence)


def test_nothing_is_granted_without_consent_now(house: House, platform: int, licence: int) -> None:
    for license_id, tier in ((licence, int(Tier.VOICE)), (licence + 1, GENERATIVE), (licence, 0)):
        with refused("NoConsent", license_id, tier):
            buy(house, platform, license_id, tier=tier)
    house.registry.revoke(licence, OWNER)
    end = house.registry.licenseOf(licence)["endsAt"]
    with refused("NoConsent", licence, GENERATIVE):
        buy(house, platform, licence, at=end)


def test_terms_that_ask_for_no_grant_sell_none(house: House, platform: int) -> None:
    license_id = house.license()
    with refused("GrantNotRequired", license_id, GENERATIVE):
        buy(house, platform, license_id)


def test_a_licensor_that_approves_each_grant_is_asked_first(house: House, platform: int) -> None:
    license_id = house.license(offer(Flag.GRANT_APPROVAL), PAYS)
    with refused("ApprovalRequired", license_id, GENERATIVE):
        buy(house, platform, license_id)


def test_a_fee_that_is_not_offered_is_not_sold(house: House, platform: int) -> None:
    license_id = house.license(offer(fee=NOT_OFFERED), PAYS)
    with refused("NotOffered", license_id, GENERATIVE):
        buy(house, platform, license_id, maximum=2**64 - 1)


def test_a_platform_pays_no_more_than_it_said(house: House, platform: int, licence: int) -> None:
    with refused("FeeAboveMaximum", FEE, FEE - 1):
        buy(house, platform, licence, maximum=FEE - 1)
    buy(house, platform, licence, maximum=FEE)


# ---- renewals and ends ----------------------------------------------------------------------------------------------


def test_a_renewal_starts_where_the_running_grant_ends(
    house: House, platform: int, licence: int
) -> None:
    start = START + 10 * DAY
    buy(house, platform, licence, at=start)
    event = buy(house, platform, licence, at=start + 100 * DAY).events["Granted"]
    assert (event["start"], event["end"]) == (start + YEAR, start + 2 * YEAR)
    periods = [(start + YEAR - 1, start + YEAR), (start + YEAR, start + YEAR + 1)]
    assert covered(house, platform, licence, *periods) == [True, True]
    # Another model has its own.
    event = buy(house, platform, licence, model=OTHER, at=start + 101 * DAY).events["Granted"]
    assert event["start"] == start + 101 * DAY


def test_a_grant_after_a_pause_starts_now_and_the_pause_stays_open(
    house: House, platform: int, licence: int
) -> None:
    first = START + 10 * DAY
    buy(house, platform, licence, at=first)
    again = first + YEAR + 30 * DAY
    event = buy(house, platform, licence, at=again).events["Granted"]
    assert event["start"] == again
    periods = {
        (first, first + 1): True,
        (first + YEAR - 1, first + YEAR): True,
        (first + YEAR, again): False,
        (first + YEAR, again + 1): True,
        (again + YEAR, again + YEAR + 1): False,
    }
    assert covered(house, platform, licence, *periods) == list(periods.values())


def test_a_grant_taken_in_the_second_the_last_one_ends_follows_it(
    house: House, platform: int, licence: int
) -> None:
    start = START + 10 * DAY
    buy(house, platform, licence, at=start)
    event = buy(house, platform, licence, at=start + YEAR).events["Granted"]
    assert (event["start"], event["end"]) == (start + YEAR, start + 2 * YEAR)


def test_a_grant_ends_with_a_revoked_licence(house: House, platform: int, licence: int) -> None:
    next_at(START + 10 * DAY)
    house.registry.revoke(licence, OWNER)
    event = buy(house, platform, licence, at=START + 20 * DAY).events["Granted"]
    assert (event["start"], event["end"]) == (START + 20 * DAY, START + YEAR)
    with refused("NothingToGrant", licence, GENERATIVE):
        buy(house, platform, licence, at=START + 30 * DAY)
    assert house.vault.receivedOf(house.split_id(PAYS)) == FEE


def test_a_renewal_ends_with_a_revoked_licence(house: House, platform: int, licence: int) -> None:
    start = START + 10 * DAY
    buy(house, platform, licence, at=start)
    next_at(START + YEAR)
    house.registry.revoke(licence, OWNER)
    event = buy(house, platform, licence, at=START + YEAR + 1).events["Granted"]
    assert (event["start"], event["end"]) == (start + YEAR, START + 2 * YEAR)


def test_a_grant_is_priced_and_dated_by_the_terms_in_force_now(
    house: House, platform: int, licence: int
) -> None:
    later = offer(fee=5 * DOLLAR, term_days=1096)
    house.intern_terms(later)
    next_at(START + DAY)
    house.registry.amend(licence, later.digest(), keccak(b"later"), OWNER)
    buy(house, platform, licence, at=START + YEAR - 1)
    with refused("FeeAboveMaximum", 5 * DOLLAR, FEE):
        buy(house, platform, licence, model=OTHER, at=START + YEAR)
    event = buy(
        house, platform, licence, model=OTHER, maximum=5 * DOLLAR, at=START + YEAR + 1
    ).events["Granted"]
    assert event["end"] - event["start"] == 1096 * DAY


# ---- what reports need ----------------------------------------------------------------------------------------------


def test_a_report_needs_a_grant_where_the_terms_ask_for_one(
    house: House, platform: int, licence: int
) -> None:
    free = house.license(owner=LABEL)
    house.wait(30 * DAY)
    rows = [row(licence, 1_000 * UNIT), row(free, 1_000 * UNIT)]
    with refused("GrantMissing", licence, GENERATIVE):
        house.submit(house.report(platform, rows))
    buy(house, platform, licence, model=OTHER)
    with refused("GrantMissing", licence, GENERATIVE):
        house.submit(house.report(platform, rows))
    buy(house, platform, licence)
    house.wait(DAY)
    # A thousand generations of each licence at 1 000.
    assert house.settled(platform, rows).header.total == 2_000_000


def test_a_period_that_ends_as_the_grant_begins_is_not_covered(
    house: House, platform: int, licence: int
) -> None:
    house.wait(30 * DAY)
    tx = buy(house, platform, licence)
    granted = tx.timestamp
    rows = [row(licence, UNIT)]
    house.wait(DAY)
    with refused("GrantMissing", licence, GENERATIVE):
        house.submit(house.report(platform, rows, start=granted - DAY, end=granted))
    house.submit(house.report(platform, rows, start=granted - DAY, end=granted + 1))
