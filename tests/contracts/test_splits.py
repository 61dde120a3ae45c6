"""Splits: what is a split, what is refused, and accumulators that keep to their lane."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.words import Role
from tests.contracts.contest import acting_as, check_books, deploy, escrow, packed_credits
from tests.contracts.house import (
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
    House,
    raw_split,
    refused,
    row,
    split,
)

UINT64_MAX = 2**64 - 1
LOW, HIGH = sorted([ARTIST, LABEL], key=lambda account: int(account, 16))


def intern(house: House, payees: list[tuple[Any, ...]], sender: str = RELAY) -> Any:
    return house.vault.internSplit(payees, {"from": sender})


def accounts_in_order(count: int) -> list[str]:
    return ["0x" + f"{0xA000 + number:040x}" for number in range(count)]


@pytest.fixture
def module(house: House) -> tuple[Any, int]:
    """A further module with nearly all the money a uint64 counts reserved, and its platform."""
    platform = house.platform(UINT64_MAX - 1)
    lane = deploy("TestModule", house.vault)
    house.vault.listModule(lane, {"from": GOVERNOR})
    house.wait(house.parameters.module_delay)
    house.vault.enableModule(platform, lane, True, {"from": PLATFORM_ADMIN})
    lane.reserve(platform, UINT64_MAX - 1, {"from": RELAY})
    return lane, platform


# ---- interning ----------------------------------------------------------------------------------------------------


def test_a_split_is_stored_once_under_its_digest(house: House) -> None:
    pays = split((ARTIST, 600_000), (LABEL, 400_000))
    first = intern(house, raw_split(pays))
    assert first.return_value == house.vault.splitCount()
    event = first.events["SplitInterned"]
    assert event["splitId"] == first.return_value
    assert bytes(event["digest"]) == pays.digest()
    assert [tuple(payee) for payee in event["payees"]] == raw_split(pays)

    again = intern(house, raw_split(pays), STRANGER)
    assert again.return_value == first.return_value
    assert "SplitInterned" not in again.events
    assert house.vault.splitCount() == first.return_value


def test_the_same_payees_in_other_shares_or_roles_are_another_split(house: House) -> None:
    one = intern(house, raw_split(split((ARTIST, 600_000), (LABEL, 400_000)))).return_value
    shares = intern(house, raw_split(split((ARTIST, 600_001), (LABEL, 399_999)))).return_value
    pays = split((ARTIST, 600_000), (LABEL, 400_000), role=Role.COMPOSER)
    roles = intern(house, raw_split(pays)).return_value
    assert (shares, roles) == (one + 1, one + 2)


def test_a_position_says_share_role_and_what_was_claimed(house: House) -> None:
    split_id = intern(house, [(LOW, 1, 1), (HIGH, 999_999, 9)]).return_value
    assert house.vault.positionOf(split_id, LOW) == (1, 0, 1)
    assert house.vault.positionOf(split_id, HIGH) == (999_999, 0, 9)
    assert house.vault.positionOf(split_id, STRANGER) == (0, 0, 0)
    assert house.vault.receivedOf(split_id) == 0
    assert house.vault.receivedOf(split_id + 1) == 0


def test_sixty_four_payees_are_fine_and_sixty_five_are_not(house: House) -> None:
    shares = [(account, 15_625, 4) for account in accounts_in_order(64)]
    assert intern(house, shares).return_value != 0
    with refused("PayeeCountInvalid", 65):
        intern(house, [(account, 1, 4) for account in accounts_in_order(65)])


def test_a_split_without_payees_is_refused(house: House) -> None:
    with refused("PayeeCountInvalid", 0):
        intern(house, [])


def test_payees_out_of_order_or_twice_are_refused_by_position(house: House) -> None:
    with refused("PayeesNotAscending", 1, LOW):
        intern(house, [(HIGH, 500_000, 1), (LOW, 500_000, 1)])
    with refused("PayeesNotAscending", 1, LOW):
        intern(house, [(LOW, 500_000, 1), (LOW, 500_000, 2)])


def test_money_that_nobody_could_take_out_is_refused(house: House) -> None:
    for account in ("0x" + "00" * 20, house.vault.address, house.token.address):
        with refused("PayeeInvalid", account):
            intern(house, [(account, 1_000_000, 1)])


def test_a_share_of_nothing_is_refused(house: House) -> None:
    with refused("ShareInvalid", LOW):
        intern(house, [(LOW, 0, 1), (HIGH, 1_000_000, 1)])


@pytest.mark.parametrize("role", [0, 10, 255])
def test_a_role_outside_one_to_nine_is_refused(house: House, role: int) -> None:
    with refused("RoleInvalid", LOW, role):
        intern(house, [(LOW, 1_000_000, role)])


@pytest.mark.parametrize(
    ("low", "high", "total"),
    [(500_000, 499_999, 999_999), (500_000, 500_001, 1_000_001), (2**32 - 1, 2**32 - 1, 2**33 - 2)],
)
def test_shares_must_sum_to_a_million(house: House, low: int, high: int, total: int) -> None:
    with refused("SharesNotWhole", total):
        intern(house, [(LOW, low, 1), (HIGH, high, 1)])


def test_a_refused_split_leaves_nothing_behind(house: House) -> None:
    before = house.vault.splitCount()
    with refused("SharesNotWhole", 999_999):
        intern(house, [(LOW, 999_999, 1)])
    assert house.vault.splitCount() == before
    assert house.vault.positionOf(before + 1, LOW) == (0, 0, 0)


# ---- accumulators -------------------------------------------------------------------------------------------------


def test_four_splits_of_one_word_do_not_disturb_each_other(
    house: House, module: tuple[Any, int]
) -> None:
    lane, platform = module
    payees = [ARTIST, LABEL, PRODUCER, SOCIETY, STRANGER]
    ids = [intern(house, raw_split(split((payee, 1_000_000)))).return_value for payee in payees]
    # Five neighbours span two words; the amounts fill their lanes from both ends, and come in any order.
    amounts = [1, 2**63, 0, 2**40 + 7, 3]
    pairs = list(zip(ids, amounts, strict=True))
    lane.credit(platform, packed_credits(*pairs[::2]), {"from": RELAY})
    lane.credit(platform, packed_credits(*pairs[1::2], (ids[0], 5), (ids[1], 6)), {"from": RELAY})
    assert [house.vault.receivedOf(split_id) for split_id in ids] == [6, 2**63 + 6, 0, 2**40 + 7, 3]


def test_one_split_named_many_times_in_one_batch_receives_the_sum(
    house: House, module: tuple[Any, int]
) -> None:
    lane, platform = module
    a = intern(house, raw_split(split((ARTIST, 1_000_000)))).return_value
    b = intern(house, raw_split(split((LABEL, 1_000_000)))).return_value
    tx = lane.credit(
        platform, packed_credits((a, 1), (b, 10), (a, 2), (a, 3), (b, 20)), {"from": RELAY}
    )
    assert tx.return_value == 36
    assert (house.vault.receivedOf(a), house.vault.receivedOf(b)) == (6, 30)


def wash(house: House, module: tuple[Any, int], *payees: tuple[str, int]) -> int:
    """A split that received all that a lane holds: 2^64 - 2, as it opens at 1. Its id."""
    lane, platform = module
    split_id = int(intern(house, raw_split(split(*payees))).return_value)
    lane.credit(platform, packed_credits((split_id, UINT64_MAX - 1)), {"from": RELAY})
    assert house.vault.receivedOf(split_id) == UINT64_MAX - 1
    return split_id


def refill(house: House, module: tuple[Any, int], amount: int) -> None:
    """Reserve more for the further module, out of fresh dollars."""
    lane, platform = module
    house.fund_account(STRANGER, amount)
    house.vault.deposit(platform, amount, {"from": STRANGER})
    lane.reserve(platform, amount, {"from": RELAY})


def test_a_full_accumulator_leaves_out_the_rest_instead_of_spilling_into_its_neighbour(
    house: House, module: tuple[Any, int]
) -> None:
    lane, platform = module
    a = wash(house, module, (ARTIST, 1_000_000))
    b = intern(house, raw_split(split((LABEL, 1_000_000)))).return_value
    refill(house, module, DOLLAR)
    tx = lane.credit(platform, packed_credits((b, 1), (a, 1), (b, 5), (a, 7)), {"from": RELAY})
    # The whole sum is spent from the bucket, what found no room included: it stays in the vault.
    assert tx.return_value == tx.events["Credited"]["amount"] == 14
    assert house.vault.reservedOf(lane, platform) == DOLLAR - 14
    assert (house.vault.receivedOf(a), house.vault.receivedOf(b)) == (UINT64_MAX - 1, 6)
    check_books(house, modules=[lane.address], stranded=8)


def test_an_accumulator_takes_the_part_that_has_room(house: House, module: tuple[Any, int]) -> None:
    lane, platform = module
    ids = [
        intern(house, raw_split(split((payee, 1_000_000)))).return_value
        for payee in (ARTIST, LABEL, PRODUCER, SOCIETY)
    ]
    most = UINT64_MAX - 5
    for split_id in ids:
        lane.credit(platform, packed_credits((split_id, most)), {"from": RELAY})
        refill(house, module, most)
        lane.credit(platform, packed_credits((split_id, 10)), {"from": RELAY})
        refill(house, module, 10)
    assert [house.vault.receivedOf(split_id) for split_id in ids] == [UINT64_MAX - 1] * 4
    check_books(house, modules=[lane.address], stranded=4 * 6)


def test_payees_of_a_full_split_take_out_what_it_received(
    house: House, module: tuple[Any, int]
) -> None:
    lane, platform = module
    payees = ((ARTIST, 600_000), (LABEL, 400_000))
    full = wash(house, module, *payees)
    refill(house, module, DOLLAR)
    lane.credit(platform, packed_credits((full, DOLLAR)), {"from": RELAY})
    for payee, share in payees:
        due = (UINT64_MAX - 1) * share // 1_000_000
        assert house.vault.claimable(payee, [full]) == due
        assert house.vault.claim(payee, [full], {"from": RELAY}).return_value == due
        assert house.token.balanceOf(payee) == due
    # Nothing that comes later is theirs.
    refill(house, module, DOLLAR)
    lane.credit(platform, packed_credits((full, DOLLAR)), {"from": RELAY})
    assert house.vault.claimable(ARTIST, [full]) == 0
    assert house.vault.claim(ARTIST, [full], {"from": RELAY}).return_value == 0
    check_books(house, modules=[lane.address], stranded=2 * DOLLAR)


def test_a_report_with_a_washed_split_settles_for_everybody_else(
    house: House, module: tuple[Any, int]
) -> None:
    full = wash(house, module, (STRANGER, 1_000_000))
    washed = house.license(pays=split((STRANGER, 1_000_000)), owner=STRANGER)
    honest = [
        house.license(pays=split((payee, 1_000_000)), owner=payee) for payee in (ARTIST, LABEL)
    ]
    assert house.registry.licenseOf(washed)["splitId"] == full
    other = house.platform(100 * DOLLAR, admin=RIVAL_ADMIN, reporter=RIVAL_REPORTER)
    house.wait(30 * DAY)
    rows = [row(license_id, 1_000 * UNIT) for license_id in (washed, *honest)]
    report = house.report(other, rows)
    house.submit(report, reporter=RIVAL_REPORTER)
    house.pass_window()
    # A dollar for each of the three.
    assert house.settle(report).events["ReportSettled"]["credited"] == 3 * DOLLAR
    assert house.vault.receivedOf(full) == UINT64_MAX - 1
    assert house.vault.reservedOf(house.oracle, other) == 0
    assert escrow(house, other)[:5] == (97 * DOLLAR, 0, 1_000 * DOLLAR, 0, 0)
    for payee in (ARTIST, LABEL):
        split_id = house.split_id(split((payee, 1_000_000)))
        assert house.vault.claim(payee, [split_id], {"from": RELAY}).return_value == DOLLAR
    assert house.vault.claim(STRANGER, [full], {"from": RELAY}).return_value == UINT64_MAX - 1
    check_books(house, modules=[module[0].address], stranded=DOLLAR)


def test_bonds_and_fees_for_a_full_split_stay_in_the_vault(
    house: House, module: tuple[Any, int]
) -> None:
    full = wash(house, module, (ARTIST, 1_000_000))
    house.fund_account(LABEL, 12)
    house.vault.postBond(LABEL, 5, acting_as(house.disputes))
    house.vault.bondToSplit(full, 5, acting_as(house.disputes))
    house.vault.payIn(LABEL, full, 7, acting_as(house.grants))
    assert house.token.balanceOf(LABEL) == 0
    assert house.vault.challengeBonds() == 0
    assert house.vault.receivedOf(full) == UINT64_MAX - 1
    check_books(house, modules=[module[0].address], stranded=12)


def test_credits_of_splits_that_nobody_interned_are_refused(
    house: House, module: tuple[Any, int]
) -> None:
    lane, platform = module
    last = intern(house, raw_split(split((ARTIST, 1_000_000)))).return_value
    for unknown in (0, last + 1, 2**32 - 1):
        with refused("UnknownSplit", unknown):
            lane.credit(platform, packed_credits((last, 1), (unknown, 1)), {"from": RELAY})
        with refused("UnknownSplit", unknown):
            house.vault.bondToSplit(unknown, 0, acting_as(house.disputes))
    assert house.vault.receivedOf(last) == 0
