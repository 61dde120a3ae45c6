"""Metering equals the slow reference, whatever the order, files and formats."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import PublicUsageEvent, read_chunk
from obbligato.documents.evidence import EvidenceDocument, UnlicensedUse
from obbligato.errors import InputError
from obbligato.metering.files import RejectedLines
from obbligato.metering.metered import Metered
from obbligato.metering.workbench import ConsentInterval, Consents
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from tests.metering.cases import (
    CHANGE,
    END,
    JANUARY,
    START,
    as_csv,
    as_parquet,
    compressed,
    event,
    jsonl,
    metered,
    reference,
    store_in,
)

TURNS = (
    START,
    START + 3_599,
    START + 3_600,
    START + 6_999,
    START + 7_000,
    CHANGE - 1,
    CHANGE,
    END - 1,
)
ISRCS = ("USUG12400910", "USSM12209777", "USWB12307016", "GBAYE0601498")
TEXTS = (
    "x",
    'say "x"',
    "a,b",
    "back\\slash",
    "\u00e9t\u00e9",
    "x\u2028y",
    "x\x7f\x1f\t",
    "\U0001f3b5",
    "</x>",
)


def usage(chance: random.Random) -> list[dict[str, Any]]:
    """Up to twenty events, many of them at the moments at which something changes."""
    made = []
    for number in range(chance.randrange(20)):
        by_isrc = chance.random() < 0.5
        made.append(
            event(
                number,
                event_id=f"{number} {chance.choice(TEXTS)}",
                occurred_at=chance.choice([*TURNS, chance.randrange(START, END)]),
                license_id=None if by_isrc else chance.randint(1, 5),
                isrc=chance.choice(ISRCS) if by_isrc else None,
                tier=chance.choice([2, 3, 4]),
                metric=chance.randint(1, 3),
                units=chance.choice([1, 3, 10**9]),
                influence_ppm=chance.randint(1, 10**6),
                output_id=chance.choice([None, *TEXTS]),
                attribution_provider=chance.choice([None, *TEXTS]),
            )
        )
    return made


def events_of(result: Metered, folder: Path) -> list[PublicUsageEvent]:
    store = store_in(folder)
    return [
        each
        for part in result.parts
        for chunk in part.evidence.chunks
        for each in read_chunk(store.get(cid_from_digest(chunk.digest)), PublicUsageEvent)
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_format_and_order_gives_what_the_reference_gives(seed: int) -> None:
    chance = random.Random(seed)
    events = usage(chance)
    rows, public, unlicensed = reference(events)
    shuffled = chance.sample(events, len(events))
    cut = seed % (len(events) + 1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        results = [
            metered(folder, jsonl(folder / "a.jsonl", events)),
            metered(folder, as_csv(folder / "a.csv", shuffled)),
            metered(folder, as_parquet(folder / "a.parquet", shuffled)),
            metered(
                folder,
                compressed(jsonl(folder / "b.jsonl", shuffled[cut:])),
                as_csv(folder / "b.csv", shuffled[:cut]),
                as_parquet(folder / "b.parquet", events[:1]),
            ),
        ]
        first = results[0]
        assert list(first.parts[0].rows) == rows
        assert events_of(first, folder) == public
        assert {
            (use.license_id, use.isrc, int(use.tier), int(use.metric), use.reason): use.quantity
            for use in first.unlicensed
        } == unlicensed
        assert first.events == len(events)
        for other in results[1:]:
            assert other.parts[0].evidence.to_bytes() == first.parts[0].evidence.to_bytes()
        assert results[3].duplicates == len(events[:1])


def test_a_zero_statement_is_one_part_without_rows(tmp_path: Path) -> None:
    result = metered(tmp_path, jsonl(tmp_path / "none.jsonl", []))
    assert [part.rows for part in result.parts] == [()]
    assert result.parts[0].evidence.totals.events == 0
    assert result.events == 0


def test_evidence_is_stored_and_the_scratch_folder_is_left_empty(tmp_path: Path) -> None:
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", [event()]))
    evidence = result.parts[0].evidence
    assert EvidenceDocument.from_bytes(store_in(tmp_path).get(evidence.cid())) == evidence
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_same_event_twice_counts_once(tmp_path: Path) -> None:
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", [event(), event(2), event(), event()]))
    assert (result.events, result.duplicates) == (2, 2)
    assert result.parts[0].rows == (Row(1, Tier.GENERATIVE, Metric.GENERATION, 2_000_000),)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_one_id_with_two_contents_makes_every_such_line_bad(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    lines = [event(1), event(1, units=2), event(3)]
    file = jsonl(tmp_path / "a.jsonl", [lines[position] for position in order])
    with pytest.raises(RejectedLines) as refused:
        metered(tmp_path, file)
    bad = sorted(order.index(position) + 1 for position in (0, 1))
    assert [(each.line, each.field) for each in refused.value.rejections] == [
        (line, "event_id") for line in bad
    ]
    left = metered(tmp_path, file, skip_invalid=True)
    assert (left.events, left.skipped) == (1, 2)


def test_times_that_differ_within_an_hour_are_contents_that_differ(tmp_path: Path) -> None:
    lines = [event(1, occurred_at=START + 5), event(1, occurred_at=START + 6)]
    with pytest.raises(RejectedLines) as refused:
        metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines))
    assert refused.value.total == 2


def test_a_recording_that_several_licences_claim_is_refused_naming_them(tmp_path: Path) -> None:
    line = event(license_id=None, isrc="us-ug1-24-03398")
    with pytest.raises(RejectedLines) as refused:
        metered(tmp_path, jsonl(tmp_path / "a.jsonl", [event(2), line]))
    [bad] = refused.value.rejections
    assert bad.line == 2
    assert bad.field == "isrc"
    assert bad.reason == "licences 1, 3 claim USUG12403398: say which by license_id"


def test_used_recordings_are_resolved_to_their_licences(tmp_path: Path) -> None:
    lines = [
        event(n, license_id=None, isrc=i) for n, i in enumerate(["ussm12209777", "GBAYE0601498"])
    ]
    assert metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines)).resolved == {"USSM12209777": 2}


def test_consent_is_judged_at_the_second_of_the_event(tmp_path: Path) -> None:
    lines = [event(n, license_id=2, occurred_at=CHANGE + n) for n in (-1, 0)]
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines))
    assert result.parts[0].rows == (Row(2, Tier.GENERATIVE, Metric.GENERATION, 1_000_000),)
    assert [each.occurred_at for each in events_of(result, tmp_path)] == [CHANGE]
    [use] = result.unlicensed
    assert (use.license_id, use.quantity, use.reason) == (2, 1_000_000, "no consent")


def test_what_is_withheld_makes_no_row_and_says_why(tmp_path: Path) -> None:
    lines = [
        event(1, tier=2, metric=1),
        event(2, license_id=2, metric=3, occurred_at=END - 1),
        event(3, license_id=4),
    ]
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines))
    assert result.parts[0].rows == ()
    assert [use.reason for use in result.parts[0].evidence.unlicensed] == [
        "no grant",
        "not offered",
        "no licence",
    ]


def test_a_sum_beyond_64_bits_is_refused_naming_the_row(tmp_path: Path) -> None:
    largest = 2**64 // 10**6
    lines = [event(n, units=largest) for n in range(2)]
    with pytest.raises(InputError, match="licence 1, tier GENERATIVE, metric GENERATION"):
        metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines))
    assert metered(tmp_path, jsonl(tmp_path / "b.jsonl", lines[:1])).events == 1


def many_licenses(count: int) -> Consents:
    return Consents(
        JANUARY,
        {},
        count,
        [ConsentInterval(n, Tier.GENERATIVE, START, END) for n in range(1, count + 1)],
        {},
    )


def test_more_than_a_thousand_rows_are_divided_in_order(tmp_path: Path) -> None:
    lines = [event(n, license_id=n) for n in range(1, 2_003)]
    lines.append(event(9_999, license_id=3_000))
    file = jsonl(tmp_path / "a.jsonl", lines)
    result = metered(tmp_path, file, consents=many_licenses(2_002))
    assert [[part.rows[0].license_id, part.rows[-1].license_id] for part in result.parts] == [
        [1, 1_000],
        [1_001, 2_000],
        [2_001, 2_002],
    ]
    assert [part.evidence.totals.events for part in result.parts] == [1_000, 1_000, 2]
    assert [len(part.evidence.unlicensed) for part in result.parts] == [1, 0, 0]
    with pytest.raises(InputError, match="a pool is one report"):
        metered(tmp_path, file, consents=many_licenses(2_002), divide=False)


def test_a_long_list_of_unlicensed_use_goes_into_chunks_of_its_own(tmp_path: Path) -> None:
    lines = [event(n, license_id=n + 10) for n in range(501)]
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines))
    evidence = result.parts[0].evidence
    assert evidence.unlicensed == ()
    [chunk] = evidence.unlicensed_chunks or ()
    data = store_in(tmp_path).get(cid_from_digest(chunk.digest))
    assert [use.license_id for use in read_chunk(data, UnlicensedUse)] == list(range(10, 511))
