"""Rows of the database as the answers that platforms get."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from obbligato.documents import cid_from_digest
from obbligato.protocol.rows import ROW_BYTES, unpack_credits, unpack_rows
from obbligato.schemas import oracle as schemas
from obbligato.transactions.tables import Transaction
from oracle import db


def submission_answer(session: Session, submission: db.Submission) -> schemas.Submission:
    """Everything about one submission but its rows."""
    return schemas.Submission.model_validate(
        {
            **_line(submission),
            "platform_id": submission.platform_id,
            "waiting": submission.waiting,
            "updated_at": submission.updated_at,
            "problem": submission.problem,
            "salt": submission.salt,
            "summary": submission.summary,
            "reports": [_part(session, report) for report in submission.reports],
        }
    )


def submission_line(submission: db.Submission) -> schemas.SubmissionLine:
    """A submission in a list."""
    return schemas.SubmissionLine.model_validate(_line(submission))


def priced_rows(report: db.Report) -> schemas.PricedRows:
    """The rows of a part with what each is credited, as last priced."""
    pairs = zip(unpack_rows(report.rows), unpack_credits(report.credits), strict=True)
    return schemas.PricedRows(
        rows=tuple(
            schemas.PricedRow(
                license_id=row.license_id,
                tier=row.tier,
                metric=row.metric,
                quantity=row.quantity,
                amount_units=credit.amount,
                split_id=credit.split_id,
            )
            for row, credit in pairs
        )
    )


def _line(submission: db.Submission) -> dict[str, object]:
    return {
        "id": submission.id,
        "model_id": submission.model_id,
        "period": submission.request["period"],
        "pricing": submission.request["pricing"],
        "dry_run": submission.dry_run,
        "state": submission.state,
        "created_at": submission.created_at,
    }


def _part(session: Session, report: db.Report) -> dict[str, object]:
    answers: list[db.Answer] = []
    transaction = None
    if report.report_id is not None:
        answers = list(
            session.scalars(
                select(db.Answer)
                .where(db.Answer.report_id == report.report_id)
                .order_by(db.Answer.url)
            )
        )
        transaction = session.scalars(
            select(Transaction.hash)
            .where(Transaction.purpose == "submit", Transaction.subject == report.report_id.hex())
            .order_by(Transaction.id.desc())
        ).first()
    return {
        "part": report.part,
        "state": report.state,
        "report_id": report.report_id,
        "header": report.header,
        "rows": len(report.rows) // ROW_BYTES,
        "total_units": report.total,
        "evidence": cid_from_digest(report.evidence),
        "window_end": report.window_end,
        "final": report.final,
        "transaction": transaction,
        "waiting": report.waiting,
        "attestations": [
            {
                "url": answer.url,
                "signer": answer.signer,
                "outcome": answer.outcome,
                "reason": answer.reason,
            }
            for answer in answers
        ],
    }
