"""From the recordings' real counts to the event files that platforms hand over."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obbligato.protocol.constants import PPM, Metric, Tier
from scripts.demo.cast import Entry


@dataclass(frozen=True)
class Use:
    """What a platform did with one recording: a column of the catalogue counted as one kind of use."""

    column: str
    tier: Tier
    metric: Metric


METERED_USES = (
    Use("tiktok_posts", Tier.GENERATIVE, Metric.GENERATION),
    Use("soundcloud_streams", Tier.ANALYSIS, Metric.PLAYBACK),
    Use("shazam_counts", Tier.GENERATIVE, Metric.PLAYBACK),
)
POOL_USES = (Use("spotify_streams", Tier.TRAINING, Metric.PLAYBACK),)


def events_of(
    entries: Mapping[int, Entry], uses: Sequence[Use], *, model: bytes, moment: int, by_isrc: bool
) -> list[dict[str, Any]]:
    """One event for each recording and use that the catalogue has a count for."""
    return [
        {
            "event_id": f"{entry.facts.isrc}/{use.column}",
            "occurred_at": moment,
            **({"isrc": entry.facts.isrc} if by_isrc else {"license_id": license_id}),
            "tier": use.tier.name,
            "metric": use.metric.name,
            "units": count,
            "influence_ppm": PPM,
            "model_id": "0x" + model.hex(),
        }
        for license_id, entry in entries.items()
        for use in uses
        if (count := entry.facts.counts[use.column])
    ]


def write_events(path: Path, events: Sequence[Mapping[str, Any]]) -> Path:
    """A file of events, as JSONL or CSV by its name."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, list(events[0]))
            writer.writeheader()
            writer.writerows(events)
        else:
            file.writelines(json.dumps(event) + "\n" for event in events)
    return path
