"""Handing an attested report to the outbox."""

from __future__ import annotations

from sqlalchemy.orm import Session

from obbligato.chain.client import Chain
from obbligato.sending.outbox import want
from obbligato.typed_data import UsageReport
from oracle.database import Report

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
