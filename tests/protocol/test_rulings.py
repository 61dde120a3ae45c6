"""Disputes move what the ruled quantity is worth, and stakes come out even."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import NOT_OFFERED, Tier
from obbligato.protocol.pricing import pool_amounts
from obbligato.protocol.rulings import (
    ContestedRow,
    MeteredPrice,
    PoolPrice,
    Ruling,
    Winner,
    bond,
    rule,
)
from tests.protocol.vectors import vectors


def contested(row: dict[str, Any]) -> ContestedRow:
    price: MeteredPrice | PoolPrice
    if "pool" in row:
        pool = row["pool"]
        price = PoolPrice(
            total=pool["total"], whole_weight=pool["wholeWeight"], tier=Tier(pool["tier"])
        )
    else:
        price = MeteredPrice(rate=row["rate"])
    return ContestedRow(reported=row["reported"], credited=row["credited"], price=price)


def as_json(ruling: Ruling) -> dict[str, object]:
    return {
        "winner": ruling.winner.value,
        "toSplit": ruling.to_split,
        "toPlatform": ruling.to_platform,
        "owed": ruling.owed,
        "toChallenger": ruling.to_challenger,
        "stakeToPlatform": ruling.stake_to_platform,
        "platformStake": ruling.platform_stake,
        "burned": ruling.burned,
    }


@pytest.mark.parametrize("vector", vectors("rulings"))
def test_bonds_and_rulings_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    asked, expected = vector["input"], dict(vector["expected"])
    row = contested(asked["row"])
    put_up = bond(
        row, claimed=asked["claimed"], minimum=asked["minimum"], by_payee=asked["byPayee"]
    )
    assert put_up == expected.pop("bond")
    ruling = rule(row, claimed=asked["claimed"], ruled=asked["ruled"], bond_units=put_up)
    assert as_json(ruling) == expected


ROW = ContestedRow(reported=10_000_000, credited=500, price=MeteredPrice(rate=50))


def test_the_value_as_reported_is_the_frozen_credit_and_nothing_is_worth_nothing() -> None:
    rounded = ContestedRow(
        reported=1_000_000, credited=4, price=PoolPrice(10, 3_000_000, Tier.ANALYSIS)
    )
    assert rounded.value(1_000_000) == 4
    assert rounded.value(999_999) == 3
    assert rounded.value(0) == 0


@pytest.mark.parametrize(
    ("claimed", "ruled"), [(4_000_000, 10_000_001), (4_000_000, 3_999_999), (30_000_000, 9_999_999)]
)
def test_a_ruling_outside_what_is_contested_is_refused(claimed: int, ruled: int) -> None:
    with pytest.raises(InputError) as refused:
        rule(ROW, claimed=claimed, ruled=ruled, bond_units=1)
    assert refused.value.field == "ruled"


def test_a_ruling_above_the_claim_is_refused() -> None:
    with pytest.raises(InputError):
        rule(ROW, claimed=30_000_000, ruled=30_000_001, bond_units=1)


def test_a_claim_of_what_was_reported_contests_nothing() -> None:
    with pytest.raises(InputError, match="what was reported"):
        bond(ROW, claimed=10_000_000, minimum=1, by_payee=False)
    with pytest.raises(InputError, match="what was reported"):
        rule(ROW, claimed=10_000_000, ruled=10_000_000, bond_units=1)


@pytest.mark.parametrize("claimed", [1.0, True, "1", -1, 2**64])
def test_a_claim_of_no_quantity_is_refused(claimed: Any) -> None:
    with pytest.raises(InputError):
        bond(ROW, claimed=claimed, minimum=1, by_payee=False)


def test_an_absent_row_has_no_credit() -> None:
    with pytest.raises(InputError, match="absent"):
        ContestedRow(reported=0, credited=1, price=MeteredPrice(rate=1))


def test_values_without_a_price_or_beyond_uint64_are_refused() -> None:
    unsold = ContestedRow(reported=0, credited=0, price=MeteredPrice(rate=NOT_OFFERED))
    with pytest.raises(RefusedError, match="not offered"):
        unsold.value(1)
    huge = ContestedRow(reported=1, credited=2**64 - 1, price=PoolPrice(2**64 - 1, 1, Tier.VOICE))
    with pytest.raises(RefusedError, match="uint64"):
        huge.value(2**64 - 1)
    with pytest.raises(InputError):
        PoolPrice(1, 0, Tier.VOICE)


@st.composite
def disputes(draw: Any) -> tuple[ContestedRow, int, int, int]:
    """A row out of a real pool or of the meter, a claim, a ruling and a bond."""
    quantity = st.integers(min_value=1, max_value=10**9)
    if draw(st.booleans()):
        listed = draw(st.lists(quantity, min_size=1, max_size=8))
        total = draw(st.integers(min_value=0, max_value=10**9))
        index = draw(st.integers(min_value=0, max_value=len(listed) - 1))
        price: MeteredPrice | PoolPrice = PoolPrice(total, sum(listed), Tier.ANALYSIS)
        row = ContestedRow(listed[index], pool_amounts(total, listed)[index], price)
    else:
        reported = draw(st.just(0) | quantity)
        price = MeteredPrice(rate=draw(st.integers(min_value=0, max_value=10**9)))
        row = ContestedRow(reported, price.amount(reported), price)
    claimed = draw(quantity.filter(lambda q: q != row.reported))
    low, high = sorted((claimed, row.reported))
    ruled = draw(st.integers(min_value=low, max_value=high))
    return row, claimed, ruled, draw(st.integers(min_value=0, max_value=10**6))


@given(disputes())
def test_no_unit_is_made_or_lost(dispute: tuple[ContestedRow, int, int, int]) -> None:
    row, claimed, ruled, bond_units = dispute
    ruling = rule(row, claimed=claimed, ruled=ruled, bond_units=bond_units)
    assert min(ruling.to_split, ruling.to_platform, ruling.owed) >= 0
    if claimed < row.reported:
        assert ruling.to_split + ruling.to_platform == row.credited
        assert ruling.owed == 0
    else:
        assert ruling.to_split == ruling.to_platform == 0
    put_in = bond_units + ruling.platform_stake
    assert put_in == ruling.to_challenger + ruling.stake_to_platform + ruling.burned


@given(disputes())
def test_the_nearer_side_wins(dispute: tuple[ContestedRow, int, int, int]) -> None:
    row, claimed, ruled, bond_units = dispute
    nearer = {
        (False, True): Winner.CHALLENGER,
        (True, False): Winner.PLATFORM,
        (False, False): Winner.DRAW,
    }
    to_claim, to_report = abs(ruled - claimed), abs(ruled - row.reported)
    ruling = rule(row, claimed=claimed, ruled=ruled, bond_units=bond_units)
    assert ruling.winner is nearer[(to_report < to_claim, to_claim < to_report)]
