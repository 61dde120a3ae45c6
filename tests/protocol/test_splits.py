"""Splits name each payee once and give away exactly everything."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import InputError
from obbligato.protocol.constants import PPM, Role
from obbligato.protocol.splits import Payee, Split, divide, entitlement
from tests.protocol.examples import account, uint64
from tests.protocol.vectors import data, vectors

CHECKSUMMED = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def payee(number: int, share: object, role: object = 1) -> dict[str, object]:
    return {"account": account(number), "share": share, "role": role}


@pytest.mark.parametrize("vector", vectors("splits"))
def test_digests_agree_with_viem(vector: dict[str, Any]) -> None:
    assert Split.read(vector["input"]).digest() == data(vector["expected"]["digest"])


@pytest.mark.parametrize("vector", vectors("entitlements"))
def test_entitlements_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    assert entitlement(**vector["input"]) == vector["expected"]["entitlement"]


@pytest.mark.parametrize(
    ("payees", "reason"),
    [
        ([], "at least 1"),
        ([payee(1, PPM - 1)], "999999"),
        ([payee(1, 500_000), payee(2, 500_001)], "1000001"),
        ([payee(2, 500_000), payee(1, 500_000)], "sort"),
        ([payee(1, 500_000), payee(1, 500_000)], "twice"),
        ([payee(number, 1 + 999_935 * (number == 65)) for number in range(1, 66)], "at most 64"),
    ],
)
def test_a_list_that_is_no_split_is_refused(payees: list[object], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        Split.read({"payees": payees})
    assert refused.value.field == "payees"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (payee(0, PPM), "account"),
        (payee(1, 0), "share"),
        (payee(1, PPM + 1), "share"),
        (payee(1, -1), "share"),
        (payee(1, 1e6), "share"),
        (payee(1, True), "share"),
        (payee(1, "1000000"), "share"),
        (payee(1, PPM, 0), "role"),
        (payee(1, PPM, 10), "role"),
        (payee(1, PPM, 1.0), "role"),
        (payee(1, PPM, "composer"), "role"),
        (payee(1, PPM, True), "role"),
        ({**payee(1, PPM), "name": "Nina"}, "name"),
        ({**payee(1, PPM), "account": b"\1" * 20}, "account"),
        ({**payee(1, PPM), "account": CHECKSUMMED[2:]}, "account"),
        ({**payee(1, PPM), "account": CHECKSUMMED + "00"}, "account"),
        ({**payee(1, PPM), "account": "0x" + CHECKSUMMED[2:].upper()}, "account"),
        ({**payee(1, PPM), "account": CHECKSUMMED.replace("9F", "9f")}, "account"),
    ],
)
def test_a_malformed_payee_is_refused_by_field(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as refused:
        Split.read({"payees": [wrong]})
    assert refused.value.field == f"payees.0.{field}"


def test_an_address_is_given_in_lower_case_or_with_its_checksum() -> None:
    for spelled in (CHECKSUMMED, CHECKSUMMED.lower()):
        assert Payee(account=spelled, share=1, role=Role.LABEL).account == CHECKSUMMED
    mistyped = CHECKSUMMED.replace("d6e", "D6e")
    with pytest.raises(InputError, match="checksum"):
        Payee(account=mistyped, share=1, role=Role.LABEL)


def test_payees_in_any_order_make_the_same_split() -> None:
    shares = [payee(3, 200_000), payee(1, 300_000), payee(2, 500_000)]
    split = Split.of(shares)
    assert [one.account for one in split.payees] == [account(number) for number in (1, 2, 3)]
    assert split == Split.of(reversed(shares))
    assert split.share_of(account(2)) == 500_000
    assert split.share_of(account(9)) == 0


def test_sorting_is_by_number_not_by_spelling() -> None:
    low, high = "0x" + "0a" * 20, "0x" + "b0" * 20
    split = Split.of(
        [payee(1, 1), {**payee(1, 1), "account": high}, {**payee(1, 999_998), "account": low}]
    )
    numbers = [int(one.account, 16) for one in split.payees]
    assert numbers == sorted(numbers)


def test_a_contract_of_the_deployment_and_the_token_cannot_be_paid() -> None:
    with pytest.raises(
        InputError, match="contract of the deployment or the money token"
    ) as refused:
        Split.of([payee(1, 500_000), payee(2, 500_000)], forbidden=[account(2).lower()])
    assert refused.value.row == 1


@pytest.mark.parametrize(
    ("received", "share"),
    [(-1, 1), (2**64, 1), (1.0, 1), (True, 1), ("1", 1), (1, 0), (1, PPM + 1), (1, 1.0)],
)
def test_entitlements_of_no_money_are_refused(received: Any, share: Any) -> None:
    with pytest.raises(InputError):
        entitlement(received, share)


@st.composite
def some_splits(draw: Any) -> Split:
    cuts = draw(st.sets(st.integers(min_value=1, max_value=PPM - 1), max_size=63))
    marks = [0, *sorted(cuts), PPM]
    return Split.of(
        payee(number, after - before)
        for number, (before, after) in enumerate(pairwise(marks), start=1)
    )


@given(some_splits(), uint64)
def test_payees_never_get_more_than_came_in_and_leave_under_a_unit_each(
    split: Split, received: int
) -> None:
    amounts = divide(received, split)
    assert 0 <= received - sum(amounts.values()) < len(split.payees)


@given(some_splits(), st.lists(st.integers(min_value=0, max_value=2**50), max_size=20))
def test_claims_in_any_batches_come_to_the_same(split: Split, credited: list[int]) -> None:
    received = 0
    claimed = dict.fromkeys((one.account for one in split.payees), 0)
    for amount in credited:
        received += amount
        for name, entitled in divide(received, split).items():
            assert entitled >= claimed[name]
            claimed[name] += entitled - claimed[name]
    assert claimed == divide(sum(credited), split)
