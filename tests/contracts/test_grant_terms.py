"""A grant in time: it ends with the term, holds until then, is renewed for the next, serves the model it names."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag
from tests.contracts.contest import acting_as
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

END = START + YEAR
OPENS = END - 30 * DAY + 1
"""From here on the next term is for sale to who holds a grant."""


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


# ---- the end of the term ---------------------------------------------------------------------------------------------


def span(tx: Any) -> tuple[int, int]:
    event = tx.events["Granted"]
    return event["start"], event["end"]


def test_a_grant_ends_with_the_term_however_late_it_is_bought(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    assert span(buy(protocol, platform, licence, at=END - 1)) == (END - 1, END)
    # The second in which the term ends belongs to the next.
    assert span(buy(protocol, platform, licence, at=END)) == (END, END + YEAR)
    assert protocol.grants.renewedUntil(licence) == 0


def test_a_grant_that_runs_is_renewed_for_the_next_term_in_the_last_thirty_days(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, at=START + 10 * DAY)
    with refused("RenewalTooEarly", licence, GENERATIVE, OPENS):
        buy(protocol, platform, licence, at=OPENS - 1)
    assert span(buy(protocol, platform, licence, at=OPENS)) == (END, END + YEAR)
    assert protocol.grants.renewedUntil(licence) == END + YEAR
    periods = {
        (END - 1, END): True,
        (END, END + 1): True,
        (END + YEAR - 1, END + YEAR): True,
        (END + YEAR, END + YEAR + 1): False,
    }
    assert covered(protocol, platform, licence, *periods) == list(periods.values())
    # Another model has its own.
    assert span(buy(protocol, platform, licence, model=OTHER, at=END - DAY)) == (END - DAY, END)


def test_one_term_is_sold_ahead_and_no_more(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, at=START + 10 * DAY)
    buy(protocol, platform, licence, at=OPENS)
    with refused("NothingToGrant", licence, GENERATIVE):
        buy(protocol, platform, licence, at=END - 1)
    with refused("RenewalTooEarly", licence, GENERATIVE, OPENS + YEAR):
        buy(protocol, platform, licence, at=END)
    assert span(buy(protocol, platform, licence, at=END + YEAR - 1)) == (END + YEAR, END + 2 * YEAR)


def test_a_grant_after_a_pause_starts_now_and_the_pause_stays_open(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    first, again = START + 10 * DAY, END + 30 * DAY
    buy(protocol, platform, licence, at=first)
    assert span(buy(protocol, platform, licence, at=again)) == (again, END + YEAR)
    periods = {
        (first, first + 1): True,
        (END - 1, END): True,
        (END, again): False,
        (END, again + 1): True,
        (END + YEAR, END + YEAR + 1): False,
    }
    assert covered(protocol, platform, licence, *periods) == list(periods.values())


def test_a_grant_is_priced_by_the_terms_in_force_now(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    later = offer(fee=5 * DOLLAR, term_days=1096)
    protocol.intern_terms(later)
    next_at(START + DAY)
    protocol.registry.amend(licence, later.digest(), keccak(b"later"), OWNER)
    buy(protocol, platform, licence, at=END - 1)
    with refused("FeeAboveMaximum", 5 * DOLLAR, FEE):
        buy(protocol, platform, licence, model=OTHER, at=END)
    tx = buy(protocol, platform, licence, model=OTHER, maximum=5 * DOLLAR, at=END + 1)
    assert span(tx) == (END + 1, END + 1096 * DAY)


# ---- a bargain holds ------------------------------------------------------------------------------------------------


def test_a_grant_is_good_to_its_end_when_the_licence_is_revoked(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, at=START + 10 * DAY)
    protocol.registry.revoke(licence, OWNER)
    assert protocol.registry.licenseOf(licence)["endsAt"] == END
    # What is left of the term is still sold; the next one is not.
    assert span(buy(protocol, platform, licence, model=OTHER, at=END - DAY)) == (END - DAY, END)
    with refused("NothingToGrant", licence, GENERATIVE):
        buy(protocol, platform, licence, at=END - 2)
    next_at(END)
    protocol.submit(protocol.report(platform, [row(licence, UNIT)], start=END - 1, end=END))


def test_a_revocation_waits_for_the_end_of_the_term_that_was_sold_ahead(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, at=START + 10 * DAY)
    buy(protocol, platform, licence, at=OPENS)
    for _ in range(2):
        tx = protocol.registry.revoke(licence, OWNER)
        assert tx.events["LicenseRevoked"]["endsAt"] == END + YEAR
        protocol.registry.reinstate(licence, OWNER)
    protocol.registry.revoke(licence, OWNER)
    with refused("NothingToGrant", licence, GENERATIVE):
        buy(protocol, platform, licence, at=END + YEAR - DAY)
    next_at(END + YEAR)
    last = protocol.report(platform, [row(licence, UNIT)], start=END + YEAR - 1, end=END + YEAR)
    protocol.submit(last)
    assert not protocol.registry.consentAt(licence, GENERATIVE, END + YEAR)


def test_another_platforms_renewal_holds_the_licence_for_one_term_once(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, at=START + 10 * DAY)
    buy(protocol, platform, licence, at=OPENS)
    # A year later nobody has renewed: the revocation is as quick as any.
    next_at(END + YEAR - DAY)
    tx = protocol.registry.revoke(licence, OWNER)
    assert tx.events["LicenseRevoked"]["endsAt"] == END + YEAR


def test_an_amendment_waits_for_the_end_of_the_term_that_was_sold_ahead(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    none = terms({})
    protocol.intern_terms(none)
    buy(protocol, platform, licence, at=START + 10 * DAY)
    buy(protocol, platform, licence, at=OPENS)
    next_at(OPENS)
    tx = protocol.registry.amend(licence, none.digest(), keccak(b"no more"), OWNER)
    assert tx.events["LicenseAmended"]["from"] == END + YEAR
    assert protocol.registry.consentAt(licence, GENERATIVE, END + YEAR - 1)
    assert not protocol.registry.consentAt(licence, GENERATIVE, END + YEAR)


def test_a_term_is_not_sold_ahead_while_an_amendment_could_still_take_from_it(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    none = terms({})
    protocol.intern_terms(none)
    buy(protocol, platform, licence, at=START + 10 * DAY)
    # Thirty days before the end is the last second for either: the amendment has it.
    with refused("RenewalTooEarly", licence, GENERATIVE, OPENS):
        buy(protocol, platform, licence, at=OPENS - 1)
    next_at(OPENS - 1)
    tx = protocol.registry.amend(licence, none.digest(), keccak(b"no more"), OWNER)
    assert tx.events["LicenseAmended"]["from"] == END
    with refused("AmendmentPending", licence, END):
        buy(protocol, platform, licence, at=OPENS)
    # Withdrawn, it cannot come back before the end of the next term: that is for sale.
    protocol.registry.amend(licence, offer().digest(), keccak(b"as it was"), OWNER)
    assert span(buy(protocol, platform, licence, at=OPENS + DAY)) == (END, END + YEAR)


def test_lower_prices_in_the_term_that_was_sold_ahead_leave_the_grant_as_it_is(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    cheaper = offer(fee=FEE - 1)
    protocol.intern_terms(cheaper)
    buy(protocol, platform, licence, at=START + 10 * DAY)
    buy(protocol, platform, licence, at=OPENS)
    tx = protocol.registry.amend(licence, cheaper.digest(), keccak(b"cheaper"), OWNER)
    assert tx.events["LicenseAmended"]["from"] == END
    tx = protocol.registry.revoke(licence, OWNER)
    assert tx.events["LicenseRevoked"]["endsAt"] == END + YEAR
    assert covered(protocol, platform, licence, (END + YEAR - 1, END + YEAR)) == [True]


def test_what_was_never_the_licensors_to_give_takes_its_grants_with_it(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    buy(protocol, platform, licence, model=ANY, at=START + 10 * DAY)
    end = START + 20 * DAY
    next_at(end)
    protocol.registry.voidLicense(licence, acting_as(protocol.disputes))
    assert covered(protocol, platform, licence, (end - 1, end), (end, end + 1)) == [True, False]


# ---- one model ------------------------------------------------------------------------------------------------------


def test_a_grant_for_any_model_serves_no_use_under_terms_that_bind_to_one(
    protocol: DeployedProtocol, platform: int, licence: int
) -> None:
    bound = offer(Flag.MODEL_BOUND)
    protocol.intern_terms(bound)
    buy(protocol, platform, licence, model=ANY, at=START + 10 * DAY)
    protocol.registry.amend(licence, bound.digest(), keccak(b"one model"), OWNER)
    before, across = (END - DAY, END), (END - DAY, END + DAY)
    for model in (MODEL, OTHER, ANY):
        assert covered(protocol, platform, licence, before, across, model=model) == [True, False]
    with refused("ModelMissing", licence, GENERATIVE):
        buy(protocol, platform, licence, model=ANY, at=END)
    next_at(END + DAY)
    report = protocol.report(platform, [row(licence, UNIT)], start=across[0], end=across[1])
    with refused("GrantMissing", licence, GENERATIVE):
        protocol.submit(report)
    buy(protocol, platform, licence, at=END + DAY + 10)
    assert covered(protocol, platform, licence, across) == [False]
    after = (END + DAY, END + DAY + 11)
    assert covered(protocol, platform, licence, after) == [True]
    assert covered(protocol, platform, licence, after, model=OTHER) == [False]
