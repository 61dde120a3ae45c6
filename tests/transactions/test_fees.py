"""First fees and bumps, against a table worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.transactions.fees import Fees, bumped, first_fees

wei = st.integers(min_value=1, max_value=10**13)


@pytest.mark.parametrize(
    ("base", "tip", "cap", "expected"),
    [
        (10, 1, 100, Fees(21, 1)),
        (60, 1, 100, Fees(100, 1)),
        (100, 1, 100, Fees(100, 1)),
        (101, 1, 100, None),
        (0, 0, 100, Fees(0, 0)),
        (3, 200, 100, Fees(100, 100)),
    ],
)
def test_first_fees_are_twice_the_base_fee_and_the_tip_within_the_cap(
    base: int, tip: int, cap: int, expected: Fees | None
) -> None:
    assert first_fees(base, tip, cap) == expected


@pytest.mark.parametrize(
    ("old", "cap", "at_least", "expected"),
    [
        (Fees(1_000, 100), 10_000, None, Fees(1_130, 113)),
        (Fees(1_001, 101), 10_000, None, Fees(1_132, 115)),  # 1131.13 and 114.13, rounded up
        (Fees(1_000, 100), 1_128, None, Fees(1_128, 113)),  # less than 13 %, more than 12.5 %
        (Fees(1_000, 100), 1_125, None, Fees(1_125, 113)),
        (Fees(1_000, 100), 1_124, None, None),
        (Fees(1_000, 100), 1_000, None, None),
        (Fees(1_000, 100), 10_000, Fees(5_000, 100), Fees(5_000, 113)),
        (Fees(1_000, 100), 4_000, Fees(5_000, 300), Fees(4_000, 300)),
        (Fees(1_000, 1_000), 1_127, None, Fees(1_127, 1_127)),
        (Fees(1_000, 0), 10_000, None, Fees(1_130, 0)),
        (Fees(1, 1), 10, None, Fees(2, 2)),
    ],
)
def test_a_bump_by_the_table(
    old: Fees, cap: int, at_least: Fees | None, expected: Fees | None
) -> None:
    assert bumped(old, cap, at_least) == expected


@given(max_fee=wei, tip=wei, cap=wei)
def test_every_bump_replaces_in_any_node_and_keeps_to_the_cap(
    max_fee: int, tip: int, cap: int
) -> None:
    old = Fees(max_fee, min(tip, max_fee))
    new = bumped(old, cap)
    if new is None:
        assert cap < 1.14 * max_fee + 1
        return
    assert new.max_fee <= cap
    assert new.priority_fee <= new.max_fee
    assert 8 * new.max_fee >= 9 * old.max_fee
    assert 8 * new.priority_fee >= 9 * old.priority_fee
