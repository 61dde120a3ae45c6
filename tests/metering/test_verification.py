"""Evidence is verified from its bytes alone; whatever is wrong with it is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from obbligato.documents.cid import cid_from_digest
from obbligato.documents.events import (
    PublicUsageEvent,
    UsageEvent,
    aggregate,
    public_form,
    salted_hash,
    write_chunks,
)
from obbligato.documents.evidence import (
    EventChunk,
    EvidenceDocument,
    Period,
    UnlicensedUse,
    evidence_document,
)
from obbligato.errors import DigestMismatch, InputError, NotFound, ObbligatoError, RefusedError
from obbligato.metering import chunks
from obbligato.metering.intake import events_of_rows, write_events
from obbligato.metering.verification import Verified, verify
from obbligato.metering.workbench import ConsentInterval, Consents
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from tests.metering.cases import (
    CHANGE,
    CONSENTS,
    END,
    JANUARY,
    MODEL,
    PLATFORM,
    SALT,
    START,
    event,
    jsonl,
    metered,
    store_in,
)


def verified(folder: Path, document: EvidenceDocument, **changes: Any) -> Verified:
    settings: dict[str, Any] = {
        "platform_id": PLATFORM,
        "model_id": MODEL,
        "period": JANUARY,
        "store": store_in(folder),
        "folder": folder / "scratch",
        "consents": CONSENTS,
    }
    return verify(document, **(settings | changes))


def public(number: int, **changes: Any) -> PublicUsageEvent:
    made = public_form(UsageEvent.read(event(number)), salt=SALT, boundaries=[START])
    return made.model_copy(update=changes)


def evidence_of(
    folder: Path,
    events: Sequence[PublicUsageEvent],
    *,
    rows: Sequence[Row] | None = None,
    unlicensed: Iterable[UnlicensedUse] = (),
) -> EvidenceDocument:
    """Evidence that a platform could have made by itself, stored."""
    store = store_in(folder)
    made = list(write_chunks(events))
    for chunk in made:
        store.put(chunk.data)
    return evidence_document(
        platform_id=PLATFORM,
        model_id=MODEL,
        period=JANUARY,
        salt=SALT,
        chunks=[EventChunk.of(chunk) for chunk in made],
        rows=aggregate(events) if rows is None else rows,
        unlicensed=unlicensed,
    )


def refusal(folder: Path, document: EvidenceDocument, **changes: Any) -> str:
    with pytest.raises(ObbligatoError) as refused:
        verified(folder, document, **changes)
    return str(refused.value)


def test_what_was_metered_is_verified(tmp_path: Path) -> None:
    lines = [event(n, output_id=f"out {n}", attribution_provider='A "B"') for n in range(1, 50)]
    result = metered(tmp_path, jsonl(tmp_path / "a.jsonl", [*lines, event(99, license_id=9)]))
    [part] = result.parts
    found = verified(tmp_path, part.evidence)
    assert (found.rows, found.events) == (part.rows, 49)
    assert found.unlicensed == result.unlicensed
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_was_metered_as_parquet_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [event(n, output_id=f"out {n}" if n % 2 else None) for n in range(1, 3_000)]
    file = jsonl(tmp_path / "a.jsonl", lines)
    as_lines = metered(tmp_path, file)
    monkeypatch.setattr("obbligato.metering.chunks.MOST_LINES", 2_000)
    result = metered(tmp_path, file)
    [chunk] = result.parts[0].evidence.chunks
    assert chunk.media_type == "application/vnd.apache.parquet"
    assert chunk.size < 3_000 * 70
    found = verified(tmp_path, result.parts[0].evidence)
    assert found.rows == as_lines.parts[0].rows
    assert found.events == 2_999


def test_parquet_chunks_are_at_most_a_mebibyte_and_keep_all_events_in_order() -> None:
    count = 40_000
    hashes = [salted_hash("event", str(number), salt=SALT) for number in range(count)]
    columns = {
        "event_hash": hashes,
        "occurred_at": list(range(count)),
        "license_id": [1] * count,
        "tier": [3] * count,
        "metric": [2] * count,
        "units": [number * 7_919 % 2**40 + 1 for number in range(count)],
        "influence_ppm": [number % 10**6 + 1 for number in range(count)],
        "model_id": [MODEL] * count,
        "output_hash": hashes,
        "attribution_provider": [None] * count,
    }
    table = pa.table(columns, chunks.PUBLIC_SCHEMA)
    made = list(chunks.parquet_chunks(table.to_batches(max_chunksize=1_000)))
    assert made == list(chunks.parquet_chunks(table.to_batches(max_chunksize=7_777)))
    assert max(len(data) for data, _ in made) <= 2**20
    assert sum(events for _, events in made) == count
    read = pa.concat_tables([chunks.from_parquet(data, events) for data, events in made])
    assert read.equals(table)


def test_evidence_made_by_others_is_verified(tmp_path: Path) -> None:
    document = evidence_of(tmp_path, [public(1), public(2)])
    assert verified(tmp_path, document).rows == (
        Row(1, Tier.GENERATIVE, Metric.GENERATION, 2_000_000),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"platform_id": 8},
        {"model_id": bytes(32)},
        {"period": Period(start=START, end=END - 1)},
    ],
)
def test_evidence_of_another_platform_model_or_period_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    document = evidence_of(tmp_path, [public(1)])
    assert f"the evidence is of {next(iter(change)).split('_')[0]}" in refusal(
        tmp_path, document, **change
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"occurred_at": START - 1}, "is outside the period"),
        ({"occurred_at": END}, "is outside the period"),
        ({"model_id": bytes(32)}, "is of another model"),
        ({"license_id": 4}, "no licence for licence 4"),
        ({"tier": Tier.VOICE}, "no consent for licence 1, tier VOICE"),
        ({"license_id": 2, "occurred_at": CHANGE - 1}, "no consent for licence 2"),
        ({"tier": Tier.TRAINING, "metric": Metric.TRAINING_RUN}, "no grant for licence 1"),
    ],
)
def test_an_event_that_no_row_may_carry_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, evidence_of(tmp_path, [public(1), public(2, **change)]))


def test_consent_is_not_judged_without_consents(tmp_path: Path) -> None:
    document = evidence_of(tmp_path, [public(1, license_id=4)])
    assert verified(tmp_path, document, consents=None).events == 1


def test_an_event_in_two_chunks_is_refused(tmp_path: Path) -> None:
    ones, twos = [public(1)], [public(1), public(2)]
    store = store_in(tmp_path)
    entries = [EventChunk.of(chunk) for each in (ones, twos) for chunk in write_chunks(each)]
    for each in (ones, twos):
        for chunk in write_chunks(each):
            store.put(chunk.data)
    document = evidence_document(
        platform_id=PLATFORM,
        model_id=MODEL,
        period=JANUARY,
        salt=SALT,
        chunks=entries,
        rows=[Row(1, Tier.GENERATIVE, Metric.GENERATION, 3_000_000)],
    )
    assert "is counted more than once" in refusal(tmp_path, document)


def test_rows_that_the_events_do_not_make_are_refused(tmp_path: Path) -> None:
    rows = [Row(1, Tier.GENERATIVE, Metric.GENERATION, 1_000_001)]
    document = evidence_of(tmp_path, [public(1)], rows=rows)
    assert "totals" in refusal(tmp_path, document)


@pytest.mark.parametrize("change", [{"events": 2}, {"size": 7}])
def test_a_chunk_that_is_not_what_its_entry_says_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    document = evidence_of(tmp_path, [public(1)])
    entry = document.chunks[0].model_copy(update=change)
    totals = document.totals.model_copy(update={"events": entry.events})
    forged = document.model_copy(update={"chunks": (entry,), "totals": totals})
    assert "its entry says" in refusal(tmp_path, forged)


def test_a_chunk_that_nobody_has_or_that_was_changed_is_refused(tmp_path: Path) -> None:
    document = evidence_of(tmp_path, [public(1)])
    [block] = (tmp_path / "store").rglob(cid_from_digest(document.chunks[0].digest))
    block.write_bytes(block.read_bytes().replace(b'"units":1', b'"units":2'))
    with pytest.raises(DigestMismatch):
        verified(tmp_path, document)
    block.unlink()
    with pytest.raises(NotFound):
        verified(tmp_path, document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"units":1}', b'"units":1.0}'),
        (b'"units":1}', b'"units":0}'),
        (b'"units":1}', b'"units":1,"x":1}'),
        (b'"units":1}', b'"units": 1}'),
        (b'"tier":3', b'"tier":9'),
        (b'"license_id":1', b'"license_id":"1"'),
        (b"0x5a", b"0x5A"),
        (b"}\n", b"}"),
        (b"}\n", b"}\n\n"),
        (b"{", b"\xff{"),
    ],
)
def test_a_line_that_is_not_canonical_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    document = evidence_of(tmp_path, [public(1)])
    store = store_in(tmp_path)
    data = store.get(cid_from_digest(document.chunks[0].digest)).replace(old, new)
    entry = chunks.store_chunk(data, 1, "application/x-ndjson", store)
    with pytest.raises(InputError):
        verified(tmp_path, document.model_copy(update={"chunks": (entry,)}))


def parquet_evidence(folder: Path, **columns: Any) -> EvidenceDocument:
    """Evidence of one event whose chunk is Parquet, with other values."""
    document = evidence_of(folder, [public(1)])
    values = public(1).model_dump() | columns
    table = pa.Table.from_pylist([values], chunks.PUBLIC_SCHEMA)
    data = chunks.to_parquet(table)
    entry = chunks.store_chunk(data, 1, "application/vnd.apache.parquet", store_in(folder))
    return document.model_copy(update={"chunks": (entry,)})


def test_one_event_in_parquet_is_verified(tmp_path: Path) -> None:
    assert verified(tmp_path, parquet_evidence(tmp_path)).events == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("units", 0),
        ("units", 2**63),
        ("influence_ppm", 1_000_001),
        ("tier", 7),
        ("metric", 0),
        ("license_id", 0),
        ("occurred_at", -1),
        ("attribution_provider", ""),
        ("attribution_provider", "\u2003"),
        ("attribution_provider", "x" * 201),
    ],
)
def test_a_value_in_parquet_that_no_event_may_have_is_refused(
    tmp_path: Path, column: str, value: Any
) -> None:
    with pytest.raises(InputError) as refused:
        verified(tmp_path, parquet_evidence(tmp_path, **{column: value}))
    assert refused.value.field == column


def test_parquet_with_other_columns_or_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([public(1).model_dump()], chunks.PUBLIC_SCHEMA)
    with pytest.raises(InputError, match="other columns"):
        chunks.from_parquet(chunks.to_parquet(table.drop_columns(["tier"])), 1)
    many = pa.concat_tables([table] * 40_000).combine_chunks()
    with pytest.raises(InputError, match="unpacks to more"):
        chunks.from_parquet(chunks.to_parquet(many), 40_000)
    with pytest.raises(InputError, match="is not Parquet"):
        chunks.from_parquet(b"PAR1", 1)


def unlicensed(**changes: Any) -> UnlicensedUse:
    values: dict[str, Any] = {
        "license_id": 1,
        "tier": Tier.GENERATIVE,
        "metric": Metric.GENERATION,
        "quantity": 1,
        "reason": "no consent",
    }
    return UnlicensedUse(**(values | changes))


@pytest.mark.parametrize(
    "use",
    [
        unlicensed(),
        unlicensed(reason="no licence"),
        unlicensed(isrc="USUG12400910"),
        unlicensed(license_id=None, isrc="USUG12400910"),
    ],
)
def test_use_declared_as_unlicensed_that_was_allowed_all_the_time_is_refused(
    tmp_path: Path, use: UnlicensedUse
) -> None:
    document = evidence_of(tmp_path, [], unlicensed=[use])
    assert "was allowed in the whole period" in refusal(tmp_path, document)


@pytest.mark.parametrize(
    "use",
    [
        unlicensed(license_id=2),
        unlicensed(license_id=4),
        unlicensed(tier=Tier.VOICE),
        unlicensed(license_id=3, tier=Tier.STYLE),
        unlicensed(tier=Tier.TRAINING, metric=Metric.TRAINING_RUN, reason="no grant"),
        unlicensed(license_id=None, isrc="GBAYE0601498", reason="no licence"),
    ],
)
def test_use_that_was_not_allowed_all_the_time_may_be_declared(
    tmp_path: Path, use: UnlicensedUse
) -> None:
    document = evidence_of(tmp_path, [], unlicensed=[use])
    assert verified(tmp_path, document).unlicensed == (use,)


def test_consent_under_one_amendment_after_another_is_consent_throughout(tmp_path: Path) -> None:
    consents = Consents(
        JANUARY,
        {},
        1,
        [
            ConsentInterval(1, Tier.GENERATIVE, START, CHANGE),
            ConsentInterval(1, Tier.GENERATIVE, CHANGE, END),
        ],
        {},
    )
    document = evidence_of(tmp_path, [], unlicensed=[unlicensed()])
    assert "was allowed" in refusal(tmp_path, document, consents=consents)


def test_use_declared_in_chunks_is_verified_too(tmp_path: Path) -> None:
    lines = [event(n, license_id=n + 10) for n in range(501)]
    [part] = metered(tmp_path, jsonl(tmp_path / "a.jsonl", lines)).parts
    assert len(verified(tmp_path, part.evidence).unlicensed) == 501
    everything = Consents(JANUARY, {}, 510, [ConsentInterval(510, Tier.GENERATIVE, START, END)], {})
    with pytest.raises(RefusedError, match="licence 510, tier GENERATIVE"):
        verified(tmp_path, part.evidence, consents=everything)


def test_ready_rows_become_events_that_sum_to_them(tmp_path: Path) -> None:
    rows = [
        Row(1, Tier.GENERATIVE, Metric.PLAYBACK, 5_000_000),
        Row(2, Tier.GENERATIVE, Metric.GENERATION, 2_500_001),
        Row(3, Tier.STYLE, Metric.PLAYBACK, 2**64 - 1),
    ]
    events = list(events_of_rows(rows, CONSENTS, model_id=MODEL))
    assert [each.occurred_at for each in events] == [START, CHANGE, CHANGE, START, START]
    result = metered(tmp_path, write_events(events, tmp_path / "rows.jsonl"))
    assert list(result.parts[0].rows) == rows
    assert verified(tmp_path, result.parts[0].evidence).rows == tuple(rows)
