"""Evidence documents: totals that agree with chunks and rows, unlicensed use declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from obbligato.documents.canonical import canonical_bytes, sha256
from obbligato.documents.events import (
    MAX_CHUNK_BYTES,
    UsageEvent,
    aggregate,
    public_form,
    write_chunks,
)
from obbligato.documents.evidence import (
    EventChunk,
    EvidenceDocument,
    Period,
    UnlicensedUse,
    evidence_document,
)
from obbligato.errors import InputError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row, rows_digest

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


def evidence(**changes: object) -> EvidenceDocument:
    events = [public_form(event(event_id=f"e-{n}", units=n + 1), salt=SALT) for n in range(4)]
    parts: dict[str, Any] = {
        "platform_id": 3,
        "model_id": bytes.fromhex(MODEL[2:]),
        "period": Period(start=NOON, end=NOON + 86_400),
        "salt": SALT,
        "chunks": [EventChunk.of(chunk) for chunk in write_chunks(events)],
        "rows": aggregate(events),
        "unlicensed": [],
    }
    return evidence_document(**{**parts, **changes})


# --- the document -------------------------------------------------------------------------------


def test_evidence_comes_back_from_its_bytes() -> None:
    document = evidence()
    assert EvidenceDocument.from_bytes(document.to_bytes()) == document
    assert document.salt_digest.hex() == (
        "be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991"
    )
    assert document.formula_version == 1


def test_evidence_says_what_its_rows_and_chunks_sum_to() -> None:
    rows = [
        Row(1, Tier.GENERATIVE, Metric.GENERATION, 2**64 - 1),
        Row(2, Tier.GENERATIVE, Metric.GENERATION, 2**64 - 1),
        Row(2, Tier.GENERATIVE, Metric.PLAYBACK, 5),
    ]
    totals = json.loads(evidence(rows=rows).to_bytes())["totals"]
    assert totals == {
        "events": 4,
        "rows": 3,
        "rows_digest": "0x" + rows_digest(rows).hex(),
        "by_use": [
            {"tier": 3, "metric": 2, "rows": 2, "quantity": "36893488147419103230"},
            {"tier": 3, "metric": 3, "rows": 1, "quantity": "5"},
        ],
    }


def test_a_zero_statement_has_evidence_too() -> None:
    document = evidence(chunks=[], rows=[])
    assert document.totals.events == document.totals.rows == 0
    assert document.totals.rows_digest.hex() == (  # keccak256 of nothing
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )


def test_use_outside_consent_is_declared() -> None:
    declared = UnlicensedUse(
        isrc="AA-6Q7-20-00047",
        tier=Tier.VOICE,
        metric=Metric.GENERATION,
        quantity=1_000_000,
        reason="no licence",
    )
    document = evidence(unlicensed=[declared])
    assert json.loads(document.to_bytes())["unlicensed"] == [
        {
            "isrc": "AA6Q72000047",
            "tier": 6,
            "metric": 2,
            "quantity": "1000000",
            "reason": "no licence",
        }
    ]
    wrong: list[dict[str, Any]] = [{"isrc": None}, {"quantity": 0}, {"reason": "oversight"}]
    for change in wrong:
        with pytest.raises(InputError):
            UnlicensedUse(**{**dict(declared), **change})


def test_a_long_list_of_unlicensed_use_is_in_chunks_and_nowhere_else() -> None:
    uses = [
        UnlicensedUse(
            license_id=number,
            tier=Tier.VOICE,
            metric=Metric.GENERATION,
            quantity=1,
            reason="no pool",
        )
        for number in range(1, 502)
    ]
    entries = [EventChunk.of(chunk) for chunk in write_chunks(uses)]
    document = evidence(unlicensed_chunks=entries)
    assert EvidenceDocument.from_bytes(document.to_bytes()).unlicensed_chunks == tuple(entries)
    assert len(evidence(unlicensed=uses[:500]).unlicensed) == 500
    wrong: list[dict[str, Any]] = [
        {"unlicensed": uses},
        {"unlicensed": uses[:1], "unlicensed_chunks": entries},
        {
            "unlicensed_chunks": [
                entries[0].model_copy(update={"media_type": "application/vnd.apache.parquet"})
            ]
        },
    ]
    for change in wrong:
        with pytest.raises(InputError, match="unlicensed"):
            evidence(**change)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("totals", "events"), 5, "totals.events"),
        (("totals", "rows"), 2, "totals.rows"),
        (("totals", "by_use"), [], "totals.rows"),
        (("period", "end"), NOON, "period.end"),
        (("platform_id",), 0, "platform_id"),
        (("formula_version",), 2, "formula_version"),
        (("chunks", 0, "size"), 1_048_577, "chunks.0.size"),
        (("chunks", 0, "events"), 0, "chunks.0.events"),
        (("chunks", 0, "media_type"), "text/csv", "chunks.0.media_type"),
        (("aggregation", "quantity"), "units", "aggregation.quantity"),
        (("aggregation", "time_rounding_seconds"), 60, "aggregation.time_rounding_seconds"),
        (("totals", "by_use", 0, "quantity"), 1, None),
        (("totals", "by_use", 0, "quantity"), "01", "totals.by_use.0.quantity"),
        (("totals", "by_use", 0, "quantity"), "-1", "totals.by_use.0.quantity"),
        (("totals", "by_use", 0, "quantity"), str(2**128), "totals.by_use.0.quantity"),
    ],
)
def test_evidence_that_contradicts_itself_is_refused_by_field(
    path: tuple[str | int, ...], value: Any, field: str | None
) -> None:
    document = json.loads(evidence().to_bytes())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InputError) as refused:
        EvidenceDocument.from_bytes(canonical_bytes(document))
    assert refused.value.field == field


def test_one_chunk_is_listed_once() -> None:
    (chunk,) = write_chunks([event()])
    with pytest.raises(InputError, match="one chunk twice"):
        evidence(chunks=[EventChunk.of(chunk)] * 2)


def test_rows_without_events_and_events_without_rows_are_refused() -> None:
    for part in ("chunks", "rows"):
        with pytest.raises(InputError, match="events make rows"):
            evidence(**{part: []})


def test_unsorted_rows_make_no_evidence() -> None:
    with pytest.raises(InputError, match="out of order"):
        evidence(rows=[Row(number, Tier.VOICE, Metric.GENERATION, 1) for number in (2, 1)])


def test_the_evidence_of_a_million_events_fits_one_block() -> None:
    chunks = [
        EventChunk(
            digest=sha256(bytes([n % 256, n // 256])),
            media_type="application/x-ndjson",
            size=MAX_CHUNK_BYTES,
            events=2_000,
        )
        for n in range(500)
    ]
    assert len(evidence(chunks=chunks).to_bytes()) < 262_144
