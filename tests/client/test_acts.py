"""A platform's acts on a real node, checked against what the vault itself says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from obbligato.chain.abis import DOLLAR
from obbligato.client.platform import Withdrawal, deposit, register, withdraw
from obbligato.errors import ContractRefused, NotFound, RefusedError
from obbligato.keys import LocalSigner
from scripts.demo.cast import RELAY, node_account, person
from tests.onchain import ARTIST, DAY, DOLLARS, Acts, DeployedProtocol, split
from tests.scenario import GENERATED, MODEL, OPEN

ADMIN = node_account(19)
SIGNER = LocalSigner(bytes(ADMIN.key))
REPORTER = person("a reporter of the client's tests")


@pytest.fixture
def acts(onchain: DeployedProtocol) -> Iterator[Acts]:
    """The deployed protocol as it was, after the test too."""
    made = Acts(onchain)
    with made.undone():
        yield made


@pytest.fixture
def platform(acts: Acts) -> int:
    """A platform with 100 dollars available, and 50 more in its admin's hands."""
    bond = acts.chain.call("RoyaltyVault", "minimumBond")
    acts.chain.transact(RELAY, DOLLAR, "mint", ADMIN.address, bond + 150 * DOLLARS)
    number = register(acts.chain, SIGNER, reporters=[REPORTER.address])
    deposit(acts.chain, SIGNER, number, 100 * DOLLARS)
    return number


def held(acts: Acts) -> int:
    return int(acts.chain.call(DOLLAR, "balanceOf", ADMIN.address))


def test_a_platform_registers_with_the_least_bond_and_no_allowance_is_left(
    acts: Acts, platform: int
) -> None:
    chain = acts.chain
    assert platform == chain.call("RoyaltyVault", "platformCount")
    assert chain.call("RoyaltyVault", "platformOf", platform)[0] == ADMIN.address
    assert chain.call("RoyaltyVault", "isReporter", platform, REPORTER.address)
    assert chain.escrow(platform).bond_units == chain.call("RoyaltyVault", "minimumBond")
    vault = chain.deployment.address("RoyaltyVault")
    assert chain.call(DOLLAR, "allowance", ADMIN.address, vault) == 0


def test_a_bond_below_the_least_sends_nothing(acts: Acts) -> None:
    count = acts.chain.web3.eth.get_transaction_count(ADMIN.address)
    with pytest.raises(RefusedError, match="a bond of 1 is too small: the vault asks for"):
        register(acts.chain, SIGNER, reporters=[REPORTER.address], bond=1)
    assert acts.chain.web3.eth.get_transaction_count(ADMIN.address) == count


def test_an_admin_without_dollars_is_told_how_many_are_needed(acts: Acts) -> None:
    bond = acts.chain.call("RoyaltyVault", "minimumBond")
    missing = held(acts)
    assert missing < bond
    with pytest.raises(RefusedError, match=f"holds {missing} millionths of a dollar, {bond} are"):
        register(acts.chain, SIGNER, reporters=[REPORTER.address])


def test_a_deposit_adds_exactly_its_amount(acts: Acts, platform: int) -> None:
    before = held(acts)
    assert deposit(acts.chain, SIGNER, platform, 1).available_units == 100 * DOLLARS + 1
    assert held(acts) == before - 1


def test_a_deposit_for_nobody_is_refused(acts: Acts) -> None:
    with pytest.raises(NotFound, match="there is no platform 4000"):
        deposit(acts.chain, SIGNER, 4000, 1)


