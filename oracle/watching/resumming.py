"""The rows that evidence supports where it does not hold as a whole: the sum of the events that do."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers

from __future__ import annotations

from pathlib import Path

from obbligato.documents import EvidenceDocument
from obbligato.metering.consents import Consents
from obbligato.metering.judging import row_of
from obbligato.metering.public_events import load_events
from obbligato.metering.workbench import put_consents, workbench
from obbligato.rules.rows import Row
from obbligato.store import ContentStore


def supported_rows(
    document: EvidenceDocument,
    *,
    model_id: bytes,
    store: ContentStore,
    folder: Path,
    consents: Consents,
) -> list[Row]:
    """The rows of the events that the rules allow: of the model, with consent at their time.

    Of several events with one hash the largest counts. Raises NotFound, StoreError, DigestMismatch;
    InputError or RefusedError for chunks that cannot be read.
    """
    with workbench(folder) as connection:
        load_events(connection, document.chunks, store)
        put_consents(connection, consents)
        found = connection.execute(
            f"""
            WITH counted AS (
              SELECT *, units::HUGEINT * influence_ppm AS quantity FROM public
              WHERE model_id = unhex('{model_id.hex()}')
              QUALIFY row_number() OVER (PARTITION BY event_hash
                ORDER BY quantity DESC, license_id, public.tier, public.metric, occurred_at) = 1
            )
            SELECT license_id, counted.tier, counted.metric, sum(quantity) FROM counted
            JOIN intervals ON intervals.license = license_id AND intervals.tier = counted.tier
              AND occurred_at >= start_at AND occurred_at < end_at
            ANTI JOIN withheld ON withheld.license = license_id
              AND withheld.tier = counted.tier AND withheld.metric = counted.metric
            GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()
    return [row_of(*values) for values in found]
