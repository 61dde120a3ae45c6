"""What becomes of checked events: repeated ones, recordings, consent, rows and unlicensed use."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from obbligato.documents.events import HOUR_SECONDS
from obbligato.documents.evidence import UnlicensedUse
from obbligato.errors import InputError
from obbligato.metering.workbench import Consents, count, put_table
from obbligato.protocol.constants import UINT64_MAX, Metric, Tier
from obbligato.protocol.rows import Row

CONTENT = (
    "occurred_at, license_id, isrc, tier, metric, units, influence_ppm, output_hash, "
    "attribution_provider"
)


def drop_repeated(connection: duckdb.DuckDBPyConnection) -> int:
    """Keep each event once; how many were repeated. One id with two contents rejects all its lines.

    Candidates are found by 64 bits of the hash, which takes little memory; then they are compared.
    """
    connection.execute(
        f"""
        CREATE TEMP TABLE candidates AS
          SELECT rowid AS id, file, line, event_hash, {CONTENT} FROM events
          WHERE hash(event_hash) IN
            (SELECT h FROM (SELECT hash(event_hash) AS h FROM events) GROUP BY h HAVING count(*) > 1);
        CREATE TEMP TABLE contradicting AS
          SELECT event_hash FROM (SELECT DISTINCT event_hash, {CONTENT} FROM candidates)
          GROUP BY event_hash HAVING count(*) > 1;
        INSERT INTO rejections
          SELECT file, line, 'event_id', 'names two events that differ: give each its own'
          FROM candidates SEMI JOIN contradicting USING (event_hash);
        CREATE TEMP TABLE repeated AS
          SELECT id FROM candidates ANTI JOIN contradicting USING (event_hash)
          QUALIFY row_number() OVER (PARTITION BY event_hash ORDER BY file, line) > 1;
        """
    )
    repeated = count(connection, "repeated")
    connection.execute(
        """
        DELETE FROM events WHERE rowid IN (
          SELECT id FROM repeated UNION ALL
          SELECT id FROM candidates SEMI JOIN contradicting USING (event_hash));
        DROP TABLE candidates; DROP TABLE contradicting; DROP TABLE repeated;
        """
    )
    return repeated


def resolve_recordings(connection: duckdb.DuckDBPyConnection, consents: Consents) -> dict[str, int]:
    """Create the table `recordings`, and give the licences of the ISRCs that were used.

    The lines of an ISRC that several licences claim are rejected, naming them.
    """
    used = [
        isrc
        for (isrc,) in connection.execute(
            "SELECT DISTINCT isrc FROM events WHERE isrc IS NOT NULL ORDER BY isrc"
        ).fetchall()
    ]
    known = {isrc: consents.licenses_of.get(isrc, ()) for isrc in used}
    resolved = {isrc: licenses[0] for isrc, licenses in known.items() if len(licenses) == 1}
    put_table(
        connection,
        "recordings",
        pa.table(
            {
                "isrc": pa.array(list(resolved), pa.string()),
                "license": pa.array(list(resolved.values()), pa.uint32()),
            }
        ),
    )
    _reject_rivals(connection, {isrc: each for isrc, each in known.items() if len(each) > 1})
    return resolved


def _reject_rivals(
    connection: duckdb.DuckDBPyConnection, rivals: dict[str, tuple[int, ...]]
) -> None:
    if not rivals:
        return
    reasons = [
        f"licences {', '.join(map(str, sorted(licenses)))} claim {isrc}: say which by license_id"
        for isrc, licenses in rivals.items()
    ]
    put_table(
        connection,
        "rivals",
        pa.table(
            {
                "isrc": pa.array(list(rivals), pa.string()),
                "reason": pa.array(reasons, pa.string()),
            }
        ),
    )
    connection.execute(
        """
        INSERT INTO rejections SELECT file, line, 'isrc', reason FROM events JOIN rivals USING (isrc);
        DELETE FROM events WHERE isrc IN (SELECT isrc FROM rivals);
        """
    )


def judge(connection: duckdb.DuckDBPyConnection, consents: Consents) -> None:
    """Create the view `judged`: each event with its licence, its public time, and a reason.

    The reason is null for what becomes a row. Needs the tables of `put_consents` too.
    """
    connection.execute(
        f"""
        CREATE TEMP VIEW judged AS
        SELECT event_hash, used.license, isrc, used.tier, used.metric, units, influence_ppm,
          output_hash, attribution_provider,
          greatest(occurred_at - occurred_at % {HOUR_SECONDS}, {consents.period.start}, start_at)
            AS occurred_at,
          CASE
            WHEN used.license IS NULL OR used.license > {consents.license_count} THEN 'no licence'
            WHEN start_at IS NULL THEN 'no consent'
            ELSE withheld.reason END AS reason
        FROM (
          SELECT events.*, coalesce(events.license_id, recordings.license) AS license
          FROM events LEFT JOIN recordings USING (isrc)
        ) AS used
        LEFT JOIN intervals ON intervals.license = used.license AND intervals.tier = used.tier
          AND occurred_at >= start_at AND occurred_at < end_at
        LEFT JOIN withheld ON withheld.license = used.license AND withheld.tier = used.tier
          AND withheld.metric = used.metric
        """
    )


def sum_rows(connection: duckdb.DuckDBPyConnection) -> tuple[list[Row], list[int]]:
    """The rows of what has consent, in order, and how many events each has. Raises InputError."""
    records = connection.execute(
        """
        SELECT license, tier, metric, sum(units::HUGEINT * influence_ppm), count(*)
        FROM judged WHERE reason IS NULL GROUP BY ALL ORDER BY license, tier, metric
        """
    ).fetchall()
    rows = [row_of(*values[:4]) for values in records]
    return rows, [values[4] for values in records]


def row_of(license_id: int, tier: int, metric: int, quantity: int) -> Row:
    """The row of a sum. Raises InputError for a quantity beyond 2^64 - 1."""
    check_sum(quantity, f"licence {license_id}, {_use(tier, metric)}")
    return Row(license_id, Tier(tier), Metric(metric), int(quantity))


def sum_unlicensed(connection: duckdb.DuckDBPyConnection) -> list[UnlicensedUse]:
    """The use that no row may carry, sorted. Raises InputError for a sum beyond 2^64 - 1."""
    records = connection.execute(
        """
        SELECT license, isrc, tier, metric, reason, sum(units::HUGEINT * influence_ppm)
        FROM judged WHERE reason IS NOT NULL GROUP BY ALL
        ORDER BY license NULLS FIRST, isrc NULLS FIRST, tier, metric, reason
        """
    ).fetchall()
    return [_unlicensed(*values) for values in records]


def _unlicensed(
    license_id: int | None, isrc: str | None, tier: int, metric: int, reason: Any, quantity: int
) -> UnlicensedUse:
    named = f"licence {license_id}" if isrc is None else isrc
    check_sum(quantity, f"{named}, {_use(tier, metric)}, {reason}")
    return UnlicensedUse(
        license_id=license_id,
        isrc=isrc,
        tier=Tier(tier),
        metric=Metric(metric),
        quantity=int(quantity),
        reason=reason,
    )


def check_sum(quantity: int, what: str) -> None:
    """Raises InputError for a sum of units * influence_ppm beyond 2^64 - 1."""
    if quantity > UINT64_MAX:
        raise InputError(
            f"{what}: the sum of units * influence_ppm is beyond 2^64 - 1: send several reports",
            field="units",
        )


def _use(tier: int, metric: int) -> str:
    return f"tier {Tier(tier).name}, metric {Metric(metric).name}"
