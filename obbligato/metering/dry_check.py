"""A check of usage files before they are sent: no chain, no store, no judgement of consent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from obbligato.documents.events import MIN_SALT_BYTES
from obbligato.documents.evidence import Period
from obbligato.metering.aggregation import check_sum, drop_repeated
from obbligato.metering.files import MAX_INPUT_BYTES, Allowance, Rejection, UsageFile
from obbligato.metering.intake import MOST_EVENTS, Intake, Watch, no_progress
from obbligato.metering.workbench import count, workbench
from obbligato.protocol.constants import Metric, Tier


@dataclass(frozen=True, slots=True)
class UseSum:
    """What files hold of one recording, by `license_id` or by `isrc`; in millionths of a unit."""

    license_id: int | None
    isrc: str | None
    tier: Tier
    metric: Metric
    quantity_millionths: int
    events: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What files hold: `events` each counted once, `duplicates` the lines that repeated one.

    `skipped` counts the bad lines; the first 1 000 are `rejections`.
    """

    events: int
    duplicates: int
    skipped: int
    rejections: tuple[Rejection, ...]
    sums: tuple[UseSum, ...]


def check_files(
    files: Sequence[UsageFile],
    *,
    folder: Path,
    model_id: bytes | None = None,
    period: Period | None = None,
    skip_invalid: bool = False,
    most_events: int = MOST_EVENTS,
    most_bytes: int = MAX_INPUT_BYTES,
    watch: Watch = no_progress,
) -> Checked:
    """Read and sum usage files as metering would.

    With a model and a period, events of another model or time are bad lines too. `folder` is for
    what does not fit in memory. Raises RejectedLines (unless `skip_invalid`) and InputError.
    """
    with workbench(folder) as connection:
        intake = Intake(
            connection,
            salt=secrets.token_bytes(MIN_SALT_BYTES),
            model_id=model_id,
            period=period,
            most_events=most_events,
            watch=watch,
        )
        intake.read(files, Allowance(most_bytes))
        duplicates = drop_repeated(connection)
        if not skip_invalid:
            intake.refuse()
        rejections, skipped = intake.rejections()
        return Checked(
            events=count(connection, "events"),
            duplicates=duplicates,
            skipped=skipped,
            rejections=rejections,
            sums=tuple(_sums(connection)),
        )


def _sums(connection: duckdb.DuckDBPyConnection) -> list[UseSum]:
    records = connection.execute(
        """
        SELECT license_id, isrc, tier, metric, sum(units::HUGEINT * influence_ppm), count(*)
        FROM events GROUP BY ALL
        ORDER BY license_id NULLS LAST, isrc NULLS FIRST, tier, metric
        """
    ).fetchall()
    return [_sum(*values) for values in records]


def _sum(
    license_id: int | None, isrc: str | None, tier: int, metric: int, quantity: int, events: int
) -> UseSum:
    named = isrc if license_id is None else f"licence {license_id}"
    check_sum(quantity, f"{named}, tier {Tier(tier).name}, metric {Metric(metric).name}")
    return UseSum(license_id, isrc, Tier(tier), Metric(metric), int(quantity), events)
