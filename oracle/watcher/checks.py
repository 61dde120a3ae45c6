"""A report against its evidence: which rows differ, and what is wrong with the evidence itself."""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb

from obbligato.consent import LicenseBook
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.evidence import EvidenceDocument
from obbligato.errors import DigestMismatch, InputError, NotFound, ObbligatoError, RefusedError
from obbligato.metering.aggregation import row_of
from obbligato.metering.public_events import load_events
from obbligato.metering.verification import verify
from obbligato.metering.workbench import Consents, put_consents, workbench
from obbligato.protocol.constants import MAX_INFLUENCE_CAP_BPS
from obbligato.protocol.rows import Row
from obbligato.store import ContentStore, StoreError
from oracle.watcher.findings import Finding, FindingKind, SeenReport


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


_HOSTILE: Final = (
    duckdb.Error,
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What bytes made to break a reader may raise in the libraries that read them."""


def check_report(
    report: SeenReport, *, book: LicenseBook, store: ContentStore, folder: Path
) -> list[Finding]:
    """Everything that is wrong with a report; nothing for one that its evidence supports.

    The book must have been followed to the report's block. `folder` is for scratch files.
    """
    findings = list(_above_cap(report, book))
    try:
        document = EvidenceDocument.from_bytes(store.get(cid_from_digest(report.header.evidence)))
        rows, refusal = _supported(report, document, book=book, store=store, folder=folder)
    except (NotFound, StoreError, DigestMismatch, InputError, RefusedError) as error:
        return [*findings, Finding(report.report_id, kind_of(error), str(error))]
    except _HOSTILE as error:  # one report must not keep the others from being checked
        words = f"it cannot be read: {type(error).__name__}: {error}"
        return [*findings, Finding(report.report_id, FindingKind.MALFORMED, words)]
    if refusal is not None:
        findings.append(Finding(report.report_id, kind_of(refusal), str(refusal)))
    return [*findings, *differing_rows(report.report_id, report.rows, rows)]


def _supported(
    report: SeenReport,
    document: EvidenceDocument,
    *,
    book: LicenseBook,
    store: ContentStore,
    folder: Path,
) -> tuple[Sequence[Row], ObbligatoError | None]:
    """The rows that the evidence supports, and what is wrong with it, if anything."""
    header, consents = report.header, consents_of(report, book)
    try:
        verified = verify(
            document,
            platform_id=header.platform_id,
            model_id=header.model_id,
            period=report.period,
            store=store,
            folder=folder,
            consents=consents,
        )
    except (InputError, RefusedError) as refusal:
        rows = supported_rows(
            document, model_id=header.model_id, store=store, folder=folder, consents=consents
        )
        return rows, refusal
    return verified.rows, None


def consents_of(report: SeenReport, book: LicenseBook) -> Consents:
    """What licences allowed in the report's period.

    Recordings whose licence is in a document that nobody has stay unknown: what was declared as
    unlicensed use of them cannot be called wrong.
    """
    return book.consents(
        period=report.period,
        platform_id=report.header.platform_id,
        model_id=report.header.model_id,
        pricing=report.header.pricing,
        isrcs=book.isrcs(report.period).keys(),
    )


def kind_of(error: ObbligatoError) -> FindingKind:
    """What an error in reading evidence is a finding of."""
    if isinstance(error, DigestMismatch):
        return FindingKind.TAMPERED
    if isinstance(error, NotFound | StoreError):
        return FindingKind.MISSING
    return FindingKind.MALFORMED if isinstance(error, InputError) else FindingKind.REFUSED


def differing_rows(
    report_id: bytes, reported: Sequence[Row], by_evidence: Sequence[Row]
) -> Iterator[Finding]:
    """The rows that the report states with another quantity than the evidence sums to."""
    stated = {row.key: row.quantity for row in reported}
    summed = {row.key: row.quantity for row in by_evidence}
    for key in sorted(stated.keys() | summed.keys()):
        found, right = stated.get(key, 0), summed.get(key, 0)
        if found == right:
            continue
        if right == 0:
            kind = FindingKind.INVENTED
        elif found == 0:
            kind = FindingKind.OMITTED
        else:
            kind = FindingKind.OVERSTATED if found > right else FindingKind.UNDERSTATED
        words = f"the report says {found} millionths, its evidence {right}"
        yield Finding(report_id, kind, words, key, found, right)


def _above_cap(report: SeenReport, book: LicenseBook) -> Iterator[Finding]:
    """Licences whose share of the report's quantity is above the cap of their terms."""
    whole = sum(row.quantity for row in report.rows)
    quantities: dict[int, int] = defaultdict(int)
    caps: dict[int, int] = {}
    for row in report.rows:
        quantities[row.license_id] += row.quantity
        cap = min(_cap(report, row, book), caps.get(row.license_id, MAX_INFLUENCE_CAP_BPS))
        caps[row.license_id] = cap
    for license_id, quantity in quantities.items():
        if quantity * MAX_INFLUENCE_CAP_BPS > caps[license_id] * whole:
            yield Finding(
                report.report_id,
                FindingKind.ABOVE_CAP,
                f"licence {license_id} has {quantity} of {whole} millionths, "
                f"its terms allow {caps[license_id]} of {MAX_INFLUENCE_CAP_BPS}",
            )


def _cap(report: SeenReport, row: Row, book: LicenseBook) -> int:
    """Basis points, of the terms that priced the row; no limit where the chain knows none."""
    history = book.history(row.license_id)
    terms = history.period_terms(row.tier, report.header.period_start, report.header.period_end)
    return MAX_INFLUENCE_CAP_BPS if terms is None else terms.influence_cap_bps
