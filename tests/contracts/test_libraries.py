"""The libraries against plain versions of themselves: packed words read by assembly, lanes, weights, identifiers."""

from __future__ import annotations

import base64
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.core import given  # Brownie's own would undo the chain before each example

from obbligato.protocol.constants import TIER_WEIGHTS
from obbligato.protocol.rows import Credit, pack_credits
from tests.contracts.licensing import deploy, packed_row

# Pure calls leave nothing behind, so examples may share the chain of one test.
pure = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

uint8 = st.integers(0, 2**8 - 1)
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
keys = st.tuples(uint32, uint8, uint8)
credits_ = st.lists(st.builds(Credit, st.integers(1, 2**32 - 1), uint64), max_size=12)


@pytest.fixture(scope="module")
def harness(shared: None) -> Any:
    return deploy("Harness")


@pure
@given(
    words=st.lists(st.tuples(uint32, uint8, uint8, uint64), min_size=1, max_size=8), at=st.data()
)
def test_rows_read_by_assembly_are_the_rows_of_the_plain_version(
    harness: Any, words: list[tuple[int, int, int, int]], at: Any
) -> None:
    packed = b"".join(packed_row(*word) for word in words)
    index = at.draw(st.integers(0, len(words) - 1))
    license_id, tier, metric, _ = words[index]
    assert harness.plainRowAt(packed, index) == words[index]
    assert harness.rowAt(packed, index) == (
        *words[index],
        license_id << 16 | tier << 8 | metric,
    )


@pure
@given(present=st.sets(keys, max_size=9), asked=keys, at=st.data())
def test_a_row_is_found_where_it_is_or_would_be(
    harness: Any, present: set[tuple[int, int, int]], asked: tuple[int, int, int], at: Any
) -> None:
    ordered = sorted(present)
    packed = b"".join(packed_row(*key, 1) for key in ordered)
    if ordered and at.draw(st.booleans()):
        asked = at.draw(st.sampled_from(ordered))
    assert harness.find(packed, *asked) == (asked in present, bisect_left(ordered, asked))


@pure
@given(given_credits=credits_)
def test_credits_written_by_assembly_are_packed_one_after_the_other(
    harness: Any, given_credits: list[Credit]
) -> None:
    packed = harness.packCredits(
        [credit.split_id for credit in given_credits], [credit.amount for credit in given_credits]
    )
    assert bytes(packed) == pack_credits(given_credits)
    for index, credit in enumerate(given_credits):
        assert harness.creditAt(packed, index) == (credit.split_id, credit.amount)


@pure
@given(given_credits=credits_, at=st.data())
def test_held_credits_are_left_out_and_the_others_keep_their_order(
    harness: Any, given_credits: list[Credit], at: Any
) -> None:
    indexes = st.integers(0, max(len(given_credits) - 1, 0))
    held = at.draw(st.sets(indexes)) if given_credits else set()
    kept = [credit for index, credit in enumerate(given_credits) if index not in held]
    found = harness.withoutHeld.call(pack_credits(given_credits), sorted(held))
    assert bytes(found) == pack_credits(kept)


def test_held_credits_are_left_out_on_both_sides_of_a_word_of_bits(harness: Any) -> None:
    given_credits = [Credit(1, amount) for amount in range(260)]
    held = [0, 254, 255, 256, 259]
    kept = [credit for credit in given_credits if credit.amount not in held]
    found = harness.withoutHeld.call(pack_credits(given_credits), held)
    assert bytes(found) == pack_credits(kept)


@pure
@given(lanes=st.tuples(uint64, uint64, uint64, uint64), split_id=uint32, amount=uint64)
def test_a_lane_takes_what_fits_and_leaves_out_the_rest(
    harness: Any, lanes: tuple[int, ...], split_id: int, amount: int
) -> None:
    def joined(values: tuple[int, ...]) -> int:
        return sum(value << (64 * lane) for lane, value in enumerate(values))

    lane = split_id % 4
    assert harness.laneGet(joined(lanes), split_id) == lanes[lane]
    total = min(lanes[lane] + amount, 2**64 - 1)
    expected = joined((*lanes[:lane], total, *lanes[lane + 1 :]))
    assert harness.laneAdd(joined(lanes), split_id, amount) == expected


def test_a_full_lane_leaves_its_neighbour_alone(harness: Any) -> None:
    for split_id in range(4):
        full = (2**64 - 1) << (64 * split_id)
        assert harness.laneAdd(full - (1 << 64 * split_id), split_id, 1) == full
        assert harness.laneAdd(full, split_id, 1) == full
        assert harness.laneAdd(0, split_id, 2**64) == full
        assert harness.laneAdd(0, split_id, 2**256 - 1) == full


@pure
@given(digest=st.binary(min_size=32, max_size=32))
def test_an_identifier_is_the_base32_of_its_prefix_and_digest(harness: Any, digest: bytes) -> None:
    encoded = base64.b32encode(b"\x01\x55\x12\x20" + digest).decode().rstrip("=").lower()
    assert harness.cid(digest) == "b" + encoded


def test_tiers_weigh_what_the_rules_say(harness: Any) -> None:
    assert [harness.tierWeight(tier) for tier in range(1, 7)] == [1, 2, 4, 6, 8, 10]
    assert list(TIER_WEIGHTS.values()) == [1, 2, 4, 6, 8, 10]
    # No row may have another tier; it would weigh nothing.
    assert [harness.tierWeight(tier) for tier in (0, 7, 8, 255)] == [0, 0, 0, 0]


@pure
@given(total=uint64, weights=st.lists(st.integers(1, 10 * 2**64), min_size=1, max_size=4))
def test_a_prefix_of_a_pool_is_rounded_down_and_the_whole_is_the_total(
    harness: Any, total: int, weights: list[int]
) -> None:
    whole = sum(weights)
    assert harness.poolPrefix(total, weights[0], whole) == total * weights[0] // whole
    assert harness.poolPrefix(total, whole, whole) == total


def test_the_heaviest_pool_there_can_be_does_not_overflow(harness: Any) -> None:
    heaviest = (2**64 - 1) * 10 * 1000
    assert harness.poolPrefix(2**64 - 1, heaviest, heaviest) == 2**64 - 1
