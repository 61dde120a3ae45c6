"""Second step: the headers a platform signs, each with its place in the stream."""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak
from sqlalchemy.orm import Session

from obbligato.chain.client import Chain
from obbligato.errors import RefusedError
from obbligato.protocol.constants import Pricing
from obbligato.protocol.rows import ROW_BYTES
from obbligato.protocol.typed_data import Contract, UsageReport
from obbligato.schemas.oracle_requests import ReportRequest
from obbligato.transactions.outbox import want
from oracle.db import Report, Submission


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream is: its last report, that one's number, and until when it is covered (0: never)."""

    last: bytes
    sequence: int
    covered_until: int


def place_of(chain: Chain, platform_id: int, model_id: bytes) -> Place:
    """The stream as the chain has it now. Raises ChainError."""
    last, sequence, covered = chain.call("UsageOracle", "streamOf", platform_id, model_id)
    return Place(bytes(last), int(sequence), int(covered))


def make_headers(
    chain: Chain,
    submission: Submission,
    reports: list[Report],
    place: Place,
    *,
    deadline: int,
    attempt: int,
) -> list[UsageReport]:
    """One header for each part, chained from `place` on. `attempt` is that of the first.

    Raises RefusedError where the stream would not take the period.
    """
    request = ReportRequest.model_validate(submission.request)
    period = request.period
    covered = place.covered_until
    leads = covered in (0, period.start)
    if not leads and period.end > covered:
        raise RefusedError(
            f"this model is reported until {covered}: start the period there, or end it by then"
        )
    if not leads and not all(report.rows for report in reports):
        raise RefusedError(
            f"this model is reported until {covered}: a statement of no use would say nothing new"
        )
    domain = chain.domain(Contract.USAGE_ORACLE)
    headers: list[UsageReport] = []
    previous = place.last
    for number, report in enumerate(reports):
        header = UsageReport(
            platform_id=submission.platform_id,
            model_id=submission.model_id,
            sequence=place.sequence + 1 + number,
            attempt=attempt if number == 0 else 1,
            previous=previous,
            period_start=period.start,
            period_end=period.end,
            pricing=request.pricing if report.rows else Pricing.METERED,
            row_count=len(report.rows) // ROW_BYTES,
            rows_digest=keccak(report.rows),
            total=report.total,
            evidence=report.evidence,
            deadline=deadline,
        )
        previous = header.report_id(domain)
        headers.append(header)
    return headers


SUBMIT = "submit"


def want_submission(session: Session, chain: Chain, report: Report) -> None:
    """Want the report on the chain, within the caller's unit of work."""
    header = UsageReport.from_json(report.header)
    assert report.report_id is not None
    want(
        session,
        purpose=SUBMIT,
        subject=report.report_id.hex(),
        to=chain.deployment.address("UsageOracle"),
        data=chain.encode(
            "UsageOracle",
            "submit",
            tuple(header.model_dump().values()),
            report.rows,
            report.reporter,
            report.reporter_signature,
            report.config_version,
            report.attestations,
        ),
    )
