"""Usage events: counted in whole numbers, shown in public form, summed one way."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.documents.canonical import canonical_bytes, sha256
from obbligato.documents.cid import cid_of
from obbligato.documents.events import (
    MAX_CHUNK_BYTES,
    PublicUsageEvent,
    UsageEvent,
    aggregate,
    public_form,
    read_chunk,
    write_chunks,
)
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row

SALT = bytes(range(16))
MODEL = "0x" + "ab" * 32
NOON = 1_700_049_600  # 2023-11-15 12:00:00 UTC


def event(**changes: object) -> UsageEvent:
    facts: dict[str, object] = {
        "event_id": "e-1",
        "occurred_at": NOON + 1_234,
        "license_id": 7,
        "tier": 3,
        "metric": 2,
        "units": 1,
        "influence_ppm": 250_000,
        "model_id": MODEL,
        "output_id": "o-1",
        "attribution_provider": "example attribution 2.1",
    }
    given = {**facts, **changes}
    return UsageEvent.read({name: value for name, value in given.items() if value is not None})


# --- one event ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "influence_ppm", "quantity"),
    [
        (1, 1_000_000, 1_000_000),
        (1, 1, 1),
        (3, 250_000, 750_000),
        (18_446_744_073_709, 1_000_000, 18_446_744_073_709_000_000),
    ],
)
def test_an_event_counts_millionths_of_a_unit(
    units: int, influence_ppm: int, quantity: int
) -> None:
    assert event(units=units, influence_ppm=influence_ppm).quantity_millionths == quantity


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"units": 0}, "units"),
        ({"units": -1}, "units"),
        ({"units": 1.0}, "units"),
        ({"units": True}, "units"),
        ({"units": "1"}, "units"),
        ({"units": float("nan")}, "units"),
        ({"units": 2**64}, "units"),
        ({"units": 18_446_744_073_710, "influence_ppm": 1_000_000}, "units"),
        ({"influence_ppm": 0}, "influence_ppm"),
        ({"influence_ppm": 1_000_001}, "influence_ppm"),
        ({"influence_ppm": 0.5}, "influence_ppm"),
        ({"tier": 0}, "tier"),
        ({"tier": 7}, "tier"),
        ({"tier": "GENERATIVE"}, "tier"),
        ({"metric": 4}, "metric"),
        ({"license_id": 0}, "license_id"),
        ({"license_id": 2**32}, "license_id"),
        ({"license_id": None, "isrc": "nonsense"}, "isrc"),
        ({"occurred_at": NOON + 0.5}, "occurred_at"),
        ({"occurred_at": "2023-11-15T12:00:00Z"}, "occurred_at"),
        ({"occurred_at": 2**40}, "occurred_at"),
        ({"model_id": "aria-3"}, "model_id"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "x" * 201}, "event_id"),
        ({"wallet": "0x"}, "wallet"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_field(
    change: dict[str, object], field: str | None
) -> None:
    with pytest.raises(InputError) as refused:
        event(**change)
    assert refused.value.field == field


def test_an_event_names_its_recording_once() -> None:
    assert event(license_id=None, isrc="AA-6Q7-20-00047").isrc == "AA6Q72000047"
    for change in ({"license_id": None}, {"isrc": "AA6Q72000047"}):
        with pytest.raises(InputError, match="license_id or by isrc"):
            event(**change)


# --- public form --------------------------------------------------------------------------------


def test_the_public_form_hides_identifiers_behind_hmacs_that_openssl_gives_too() -> None:
    public = public_form(event(), salt=SALT)
    assert public.event_hash.hex() == (
        "556a539a09274f2e751bad30fc9e4c6953f56bc8d82be5179f3b11bbce408302"
    )
    assert public.output_hash is not None
    assert public.output_hash.hex() == (
        "0e4ad36bf51e9585e9431d8e9fc8a89219f3bbc5190aac1505520fd058264d67"
    )
    assert b"e-1" not in public.to_bytes()
    assert public.quantity_millionths == event().quantity_millionths


@pytest.mark.parametrize(
    ("boundaries", "shown"),
    [
        ([], NOON),
        ([NOON + 600], NOON + 600),
        ([NOON + 600, NOON + 1_234], NOON + 1_234),
        ([NOON + 1_235], NOON),
        ([NOON - 1, NOON], NOON),
    ],
)
def test_time_is_rounded_to_the_hour_but_never_across_a_boundary(
    boundaries: list[int], shown: int
) -> None:
    assert public_form(event(), salt=SALT, boundaries=boundaries).occurred_at == shown


def test_the_public_form_names_the_licence_that_an_isrc_has() -> None:
    by_isrc = event(license_id=None, isrc="AA6Q72000047")
    assert public_form(by_isrc, salt=SALT, license_of={"AA6Q72000047": 9}).license_id == 9
    with pytest.raises(InputError, match="declare it as unlicensed"):
        public_form(by_isrc, salt=SALT)


def test_a_training_run_without_an_output_shows_none() -> None:
    assert public_form(event(output_id=None), salt=SALT).output_hash is None


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(InputError, match="at least 16"):
        public_form(event(), salt=bytes(15))


# --- chunks -------------------------------------------------------------------------------------


def test_a_chunk_is_lines_of_canonical_json() -> None:
    (chunk,) = write_chunks([event(), event(event_id="e-2")])
    lines = chunk.data.decode().splitlines()
    assert chunk.events == len(lines) == 2
    assert canonical_bytes(json.loads(lines[0])) == lines[0].encode()
    assert chunk.data.endswith(b"}\n")
    assert chunk.digest == sha256(chunk.data)
    assert chunk.cid == cid_of(chunk.data)


def test_events_come_back_from_chunks_of_at_most_one_mebibyte() -> None:
    events = [event(event_id=f"e-{number:0180}") for number in range(4_000)]
    chunks = list(write_chunks(events))
    assert len(chunks) > 1
    assert all(len(chunk.data) <= MAX_CHUNK_BYTES for chunk in chunks)
    assert len(chunks[0].data) > MAX_CHUNK_BYTES - 1_000
    read = itertools.chain.from_iterable(read_chunk(chunk.data, UsageEvent) for chunk in chunks)
    assert list(read) == events


def test_no_events_make_no_chunk() -> None:
    assert list(write_chunks([])) == []


@pytest.mark.parametrize(
    ("spoil", "reason", "row"),
    [
        (lambda data: data[:-1], "cut off", None),
        (lambda data: b"", "cut off", None),
        (lambda data: data + b"\n", "not JSON", 2),
        (lambda data: data.replace(b'"units":1', b'"units":1.0'), "float", 0),
        (lambda data: data.replace(b'"units":1', b'"units": 1'), "canonical form", 0),
        (lambda data: data.replace(b'"units":1', b'"units":0'), "units", 0),
        (lambda data: data.replace(b'"units":1', b'"unit":1'), "unit", 0),
        (lambda data: data.replace(b"e-2", b"\xff"), "UTF-8", 1),
        (lambda data: data.replace(b"\n", b"\r\n"), "canonical form", 0),
        (lambda data: data * 3_000, "more than a chunk holds", None),
    ],
)
def test_a_spoilt_chunk_is_refused_by_its_line(
    spoil: Callable[[bytes], bytes], reason: str, row: int | None
) -> None:
    (chunk,) = write_chunks([event(), event(event_id="e-2")])
    with pytest.raises(InputError, match=reason) as refused:
        list(read_chunk(spoil(chunk.data), UsageEvent))
    assert refused.value.row == row


def test_private_events_are_no_public_ones() -> None:
    (private,) = write_chunks([event()])
    with pytest.raises(InputError):
        list(read_chunk(private.data, PublicUsageEvent))


# --- rows ---------------------------------------------------------------------------------------


def test_events_sum_to_sorted_rows_by_licence_tier_and_metric() -> None:
    events = [
        event(event_id="a", license_id=9, units=2, influence_ppm=1_000_000),
        event(event_id="b", license_id=7, tier=3, metric=3),
        event(event_id="c", license_id=7, tier=3, metric=2, influence_ppm=1),
        event(event_id="d", license_id=7, tier=2, metric=1, influence_ppm=1_000_000),
        event(event_id="e", license_id=7, tier=3, metric=2, influence_ppm=2),
    ]
    assert aggregate(events) == [
        Row(7, Tier.TRAINING, Metric.TRAINING_RUN, 1_000_000),
        Row(7, Tier.GENERATIVE, Metric.GENERATION, 3),
        Row(7, Tier.GENERATIVE, Metric.PLAYBACK, 250_000),
        Row(9, Tier.GENERATIVE, Metric.GENERATION, 2_000_000),
    ]
    assert aggregate([]) == []


uses = st.tuples(
    st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(1, 50)
)


@given(st.lists(uses, max_size=30), st.randoms(use_true_random=False))
def test_neither_order_nor_the_public_form_changes_the_rows(
    listed: list[tuple[int, int, int, int, int]], chance: random.Random
) -> None:
    events = [
        event(event_id=str(n), license_id=i, tier=t, metric=m, units=u, influence_ppm=p)
        for n, (i, t, m, u, p) in enumerate(listed)
    ]
    expected: Counter[tuple[int, int, int]] = Counter()
    for i, t, m, u, p in listed:
        expected[i, t, m] += u * p
    rows = aggregate(events)
    assert {row.key: row.quantity for row in rows} == dict(expected)
    assert [row.key for row in rows] == sorted(expected)
    chance.shuffle(events)
    assert aggregate(public_form(each, salt=SALT) for each in events) == rows


def test_an_event_is_counted_once() -> None:
    with pytest.raises(InputError, match="counted before") as refused:
        aggregate([event(), event(event_id="e-2"), event()])
    assert refused.value.row == 2


def test_an_event_without_a_licence_is_named_by_its_row() -> None:
    events = [event(), event(event_id="e-2", license_id=None, isrc="AA6Q72000047")]
    with pytest.raises(InputError, match="AA6Q72000047") as refused:
        aggregate(events)
    assert refused.value.row == 1
    assert aggregate(events, license_of={"AA6Q72000047": 7}) == [
        Row(7, Tier.GENERATIVE, Metric.GENERATION, 500_000)
    ]


def test_a_sum_beyond_64_bits_is_refused_and_not_wrapped() -> None:
    large = {"units": 18_446_744_073_709, "influence_ppm": 1_000_000}
    with pytest.raises(InputError, match="quantity"):
        aggregate([event(event_id="a", **large), event(event_id="b", **large)])
