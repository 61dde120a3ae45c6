"""Rows that a platform has summed itself, as events: they go the way all events go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from obbligato.documents.events import UsageEvent
from obbligato.metering.consents import Consents
from obbligato.metering.files import UsageFile
from obbligato.rules.rows import Row, check_rows
from obbligato.words import PPM, Tier


def events_of_rows(
    rows: Sequence[Row], consents: Consents, *, model_id: bytes
) -> Iterator[UsageEvent]:
    """At most two events a row: its whole units at full influence, and what is left at 1 ppm.

    They happen at the first moment of the period at which the licence consents to the tier; where
    there is none, at its start. Raises InputError naming the row where rows are not in order.
    """
    check_rows(rows)
    first_consent: dict[tuple[int, Tier], int] = {}
    for each in consents.intervals:
        key = (each.license_id, each.tier)
        first_consent[key] = min(each.start, first_consent.get(key, each.start))
    for row in rows:
        whole, rest = divmod(row.quantity, PPM)
        moment = first_consent.get((row.license_id, row.tier), consents.period.start)
        for part, units, influence_ppm in (("whole", whole, PPM), ("rest", rest, 1)):
            if units:
                yield UsageEvent(
                    event_id=f"row-{row.license_id}-{row.tier}-{row.metric}-{part}",
                    occurred_at=moment,
                    license_id=row.license_id,
                    tier=row.tier,
                    metric=row.metric,
                    units=units,
                    influence_ppm=influence_ppm,
                    model_id=model_id,
                )


def write_events(events: Iterable[UsageEvent], path: Path, *, name: str = "rows") -> UsageFile:
    """Write events as a JSONL file that metering reads."""
    with path.open("wb") as file:
        for event in events:
            file.write(event.to_bytes() + b"\n")
    return UsageFile(path, name, "jsonl")