def test_money_thaws_and_is_then_withdrawn(acts: Acts, platform: int) -> None:
    before = held(acts)
    period = acts.chain.call("RoyaltyVault", "thawPeriod")
    started = withdraw(acts.chain, SIGNER, platform, 30 * DOLLARS)
    ends_at = acts.now() + period
    assert started == Withdrawal(0, 30 * DOLLARS, ends_at)
    # Asked again before its time it tells when, and sends nothing.
    assert withdraw(acts.chain, SIGNER, platform) == Withdrawal(0, 30 * DOLLARS, ends_at)
    assert acts.now() + period == ends_at
    acts.wait(period // DAY + 1)
    assert withdraw(acts.chain, SIGNER, platform) == Withdrawal(30 * DOLLARS, 0, None)
    assert held(acts) == before + 30 * DOLLARS
    escrow = acts.chain.escrow(platform)
    assert (escrow.available_units, escrow.thawing_units) == (70 * DOLLARS, 0)


def test_what_was_not_taken_within_three_days_thaws_again(acts: Acts, platform: int) -> None:
    period = acts.chain.call("RoyaltyVault", "thawPeriod")
    withdraw(acts.chain, SIGNER, platform, 30 * DOLLARS)
    acts.wait(period // DAY + 3)
    # 30 dollars lapsed and 70 never thawed: all of them are available.
    with pytest.raises(RefusedError, match="100000001 cannot thaw: 100000000 is available"):
        withdraw(acts.chain, SIGNER, platform, 100 * DOLLARS + 1)
    assert withdraw(acts.chain, SIGNER, platform).thawing == 100 * DOLLARS
    assert acts.chain.escrow(platform).available_units == 0


def test_without_an_amount_all_that_is_available_thaws(acts: Acts, platform: int) -> None:
    assert withdraw(acts.chain, SIGNER, platform).thawing == 100 * DOLLARS


def test_a_running_thaw_is_not_begun_anew_unless_that_is_asked_for(
    acts: Acts, platform: int
) -> None:
    first = withdraw(acts.chain, SIGNER, platform, 30 * DOLLARS)
    acts.wait(1)
    with pytest.raises(RefusedError, match="would begin its time anew"):
        withdraw(acts.chain, SIGNER, platform, 20 * DOLLARS)
    assert acts.chain.escrow(platform).thaw_ends_at == first.ends_at
    again = withdraw(acts.chain, SIGNER, platform, 20 * DOLLARS, restart=True)
    assert again.thawing == 50 * DOLLARS
    assert first.ends_at is not None
    assert again.ends_at is not None
    assert again.ends_at >= first.ends_at + DAY


@pytest.mark.parametrize("amount", [0, 100 * DOLLARS + 1])
def test_no_more_thaws_than_is_available(acts: Acts, platform: int, amount: int) -> None:
    with pytest.raises(RefusedError, match=f"{amount} cannot thaw: 100000000 is available"):
        withdraw(acts.chain, SIGNER, platform, amount)


def test_only_the_admin_withdraws(acts: Acts, platform: int) -> None:
    with pytest.raises(RefusedError, match="is not the admin of platform"):
        withdraw(acts.chain, LocalSigner(bytes(RELAY.key)), platform)


def test_a_platform_with_an_unfunded_report_is_told_to_deposit(acts: Acts, platform: int) -> None:
    chain = acts.chain
    withdraw(chain, SIGNER, platform)
    acts.wait(chain.call("RoyaltyVault", "thawPeriod") // DAY + 1)
    license_id = acts.mint(ARTIST, OPEN, split((ARTIST, 1_000_000)), "one of many uses")
    start, end = acts.now(), acts.wait(1)
    uses = [(license_id, *GENERATED, 1_000_000)]
    acts.report(platform, REPORTER, MODEL, uses, (start, end))  # 2 400 dollars
    assert chain.escrow(platform).obligations == 1
    acts.wait(chain.call("RoyaltyVault", "settlementPeriod") // DAY + 1)
    with pytest.raises(RefusedError, match="unfunded reports or rulings in arrears come first"):
        withdraw(chain, SIGNER, platform)


def test_a_contracts_refusal_is_found_before_anything_is_sent(acts: Acts, platform: int) -> None:
    count = acts.chain.web3.eth.get_transaction_count(ADMIN.address)
    with pytest.raises(ContractRefused, match="NothingThawing"):
        acts.chain.transact(SIGNER, "RoyaltyVault", "cancelThaw", platform)
    assert acts.chain.web3.eth.get_transaction_count(ADMIN.address) == count
