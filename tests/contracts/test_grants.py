"""Grants taken at the price of the card: who may buy, what it costs, how long it runs, what it covers."""

from __future__ import annotations

import pytest

from obbligato.protocol.constants import NOT_OFFERED, Flag, Tier
from obbligato.protocol.grants import Grant
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
from tests.contracts.moments import next_at
from tests.contracts.protocol import (
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
    DeployedProtocol,
    refused,
    row,
)


@pytest.fixture(scope="module")
def platform(protocol: DeployedProtocol) -> int:
    """A platform with a hundred dollars in escrow, whose admin has a hundred more."""
    registered = protocol.platform(100 * DOLLAR)
    protocol.fund_account(PLATFORM_ADMIN, 100 * DOLLAR)
    return registered


@pytest.fixture(scope="module")
def licence(protocol: DeployedProtocol, platform: int) -> int:
    """Minted at START for GENERATIVE, by grant for three dollars."""
    next_at(START)
    return protocol.license(offer(), PAYS)


# ---- buying ---------------------------------------------------------------------------------------------------------


def test_a_grant_runs_to_the_end_of_the_term_and_pays_the_split(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    now = START + 10 * DAY
    tx = buy(protocol, platform, licence, at=now)
    split_id = protocol.split_id(PAYS)
    assert dict(tx.events["Granted"]) == {
        "licenseId": licence,
        "platformId": platform,
        "tier": GENERATIVE,
        "modelId": "0x" + MODEL.hex(),
        "start": now,
        "end": START + YEAR,
        "fee": FEE,
        "splitId": split_id,
        "requestId": 0,
    }
    # The admin pays; what stands in escrow for reports and rulings stays there.
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 97 * DOLLAR
    assert protocol.vault.escrowOf(platform)["available"] == 100 * DOLLAR
    assert protocol.vault.receivedOf(split_id) == FEE
    # 60 % of three dollars.
    assert protocol.vault.claimable(ARTIST, [split_id]) == 1_800_000
    assert protocol.grants.vault() == protocol.vault.address
    assert protocol.grants.registry() == protocol.registry.address


def test_a_grant_covers_every_period_that_overlaps_it(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    start = START + 10 * DAY
    end = START + YEAR
    buy(protocol, platform, licence, at=start)
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
    assert covered(protocol, platform, licence, *periods) == list(periods.values())
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
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    rival = protocol.platform(admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    other = protocol.license(offer(), PAYS)
    now = START + 10 * DAY
    buy(protocol, platform, licence, at=now)
    period = (now, now + 1)
    assert covered(protocol, platform, licence, period) == [True]
    assert covered(protocol, platform, other, period) == [False]
    assert covered(protocol, rival, licence, period) == [False]
    assert covered(protocol, platform, licence, period, model=OTHER) == [False]
    assert covered(protocol, platform, licence, period, model=ANY) == [False]
    assert covered(protocol, platform, licence, period, tier=int(Tier.STYLE)) == [False]


def test_a_grant_for_any_model_covers_each(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    now = START + 10 * DAY
    buy(protocol, platform, licence, model=ANY, at=now)
    for model in (MODEL, OTHER, ANY):
        assert covered(protocol, platform, licence, (now, now + 1), model=model) == [True]


def test_terms_that_bind_to_a_model_ask_for_one(protocol: DeployedProtocol, platform: int) -> None:
    license_id = protocol.license(offer(Flag.MODEL_BOUND), PAYS)
    with refused("ModelMissing", license_id, GENERATIVE):
        buy(protocol, platform, license_id, model=ANY)
    buy(protocol, platform, license_id, model=MODEL)
    now = protocol.now()
    assert covered(protocol, platform, license_id, (now, now + 1)) == [True]
    assert covered(protocol, platform, license_id, (now, now + 1), model=OTHER) == [False]


def test_a_free_grant_moves_no_money(protocol: DeployedProtocol, platform: int) -> None:
    license_id = protocol.license(offer(fee=0), PAYS)
    tx = buy(protocol, platform, license_id, maximum=0)
    assert "PaidIn" not in tx.events
    assert protocol.token.balanceOf(PLATFORM_ADMIN) == 100 * DOLLAR
    now = protocol.now()
    assert covered(protocol, platform, license_id, (now, now + 1)) == [True]


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_only_the_admin_of_a_platform_buys_for_it(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    for account in (STRANGER, REPORTER, ARTIST):
        with refused("NotPlatformAdmin", platform, account):
            buy(protocol, platform, licence, sender={"from": account})
    with refused("NotPlatformAdmin", platform + 1, PLATFORM_ADMIN):
        buy(protocol, platform + 1, licence)


def test_nothing_is_granted_without_consent_now(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    for license_id, tier in ((licence, int(Tier.VOICE)), (licence + 1, GENERATIVE), (licence, 0)):
        with refused("NoConsent", license_id, tier):
            buy(protocol, platform, license_id, tier=tier)
    protocol.registry.revoke(licence, OWNER)
    end = protocol.registry.licenseOf(licence)["endsAt"]
    with refused("NoConsent", licence, GENERATIVE):
        buy(protocol, platform, licence, at=end)


def test_terms_that_ask_for_no_grant_sell_none(protocol: DeployedProtocol, platform: int) -> None:
    license_id = protocol.license()
    with refused("GrantNotRequired", license_id, GENERATIVE):
        buy(protocol, platform, license_id)


def test_a_licensor_that_approves_each_grant_is_asked_first(
    protocol: DeployedProtocol, platform: int
) -> None:
    license_id = protocol.license(offer(Flag.GRANT_APPROVAL), PAYS)
    with refused("ApprovalRequired", license_id, GENERATIVE):
        buy(protocol, platform, license_id)


def test_a_fee_that_is_not_offered_is_not_sold(protocol: DeployedProtocol, platform: int) -> None:
    license_id = protocol.license(offer(fee=NOT_OFFERED), PAYS)
    with refused("NotOffered", license_id, GENERATIVE):
        buy(protocol, platform, license_id, maximum=2**64 - 1)


def test_a_platform_pays_no_more_than_it_said(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    with refused("FeeAboveMaximum", FEE, FEE - 1):
        buy(protocol, platform, licence, maximum=FEE - 1)
    buy(protocol, platform, licence, maximum=FEE)


# ---- what reports need ----------------------------------------------------------------------------------------------


def test_a_report_needs_a_grant_where_the_terms_ask_for_one(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    free = protocol.license(owner=LABEL)
    protocol.wait(30 * DAY)
    rows = [row(licence, 1_000 * UNIT), row(free, 1_000 * UNIT)]
    with refused("GrantMissing", licence, GENERATIVE):
        protocol.submit(protocol.report(platform, rows))
    buy(protocol, platform, licence, model=OTHER)
    with refused("GrantMissing", licence, GENERATIVE):
        protocol.submit(protocol.report(platform, rows))
    buy(protocol, platform, licence)
    protocol.wait(DAY)
    # A thousand generations of each licence at 1 000.
    assert protocol.settled(platform, rows).header.total == 2_000_000


def test_a_period_that_ends_as_the_grant_begins_is_not_covered(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    protocol.wait(30 * DAY)
    tx = buy(protocol, platform, licence)
    granted = tx.timestamp
    rows = [row(licence, UNIT)]
    protocol.wait(DAY)
    with refused("GrantMissing", licence, GENERATIVE):
        protocol.submit(protocol.report(platform, rows, start=granted - DAY, end=granted))
    protocol.submit(protocol.report(platform, rows, start=granted - DAY, end=granted + 1))
