"""Submissions as platforms are shown them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from obbligato.documents import cid_from_digest
from obbligato.protocol.rows import unpack_credits, unpack_rows
from obbligato.transactions.tables import Transaction
from oracle.db import Answer, Report, Submission


def shown_submission(session: Session, submission: Submission) -> dict[str, Any]:
    """Everything about one submission but its rows."""
    request = submission.request
    return {
        "id": submission.id,
        "platform_id": submission.platform_id,
        "model_id": "0x" + submission.model_id.hex(),
        "period": request["period"],
        "pricing": request["pricing"],
        "dry_run": submission.dry_run,
        "state": submission.state,
        "waiting": submission.waiting,
        "created_at": submission.created_at,
        "updated_at": submission.updated_at,
        "problem": submission.problem,
        # The platform's own: with it, it can show which of its events a public hash is.
        "salt": "0x" + submission.salt.hex(),
        "summary": submission.summary,
        "reports": [_shown_report(session, report) for report in submission.reports],
    }


def shown_item(submission: Submission) -> dict[str, Any]:
    """A line of a list."""
    return {
        "id": submission.id,
        "model_id": "0x" + submission.model_id.hex(),
        "period": submission.request["period"],
        "pricing": submission.request["pricing"],
        "dry_run": submission.dry_run,
        "state": submission.state,
        "created_at": submission.created_at,
    }


def shown_rows(report: Report) -> list[dict[str, Any]]:
    """The rows of a part with what each is credited, as last priced."""
    pairs = zip(unpack_rows(report.rows), unpack_credits(report.credits), strict=True)
    return [
        {
            "license_id": row.license_id,
            "tier": row.tier.name,
            "metric": row.metric.name,
            "quantity": str(row.quantity),
            "amount_units": str(credit.amount),
            "split_id": credit.split_id,
        }
        for row, credit in pairs
    ]


def _shown_report(session: Session, report: Report) -> dict[str, Any]:
    return {
        "part": report.part,
        "state": report.state,
        "report_id": None if report.report_id is None else "0x" + report.report_id.hex(),
        "header": report.header,
        "rows": len(report.rows) // 14,
        "total_units": str(report.total),
        "evidence": cid_from_digest(report.evidence),
        "window_end": report.window_end,
        "final": report.final,
        "transaction": _transaction(session, report),
        "waiting": report.waiting,
        "attestations": [] if report.report_id is None else _answers(session, report.report_id),
    }


def _transaction(session: Session, report: Report) -> str | None:
    if report.report_id is None:
        return None
    found = session.scalars(
        select(Transaction)
        .where(Transaction.purpose == "submit", Transaction.subject == report.report_id.hex())
        .order_by(Transaction.id.desc())
    ).first()
    return None if found is None else found.hash


def _answers(session: Session, report_id: bytes) -> list[dict[str, Any]]:
    answers = session.scalars(
        select(Answer).where(Answer.report_id == report_id).order_by(Answer.url)
    )
    return [
        {
            "url": answer.url,
            "signer": answer.signer,
            "outcome": answer.outcome,
            "reason": answer.reason,
        }
        for answer in answers
    ]
