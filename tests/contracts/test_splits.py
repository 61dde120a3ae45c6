"""Splits: what is a split, what is refused, and accumulators that keep to their lane."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.protocol.constants import Role
from tests.contracts.contest import (
    acting_as,
    check_books,
    deploy,
    escrow,
    own_contracts,
    packed_credits,
)
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    GOVERNOR,
    LABEL,
    PLATFORM_ADMIN,
    PRODUCER,
    RELAY,
    RIVAL_ADMIN,
    RIVAL_REPORTER,
    SOCIETY,
    STRANGER,
    UNIT,
    DeployedProtocol,
    raw_split,
    refused,
    row,
    split,
)

UINT64_MAX = 2**64 - 1
LOW, HIGH = sorted([ARTIST, LABEL], key=lambda account: int(account, 16))


def intern(protocol: DeployedProtocol, payees: list[tuple[Any, ...]], sender: str = RELAY) -> Any:
    return protocol.vault.internSplit(payees, {"from": sender})


def accounts_in_order(count: int) -> list[str]:
    return ["0x" + f"{0xA000 + number:040x}" for number in range(count)]


@pytest.fixture
def module(protocol: DeployedProtocol) -> tuple[Any, int]:
    """A further module with nearly all the money a uint64 counts reserved, and its platform."""
    platform = protocol.platform(UINT64_MAX - 1)
    lane = deploy("TestModule", protocol.vault)
    protocol.vault.listModule(lane, {"from": GOVERNOR})
    protocol.wait(protocol.parameters.module_delay)
    protocol.vault.enableModule(platform, lane, True, {"from": PLATFORM_ADMIN})
    lane.reserve(platform, UINT64_MAX - 1, {"from": RELAY})
    return lane, platform


# ---- interning ----------------------------------------------------------------------------------------------------


def test_a_split_is_stored_once_under_its_digest(protocol: DeployedProtocol) -> None:
    pays = split((ARTIST, 600_000), (LABEL, 400_000))
    first = intern(protocol, raw_split(pays))
    assert first.return_value == protocol.vault.splitCount()
    event = first.events["SplitInterned"]
    assert event["splitId"] == first.return_value
    assert bytes(event["digest"]) == pays.digest()
    assert [tuple(payee) for payee in event["payees"]] == raw_split(pays)

    again = intern(protocol, raw_split(pays), STRANGER)
    assert again.return_value == first.return_value
    assert "SplitInterned" not in again.events
    assert protocol.vault.splitCount() == first.return_value


def test_the_same_payees_in_other_shares_or_roles_are_another_split(
    protocol: DeployedProtocol,
) -> None:
    one = intern(protocol, raw_split(split((ARTIST, 600_000), (LABEL, 400_000)))).return_value
    shares = intern(protocol, raw_split(split((ARTIST, 600_001), (LABEL, 399_999)))).return_value
    pays = split((ARTIST, 600_000), (LABEL, 400_000), role=Role.COMPOSER)
    roles = intern(protocol, raw_split(pays)).return_value
    assert (shares, roles) == (one + 1, one + 2)


def test_a_position_says_share_role_and_what_was_claimed(protocol: DeployedProtocol) -> None:
    split_id = intern(protocol, [(LOW, 1, 1), (HIGH, 999_999, 9)]).return_value
    assert protocol.vault.positionOf(split_id, LOW) == (1, 0, 1)
    assert protocol.vault.positionOf(split_id, HIGH) == (999_999, 0, 9)
    assert protocol.vault.positionOf(split_id, STRANGER) == (0, 0, 0)
    assert protocol.vault.receivedOf(split_id) == 0
    assert protocol.vault.receivedOf(split_id + 1) == 0


def test_sixty_four_payees_are_fine_and_sixty_five_are_not(protocol: DeployedProtocol) -> None:
    shares = [(account, 15_625, 4) for account in accounts_in_order(64)]
    assert intern(protocol, shares).return_value != 0
    with refused("PayeeCountInvalid", 65):
        intern(protocol, [(account, 1, 4) for account in accounts_in_order(65)])


def test_a_split_without_payees_is_refused(protocol: DeployedProtocol) -> None:
    with refused("PayeeCountInvalid", 0):
        intern(protocol, [])


def test_payees_out_of_order_or_twice_are_refused_by_position(protocol: DeployedProtocol) -> None:
    with refused("PayeesNotAscending", 1, LOW):
        intern(protocol, [(HIGH, 500_000, 1), (LOW, 500_000, 1)])
    with refused("PayeesNotAscending", 1, LOW):
        intern(protocol, [(LOW, 500_000, 1), (LOW, 500_000, 2)])


def test_money_that_nobody_could_take_out_is_refused(protocol: DeployedProtocol) -> None:
    for account in ("0x" + "00" * 20, *own_contracts(protocol)):
        with refused("PayeeInvalid", account):
            intern(protocol, [(account, 1_000_000, 1)])


def test_a_share_of_nothing_is_refused(protocol: DeployedProtocol) -> None:
    with refused("ShareInvalid", LOW):
        intern(protocol, [(LOW, 0, 1), (HIGH, 1_000_000, 1)])


@pytest.mark.parametrize("role", [0, 10, 255])
def test_a_role_outside_one_to_nine_is_refused(protocol: DeployedProtocol, role: int) -> None:
    with refused("RoleInvalid", LOW, role):
        intern(protocol, [(LOW, 1_000_000, role)])


@pytest.mark.parametrize(
    ("low", "high", "total"),
    [(500_000, 499_999, 999_999), (500_000, 500_001, 1_000_001), (2**32 - 1, 2**32 - 1, 2**33 - 2)],
)
def test_shares_must_sum_to_a_million(
    protocol: DeployedProtocol, low: int, high: int, total: int
) -> None:
    with refused("SharesNotWhole", total):
        intern(protocol, [(LOW, low, 1), (HIGH, high, 1)])


def test_a_refused_split_leaves_nothing_behind(protocol: DeployedProtocol) -> None:
    before = protocol.vault.splitCount()
    with refused("SharesNotWhole", 999_999):
        intern(protocol, [(LOW, 999_999, 1)])
    assert protocol.vault.splitCount() == before
    assert protocol.vault.positionOf(before + 1, LOW) == (0, 0, 0)


# ---- accumulators -------------------------------------------------------------------------------------------------


def test_four_splits_of_one_word_do_not_disturb_each_other(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    payees = [ARTIST, LABEL, PRODUCER, SOCIETY, STRANGER]
    ids = [intern(protocol, raw_split(split((payee, 1_000_000)))).return_value for payee in payees]
    # Five neighbours span two words; the amounts fill their lanes from both ends, and come in any order.
    amounts = [1, 2**63, 0, 2**40 + 7, 3]
    pairs = list(zip(ids, amounts, strict=True))
    lane.credit(platform, packed_credits(*pairs[::2]), {"from": RELAY})
    lane.credit(platform, packed_credits(*pairs[1::2], (ids[0], 5), (ids[1], 6)), {"from": RELAY})
    assert [protocol.vault.receivedOf(split_id) for split_id in ids] == [
        6,
        2**63 + 6,
        0,
        2**40 + 7,
        3,
    ]


def test_one_split_named_many_times_in_one_batch_receives_the_sum(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    a = intern(protocol, raw_split(split((ARTIST, 1_000_000)))).return_value
    b = intern(protocol, raw_split(split((LABEL, 1_000_000)))).return_value
    tx = lane.credit(
        platform, packed_credits((a, 1), (b, 10), (a, 2), (a, 3), (b, 20)), {"from": RELAY}
    )
    assert tx.return_value == 36
    assert (protocol.vault.receivedOf(a), protocol.vault.receivedOf(b)) == (6, 30)


def wash(protocol: DeployedProtocol, module: tuple[Any, int], *payees: tuple[str, int]) -> int:
    """A split that received all that a lane holds: 2^64 - 2, as it opens at 1. Its id."""
    lane, platform = module
    split_id = int(intern(protocol, raw_split(split(*payees))).return_value)
    lane.credit(platform, packed_credits((split_id, UINT64_MAX - 1)), {"from": RELAY})
    assert protocol.vault.receivedOf(split_id) == UINT64_MAX - 1
    return split_id


def refill(protocol: DeployedProtocol, module: tuple[Any, int], amount: int) -> None:
    """Reserve more for the further module, out of fresh dollars."""
    lane, platform = module
    protocol.fund_account(STRANGER, amount)
    protocol.vault.deposit(platform, amount, {"from": STRANGER})
    lane.reserve(platform, amount, {"from": RELAY})


def test_a_full_accumulator_leaves_out_the_rest_instead_of_spilling_into_its_neighbour(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    a = wash(protocol, module, (ARTIST, 1_000_000))
    b = intern(protocol, raw_split(split((LABEL, 1_000_000)))).return_value
    refill(protocol, module, DOLLAR)
    tx = lane.credit(platform, packed_credits((b, 1), (a, 1), (b, 5), (a, 7)), {"from": RELAY})
    # The whole sum is spent from the bucket, what found no room included: it stays in the vault.
    assert tx.return_value == tx.events["Credited"]["amount"] == 14
    assert protocol.vault.reservedOf(lane, platform) == DOLLAR - 14
    assert (protocol.vault.receivedOf(a), protocol.vault.receivedOf(b)) == (UINT64_MAX - 1, 6)
    check_books(protocol, modules=[lane.address], stranded=8)


def test_an_accumulator_takes_the_part_that_has_room(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    ids = [
        intern(protocol, raw_split(split((payee, 1_000_000)))).return_value
        for payee in (ARTIST, LABEL, PRODUCER, SOCIETY)
    ]
    most = UINT64_MAX - 5
    for split_id in ids:
        lane.credit(platform, packed_credits((split_id, most)), {"from": RELAY})
        refill(protocol, module, most)
        lane.credit(platform, packed_credits((split_id, 10)), {"from": RELAY})
        refill(protocol, module, 10)
    assert [protocol.vault.receivedOf(split_id) for split_id in ids] == [UINT64_MAX - 1] * 4
    check_books(protocol, modules=[lane.address], stranded=4 * 6)


def test_payees_of_a_full_split_take_out_what_it_received(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    payees = ((ARTIST, 600_000), (LABEL, 400_000))
    full = wash(protocol, module, *payees)
    refill(protocol, module, DOLLAR)
    lane.credit(platform, packed_credits((full, DOLLAR)), {"from": RELAY})
    for payee, share in payees:
        due = (UINT64_MAX - 1) * share // 1_000_000
        assert protocol.vault.claimable(payee, [full]) == due
        assert protocol.vault.claim(payee, [full], {"from": RELAY}).return_value == due
        assert protocol.token.balanceOf(payee) == due
    # Nothing that comes later is theirs.
    refill(protocol, module, DOLLAR)
    lane.credit(platform, packed_credits((full, DOLLAR)), {"from": RELAY})
    assert protocol.vault.claimable(ARTIST, [full]) == 0
    assert protocol.vault.claim(ARTIST, [full], {"from": RELAY}).return_value == 0
    check_books(protocol, modules=[lane.address], stranded=2 * DOLLAR)


def test_a_report_with_a_washed_split_settles_for_everybody_else(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    full = wash(protocol, module, (STRANGER, 1_000_000))
    washed = protocol.license(pays=split((STRANGER, 1_000_000)), owner=STRANGER)
    honest = [
        protocol.license(pays=split((payee, 1_000_000)), owner=payee) for payee in (ARTIST, LABEL)
    ]
    assert protocol.registry.licenseOf(washed)["splitId"] == full
    other = protocol.platform(100 * DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    protocol.wait(30 * DAY)
    rows = [row(license_id, 1_000 * UNIT) for license_id in (washed, *honest)]
    report = protocol.report(other, rows)
    protocol.submit(report, reporter=RIVAL_REPORTER)
    protocol.pass_window()
    # A dollar for each of the three.
    assert protocol.settle(report).events["ReportSettled"]["credited"] == 3 * DOLLAR
    assert protocol.vault.receivedOf(full) == UINT64_MAX - 1
    assert protocol.vault.reservedOf(protocol.oracle, other) == 0
    assert escrow(protocol, other)[:5] == (97 * DOLLAR, 0, 1_000 * DOLLAR, 0, 0)
    for payee in (ARTIST, LABEL):
        split_id = protocol.split_id(split((payee, 1_000_000)))
        assert protocol.vault.claim(payee, [split_id], {"from": RELAY}).return_value == DOLLAR
    assert protocol.vault.claim(STRANGER, [full], {"from": RELAY}).return_value == UINT64_MAX - 1
    check_books(protocol, modules=[module[0].address], stranded=DOLLAR)


def test_bonds_and_fees_for_a_full_split_stay_in_the_vault(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    full = wash(protocol, module, (ARTIST, 1_000_000))
    protocol.fund_account(LABEL, 12)
    protocol.vault.postBond(LABEL, 5, acting_as(protocol.disputes))
    protocol.vault.bondToSplit(full, 5, acting_as(protocol.disputes))
    protocol.vault.payIn(LABEL, full, 7, acting_as(protocol.grants))
    assert protocol.token.balanceOf(LABEL) == 0
    assert protocol.vault.challengeBonds() == 0
    assert protocol.vault.receivedOf(full) == UINT64_MAX - 1
    check_books(protocol, modules=[module[0].address], stranded=12)


def test_credits_of_splits_that_nobody_interned_are_refused(
    protocol: DeployedProtocol, module: tuple[Any, int]
) -> None:
    lane, platform = module
    last = intern(protocol, raw_split(split((ARTIST, 1_000_000)))).return_value
    for unknown in (0, last + 1, 2**32 - 1):
        with refused("UnknownSplit", unknown):
            lane.credit(platform, packed_credits((last, 1), (unknown, 1)), {"from": RELAY})
        with refused("UnknownSplit", unknown):
            protocol.vault.bondToSplit(unknown, 0, acting_as(protocol.disputes))
    assert protocol.vault.receivedOf(last) == 0
