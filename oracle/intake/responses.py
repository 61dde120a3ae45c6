"""Rows of the database as the answers that platforms get."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from obbligato.documents.cid import cid_from_digest
from obbligato.protocol.rows import ROW_BYTES, unpack_credits, unpack_rows
from obbligato.schemas import oracle as schemas
from obbligato.transactions.tables import Transaction
from oracle import db

LINE = ("id", "model_id", "dry_run", "state", "created_at")
SUBMISSION = ("platform_id", "waiting", "updated_at", "problem", "salt", "summary")
PART = ("part", "state", "report_id", "header", "window_end", "final", "waiting")
ATTESTATION = ("url", "signer", "outcome", "reason")


def submission_answer(session: Session, submission: db.Submission) -> schemas.Submission:
    """Everything about one submission but its rows."""
    parts = [_part(session, report) for report in submission.reports]
    return schemas.Submission.model_validate(
        {**_line(submission), **_columns(submission, SUBMISSION), "reports": parts}
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


def known_key(key: db.ApiKey) -> schemas.KnownKey:
    """An API key without its secret."""
    columns = _columns(key, ("id", "label", "created_at", "revoked_at"))
    return schemas.KnownKey.model_validate({**columns, "scopes": tuple(key.scopes.split())})


def _columns(row: db.Base, names: tuple[str, ...]) -> dict[str, object]:
    """The columns of a row that are answered under their own names."""
    return {name: getattr(row, name) for name in names}


def _line(submission: db.Submission) -> dict[str, object]:
    request = submission.request
    return {
        **_columns(submission, LINE),
        "period": request["period"],
        "pricing": request["pricing"],
    }


def _part(session: Session, report: db.Report) -> dict[str, object]:
    answers: list[db.AttesterAnswerRow] = []
    transaction = None
    if report.report_id is not None:
        of_report = select(db.AttesterAnswerRow).where(
            db.AttesterAnswerRow.report_id == report.report_id
        )
        answers = list(session.scalars(of_report.order_by(db.AttesterAnswerRow.url)))
        transaction = session.scalars(
            select(Transaction.hash)
            .where(Transaction.purpose == "submit", Transaction.subject == report.report_id.hex())
            .order_by(Transaction.id.desc())
        ).first()
    return {
        **_columns(report, PART),
        "rows": len(report.rows) // ROW_BYTES,
        "total_units": report.total,
        "evidence": cid_from_digest(report.evidence),
        "transaction": transaction,
        "attestations": [_columns(answer, ATTESTATION) for answer in answers],
    }
