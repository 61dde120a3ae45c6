"""A small world to meter in: three licences, a January, and the slow reference."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from obbligato.documents.events import PublicUsageEvent, UsageEvent, aggregate, public_form
from obbligato.documents.evidence import Period
from obbligato.metering.files import UsageFile
from obbligato.metering.metered import Metered, meter
from obbligato.metering.workbench import ConsentInterval, Consents
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.store import EmbeddedStore

START = 1_767_225_600  # 2026-01-01T00:00:00Z
END = START + 31 * 86_400
JANUARY = Period(start=START, end=END)
MODEL = bytes([0x5A]) * 32
SALT = bytes(range(32))
PLATFORM = 7
CHANGE = START + 10 * 86_400 + 1_234
"""When licence 2 begins to consent to generative use: in the middle of an hour."""

CONSENTS = Consents(
    period=JANUARY,
    licenses_of={
        "USUG12400910": (1,),
        "USSM12209777": (2,),
        "USUG12403398": (1, 3),
        "USWB12307016": (3,),
    },
    license_count=3,
    intervals=[
        ConsentInterval(1, Tier.TRAINING, START, END),
        ConsentInterval(1, Tier.GENERATIVE, START, END),
        ConsentInterval(2, Tier.GENERATIVE, CHANGE, END),
        ConsentInterval(3, Tier.STYLE, START, START + 3_600),
        ConsentInterval(3, Tier.STYLE, START + 7_000, END),
    ],
    withheld={
        (1, Tier.TRAINING, Metric.TRAINING_RUN): "no grant",
        (2, Tier.GENERATIVE, Metric.PLAYBACK): "not offered",
    },
)


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A good event as a platform writes it, with changes; None takes a field out."""
    made = {
        "event_id": f"event-{number}",
        "occurred_at": START + 60 * number,
        "license_id": 1,
        "tier": 3,
        "metric": 2,
        "units": 1,
        "influence_ppm": 1_000_000,
        "model_id": "0x" + MODEL.hex(),
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def jsonl(path: Path, events: Iterable[Mapping[str, Any] | str]) -> UsageFile:
    """A file of lines; an event that is text is written as it is."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return UsageFile(path, path.name)


COLUMNS = (
    "event_id",
    "occurred_at",
    "license_id",
    "isrc",
    "tier",
    "metric",
    "units",
    "influence_ppm",
    "model_id",
    "output_id",
    "attribution_provider",
)


def as_csv(path: Path, events: Iterable[Mapping[str, Any]]) -> UsageFile:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(events)
    return UsageFile(path, path.name)


def as_parquet(path: Path, events: Sequence[Mapping[str, Any]]) -> UsageFile:
    kinds = {
        "occurred_at": pa.int64(),
        "license_id": pa.uint32(),
        "tier": pa.uint8(),
        "metric": pa.uint8(),
        "units": pa.int64(),
        "influence_ppm": pa.int32(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    pq.write_table(pa.Table.from_pylist([dict(each) for each in events], schema), path)
    return UsageFile(path, path.name)


def compressed(file: UsageFile) -> UsageFile:
    path = file.path.with_name(file.path.name + ".gz")
    path.write_bytes(gzip.compress(file.path.read_bytes()))
    return UsageFile(path, path.name)


def metered(folder: Path, *files: UsageFile, **changes: Any) -> Metered:
    """Meter files with the world's own consents, store and scratch folder."""
    settings: dict[str, Any] = {
        "consents": CONSENTS,
        "platform_id": PLATFORM,
        "model_id": MODEL,
        "salt": SALT,
        "store": store_in(folder),
        "folder": folder / "scratch",
    }
    return meter(files, **(settings | changes))


def store_in(folder: Path) -> EmbeddedStore:
    return EmbeddedStore(folder / "store")


def reference(
    events: Iterable[Mapping[str, Any]],
) -> tuple[list[Row], list[PublicUsageEvent], dict[tuple[Any, ...], int]]:
    """Slowly: the rows, the public events in order, and unlicensed quantities by their key."""
    licensed: list[UsageEvent] = []
    unlicensed: dict[tuple[Any, ...], int] = {}
    unique = {each["event_id"]: UsageEvent.read(dict(each)) for each in events}
    for each in unique.values():
        license_id, reason = _judged(each)
        if reason is None:
            licensed.append(each)
        else:
            key = (license_id, each.isrc, int(each.tier), int(each.metric), reason)
            unlicensed[key] = unlicensed.get(key, 0) + each.quantity_millionths
    license_of = {isrc: ids[0] for isrc, ids in CONSENTS.licenses_of.items()}
    public = [
        public_form(each, salt=SALT, license_of=license_of, boundaries=_boundaries(each))
        for each in licensed
    ]
    public.sort(key=lambda e: (e.license_id, e.tier, e.metric, e.occurred_at, e.event_hash))
    return aggregate(licensed, license_of=license_of), public, unlicensed


def _license_of(each: UsageEvent) -> int | None:
    if each.license_id is not None:
        return each.license_id
    claimed = CONSENTS.licenses_of.get(str(each.isrc), ())
    return claimed[0] if claimed else None


def _boundaries(each: UsageEvent) -> list[int]:
    license_id = _license_of(each)
    changes = [
        moment
        for interval in CONSENTS.intervals
        if (interval.license_id, interval.tier) == (license_id, each.tier)
        for moment in (interval.start, interval.end)
    ]
    return [START, *changes]


def _judged(each: UsageEvent) -> tuple[int | None, str | None]:
    license_id = _license_of(each)
    if license_id is None or license_id > CONSENTS.license_count:
        return license_id, "no licence"
    for interval in CONSENTS.intervals:
        same = (interval.license_id, interval.tier) == (license_id, each.tier)
        if same and interval.start <= each.occurred_at < interval.end:
            return license_id, CONSENTS.withheld.get((license_id, each.tier, each.metric))
    return license_id, "no consent"
