"""What the keeper says of a report that the contract refused for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from obbligato.schemas.oracle import State
from obbligato.transactions.tables import Transaction, TransactionState
from oracle.db import OracleDatabase, Report, Submission
from oracle.reports.keeper import Keeper
from tests.oracle.attesting import MODEL, Scene

REPORT_ID = b"\x21" * 32
IDENTITY = "ab" * 16


@pytest.mark.parametrize(
    ("error", "arguments", "detail"),
    [
        (
            "PeriodTooOld",
            {"periodStart": 1_700_000_000, "earliest": 1_700_000_001},
            (
                "the period begins more than 92 days ago: so late only a report that continues its "
                "model's stream is taken"
            ),
        ),
        (
            "PeriodTooLong",
            {"periodStart": 1, "periodEnd": 2_678_402, "longest": 2_678_400},
            "the period is longer than 31 days: divide the usage into reports",
        ),
        ("RowsInvalid", {"row": 3}, "RowsInvalid(row=3)"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_a_period_that_the_chain_takes_no_longer_is_said_in_words(
    scene: Scene, tmp_path: Path, error: str, arguments: dict[str, int], detail: str
) -> None:
    database = OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    with database.work() as session:
        session.add(
            Submission(
                id=IDENTITY,
                platform_id=scene.platform_id,
                model_id=MODEL,
                idempotency_key="late",
                request_digest=bytes(32),
                request={},
                salt=bytes(32),
                state=State.ATTESTED,
                reports=[
                    Report(
                        part=1,
                        rows=b"",
                        credits=b"",
                        total=0,
                        evidence=bytes(32),
                        report_id=REPORT_ID,
                        state=State.ATTESTED,
                    )
                ],
            )
        )
        session.add(
            Transaction(
                purpose="submit",
                subject=REPORT_ID.hex(),
                to=scene.protocol.chain.deployment.address("UsageOracle"),
                data=b"",
                state=TransactionState.REFUSED,
                error={"error": error, "arguments": arguments},
            )
        )
    try:
        Keeper(database, scene.protocol.chain, finality=1, wake=lambda: None).tick()
        with database.work() as session:
            submission = session.get_one(Submission, IDENTITY)
        assert (submission.state, submission.problem) == (
            State.REJECTED,
            {"title": "The contract refused it", "detail": detail, "errors": [], "error_count": 1},
        )
    finally:
        database.close()
