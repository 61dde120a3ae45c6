"""Rows and credits pack into the bytes the chain reads, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import (
    CREDIT_BYTES,
    ROW_BYTES,
    Credit,
    Row,
    check_rows,
    credits_digest,
    pack_credits,
    pack_rows,
    rows_digest,
    unpack_credits,
    unpack_rows,
)
from tests.protocol.examples import row_lists, uint64
from tests.protocol.vectors import data, vectors


def row(license_id: int, tier: int = 1, metric: int = 1, quantity: int = 1) -> Row:
    return Row(license_id, Tier(tier), Metric(metric), quantity)


@pytest.mark.parametrize("vector", vectors("rows"))
def test_rows_pack_and_hash_as_the_vectors(vector: dict[str, Any]) -> None:
    rows = [
        Row(one["licenseId"], one["tier"], one["metric"], one["quantity"])
        for one in vector["input"]["rows"]
    ]
    packed = data(vector["expected"]["packed"])
    assert pack_rows(rows) == packed
    assert unpack_rows(packed) == rows
    assert rows_digest(rows) == data(vector["expected"]["digest"])


@pytest.mark.parametrize("vector", vectors("credits"))
def test_credits_pack_and_hash_as_the_vectors(vector: dict[str, Any]) -> None:
    credits_ = [Credit(one["splitId"], one["amount"]) for one in vector["input"]["credits"]]
    packed = data(vector["expected"]["packed"])
    assert pack_credits(credits_) == packed
    assert unpack_credits(packed) == credits_
    assert credits_digest(credits_) == data(vector["expected"]["digest"])


@given(row_lists())
def test_rows_come_back_from_their_bytes(rows: list[Row]) -> None:
    packed = pack_rows(rows)
    assert len(packed) == len(rows) * ROW_BYTES
    assert unpack_rows(packed) == rows


@given(st.lists(st.builds(Credit, st.integers(1, 2**32 - 1), uint64), max_size=30))
def test_credits_come_back_from_their_bytes(credits_: list[Credit]) -> None:
    packed = pack_credits(credits_)
    assert len(packed) == len(credits_) * CREDIT_BYTES
    assert unpack_credits(packed) == credits_


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ((-1, 1, 1, 1), "licenseId"),
        ((2**32, 1, 1, 1), "licenseId"),
        ((1.0, 1, 1, 1), "licenseId"),
        ((True, 1, 1, 1), "licenseId"),
        ((1, 1, 1, 0), "quantity"),
        ((1, 1, 1, 2**64), "quantity"),
        ((1, 1, 1, 1.5), "quantity"),
        ((1, 1, 1, True), "quantity"),
        ((1, 1, 1, "1"), "quantity"),
        ((1, 0, 1, 1), None),
        ((1, 7, 1, 1), None),
        ((1, 1.0, 1, 1), None),
        ((1, True, 1, 1), None),
        ((1, "1", 1, 1), None),
        ((1, 1, 0, 1), None),
        ((1, 1, 4, 1), None),
        ((1, 1, Tier.ANALYSIS, 1), None),
    ],
)
def test_a_malformed_row_is_refused(fields: tuple[Any, ...], name: str | None) -> None:
    with pytest.raises(InputError) as refused:
        Row(*fields)
    assert refused.value.field == (name or refused.value.field)


@pytest.mark.parametrize(
    "fields", [(0, 1), (2**32, 1), (1, -1), (1, 2**64), (1, 0.5), (True, 1), (1, "1")]
)
def test_a_malformed_credit_is_refused(fields: tuple[Any, Any]) -> None:
    with pytest.raises(InputError):
        Credit(*fields)


@pytest.mark.parametrize(
    ("rows", "bad"),
    [
        ([row(2), row(1)], 1),
        ([row(1), row(2), row(2)], 2),
        ([row(1, tier=2), row(1, tier=1)], 1),
        ([row(1, metric=3), row(1, metric=2)], 1),
        ([row(1), row(2, metric=2), row(2, metric=1), row(1)], 2),
    ],
)
def test_the_first_row_out_of_order_is_named(rows: list[Row], bad: int) -> None:
    with pytest.raises(InputError) as refused:
        pack_rows(rows)
    assert refused.value.row == bad
    assert f"row {bad}" in str(refused.value)
    with pytest.raises(InputError):
        rows_digest(rows)


def test_a_thousand_rows_are_the_most() -> None:
    rows = [row(number) for number in range(1_001)]
    check_rows(rows[:1_000])
    with pytest.raises(InputError, match="at most 1000"):
        check_rows(rows)


@pytest.mark.parametrize("cut", [1, ROW_BYTES - 1, ROW_BYTES + 1])
def test_bytes_cut_off_are_refused(cut: int) -> None:
    packed = pack_rows([row(1), row(2)])
    with pytest.raises(InputError, match="cut off"):
        unpack_rows(packed[:-cut])


def test_packed_bytes_that_are_no_row_are_refused_by_row() -> None:
    good = pack_rows([row(1)])
    for wrong in (
        data("0000000207010000000000000001"),
        data("0000000201040000000000000001"),
        data("0000000201010000000000000000"),
    ):
        with pytest.raises(InputError) as refused:
            unpack_rows(good + wrong)
        assert refused.value.row == 1
    with pytest.raises(InputError) as refused:
        unpack_rows(good + good)
    assert refused.value.row == 1
    with pytest.raises(InputError) as refused:
        unpack_credits(pack_credits([Credit(1, 1)]) + bytes(12))
    assert refused.value.row == 1
    with pytest.raises(InputError, match="cut off"):
        unpack_credits(bytes(13))
