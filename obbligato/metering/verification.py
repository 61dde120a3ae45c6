"""Verification: stored evidence in, its rows out, or the first thing that is wrong with it."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from obbligato.documents.events import read_chunk
from obbligato.documents.evidence import EvidenceDocument, Period, UnlicensedUse, totals_of
from obbligato.errors import RefusedError
from obbligato.metering.aggregation import row_of
from obbligato.metering.chunks import MOST_LINES, fetch_chunk
from obbligato.metering.intake import MOST_EVENTS
from obbligato.metering.public_events import load_events
from obbligato.metering.workbench import Consents, count, put_consents, workbench
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.store import ContentStore


@dataclass(frozen=True, slots=True)
class Verified:
    """What evidence proves: its rows, from so many events; and what it declares as unlicensed."""

    rows: tuple[Row, ...]
    events: int
    unlicensed: tuple[UnlicensedUse, ...]


def verify(
    document: EvidenceDocument,
    *,
    platform_id: int,
    model_id: bytes,
    period: Period,
    store: ContentStore,
    folder: Path,
    consents: Consents | None,
) -> Verified:
    """Compute the rows of evidence again from its chunks.

    Without `consents` what licences allowed is not judged. `folder` is for what does not fit in
    memory, and is left as it was. Raises, for the first thing that is wrong, RefusedError or
    InputError; DigestMismatch and NotFound for chunks that cannot be had.
    """
    _check_heading(document, platform_id, model_id, period)
    if document.totals.events > MOST_EVENTS:
        raise RefusedError(f"{document.totals.events} events are more than is verified at once")
    unlicensed = _declared(document, store)
    if consents is not None:
        _check_declared(unlicensed, consents)
    with workbench(folder, small=document.totals.events <= MOST_LINES) as connection:
        load_events(connection, document.chunks, store)
        _check_model_and_period(connection, model_id, period)
        _check_repeated(connection)
        if consents is not None:
            put_consents(connection, consents)
            _check_consent(connection, consents)
        rows = _rows(connection)
        events = count(connection, "public")
    if totals_of(rows, events=events) != document.totals:
        raise RefusedError("the totals of the evidence are not those of its events")
    return Verified(tuple(rows), events, unlicensed)


def _check_heading(
    document: EvidenceDocument, platform_id: int, model_id: bytes, period: Period
) -> None:
    for what, stated, expected in (
        ("platform", document.platform_id, platform_id),
        ("model", "0x" + document.model_id.hex(), "0x" + model_id.hex()),
        ("period", _period_text(document.period), _period_text(period)),
    ):
        if stated != expected:
            raise RefusedError(f"the evidence is of {what} {stated}, not of {expected}")


def _period_text(period: Period) -> str:
    return f"[{period.start}, {period.end})"


def _check_model_and_period(
    connection: duckdb.DuckDBPyConnection, model_id: bytes, period: Period
) -> None:
    records = connection.execute(
        f"""
        SELECT lower(hex(event_hash)), model_id != unhex('{model_id.hex()}'), occurred_at
        FROM public WHERE model_id != unhex('{model_id.hex()}')
          OR occurred_at < {period.start} OR occurred_at >= {period.end}
        ORDER BY event_hash LIMIT 1
        """
    ).fetchall()
    for event_hash, other_model, occurred_at in records:
        if other_model:
            raise RefusedError(f"event 0x{event_hash} is of another model")
        raise RefusedError(
            f"event 0x{event_hash} at {occurred_at} is outside the period {_period_text(period)}"
        )


def _check_repeated(connection: duckdb.DuckDBPyConnection) -> None:
    records = connection.execute(
        "SELECT lower(hex(event_hash)) FROM public GROUP BY event_hash HAVING count(*) > 1 "
        "ORDER BY event_hash LIMIT 1"
    ).fetchall()
    for (event_hash,) in records:
        raise RefusedError(f"event 0x{event_hash} is counted more than once")


def _check_consent(connection: duckdb.DuckDBPyConnection, consents: Consents) -> None:
    records = connection.execute(
        f"""
        SELECT lower(hex(event_hash)), license_id, public.tier, public.metric, occurred_at,
          CASE WHEN license_id > {consents.license_count} THEN 'no licence'
            WHEN start_at IS NULL THEN 'no consent' ELSE withheld.reason END AS why
        FROM public
        LEFT JOIN intervals ON intervals.license = license_id AND intervals.tier = public.tier
          AND occurred_at >= start_at AND occurred_at < end_at
        LEFT JOIN withheld ON withheld.license = license_id AND withheld.tier = public.tier
          AND withheld.metric = public.metric
        WHERE why IS NOT NULL
        ORDER BY license_id, public.tier, public.metric, occurred_at, event_hash LIMIT 1
        """
    ).fetchall()
    for event_hash, license_id, tier, metric, occurred_at, why in records:
        raise RefusedError(
            f"event 0x{event_hash} at {occurred_at}: {why} for licence {license_id}, "
            f"tier {Tier(tier).name}, metric {Metric(metric).name}"
        )


def _rows(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    records = connection.execute(
        "SELECT license_id, tier, metric, sum(units::HUGEINT * influence_ppm) "
        "FROM public GROUP BY ALL ORDER BY license_id, tier, metric"
    ).fetchall()
    return [row_of(*values) for values in records]


def _declared(document: EvidenceDocument, store: ContentStore) -> tuple[UnlicensedUse, ...]:
    uses = list(document.unlicensed)
    for number, chunk in enumerate(document.unlicensed_chunks or ()):
        read = list(read_chunk(fetch_chunk(chunk, store), UnlicensedUse))
        if len(read) != chunk.events:
            raise RefusedError(
                f"chunk {number} of unlicensed use holds {len(read)} entries, "
                f"its own says {chunk.events}"
            )
        uses += read
    return tuple(uses)


def _check_declared(uses: Sequence[UnlicensedUse], consents: Consents) -> None:
    """Raises RefusedError for use declared as unlicensed that was allowed all the time."""
    if not uses:
        return
    throughout = _consent_throughout(consents)
    for use in uses:
        licenses = (
            consents.licenses_of.get(use.isrc or "", ())
            if use.license_id is None
            else (use.license_id,)
        )
        allowed = [
            each
            for each in licenses
            if each <= consents.license_count
            and (each, use.tier) in throughout
            and (each, use.tier, use.metric) not in consents.withheld
        ]
        if len(allowed) == 1:
            raise RefusedError(
                f"use of licence {allowed[0]}, tier {use.tier.name}, metric {use.metric.name} is "
                f"declared as unlicensed ({use.reason}), but was allowed in the whole period"
            )


def _consent_throughout(consents: Consents) -> set[tuple[int, Tier]]:
    """The (licence, tier) with consent from the period's start to its end."""
    reached: dict[tuple[int, Tier], int] = {}
    for each in consents.intervals:
        key = (each.license_id, each.tier)
        if each.start <= reached.get(key, consents.period.start):
            reached[key] = each.end
    return {key for key, end in reached.items() if end >= consents.period.end}
