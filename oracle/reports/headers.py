"""Second step: the headers a platform signs, each with its number in the stream."""

from __future__ import annotations

from eth_hash.auto import keccak
from sqlalchemy.orm import Session

from obbligato.chain.client import Chain
from obbligato.protocol.constants import Pricing
from obbligato.protocol.rows import ROW_BYTES
from obbligato.protocol.streams import Stream
from obbligato.protocol.typed_data import Contract, UsageReport
from obbligato.schemas.oracle_requests import ReportRequest
from obbligato.transactions.outbox import want
from oracle.db import Report, Submission


def make_headers(
    chain: Chain,
    submission: Submission,
    reports: list[Report],
    stream: Stream,
    *,
    deadline: int,
    attempt: int,
    now: int,
) -> list[UsageReport]:
    """One header for each part, chained from the stream's last report on. `attempt` is the first's.

    `now` is the chain's time, in seconds.

    Raises RefusedError where the stream would not take the period.
    """
    request = ReportRequest.model_validate(submission.request)
    period = request.period
    have_rows = all(report.rows for report in reports)
    stream.check_period(period.start, period.end, has_rows=have_rows, now=now)
    domain = chain.domain(Contract.USAGE_ORACLE)
    headers: list[UsageReport] = []
    previous = stream.last
    for number, report in enumerate(reports):
        header = UsageReport(
            platform_id=submission.platform_id,
            model_id=submission.model_id,
            sequence=stream.sequence + 1 + number,
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
    """Write the report's submission into the outbox, within the caller's unit of work."""
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
