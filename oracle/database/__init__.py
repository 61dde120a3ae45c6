"""Tables, migrations and sessions of the oracle's database (SQLite by default, PostgreSQL by URL)."""

from oracle.database.connection import Database
from oracle.database.tables import (
    Answer,
    ApiKey,
    Base,
    Broadcast,
    Payout,
    Report,
    ReportState,
    Signed,
    Submission,
    SubmissionState,
    Transaction,
    TransactionState,
    Upload,
)

__all__ = [
    "Answer",
    "ApiKey",
    "Base",
    "Broadcast",
    "Database",
    "Payout",
    "Report",
    "ReportState",
    "Signed",
    "Submission",
    "SubmissionState",
    "Transaction",
    "TransactionState",
    "Upload",
]
