"""Tables, migrations and sessions of the oracle's database (SQLite by default, PostgreSQL by URL)."""

from oracle.database.connection import Database
from oracle.database.tables import (
    Answer,
    ApiKey,
    Base,
    Payout,
    Report,
    ReportState,
    Signed,
    Submission,
    SubmissionState,
    Upload,
)

__all__ = [
    "Answer",
    "ApiKey",
    "Base",
    "Database",
    "Payout",
    "Report",
    "ReportState",
    "Signed",
    "Submission",
    "SubmissionState",
    "Upload",
]
