"""What platforms get of the rows of the database, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.rows import Credit, Row, pack_credits, pack_rows
from obbligato.schemas.oracle import READABLE, Submission
from oracle import db
from oracle.intake.responses import priced_rows, submission_answer, submission_line

MODEL = b"\x01" * 32
REPORT = b"\x02" * 32
SIGNER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
HEADER = {
    "platformId": 7,
    "modelId": "0x" + "01" * 32,
    "sequence": 1,
    "attempt": 1,
    "previous": "0x" + "00" * 32,
    "periodStart": 1_000,
    "periodEnd": 2_000,
    "pricing": 1,
    "rowCount": 1,
    "rowsDigest": "0x" + "03" * 32,
    "total": "18446744073709551615",
    "evidence": "0x" + "00" * 32,
    "deadline": 3_000,
}
SUMMARY = {
    "events": 3,
    "duplicates": 1,
    "skipped": 1,
    "rejections": [{"file": "a.csv", "line": 2, "field": "units", "reason": "is 0"}],
    "rows": 1,
    "parts": 1,
    "total_units": "18446744073709551615",
    "unlicensed_count": 1,
    "unlicensed": [
        {
            "license_id": None,
            "isrc": "USUG12400910",
            "tier": "TRAINING",
            "metric": "PLAYBACK",
            "quantity": "9223372036854775808",
            "reason": "no licence",
        }
    ],
    "resolved": {"USUG12400911": 3},
}


def submission(**more: Any) -> db.Submission:
    return db.Submission(
        id="ab" * 16,
        platform_id=7,
        model_id=MODEL,
        idempotency_key="march",
        request_digest=b"\x00" * 32,
        request={"period": {"start": 1_000, "end": 2_000}, "pricing": 1},
        salt=b"\x04" * 32,
        dry_run=False,
        created_at=10,
        updated_at=11,
        **more,
    )


def report() -> db.Report:
    return db.Report(
        part=1,
        report_id=REPORT,
        header=HEADER,
        rows=pack_rows([Row(3, Tier.TRAINING, Metric.PLAYBACK, 2**64 - 1)]),
        credits=pack_credits([Credit(5, 2**64 - 1)]),
        total=2**64 - 1,
        evidence=b"\x00" * 32,
        state="validated",
        final=False,
    )


LINE = {
    "id": "ab" * 16,
    "model_id": "0x" + "01" * 32,
    "period": {"start": 1_000, "end": 2_000},
    "pricing": 1,
    "dry_run": False,
    "state": "validated",
    "created_at": 10,
}
ZERO_CID = "bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"""Of the digest of zeros: base32 of 01 55 12 20 and 32 zero bytes."""
WHOLE = {
    **LINE,
    "platform_id": 7,
    "waiting": None,
    "updated_at": 11,
    "problem": None,
    "salt": "0x" + "04" * 32,
    "summary": SUMMARY,
    "reports": [
        {
            "part": 1,
            "state": "validated",
            "report_id": "0x" + "02" * 32,
            "header": HEADER,
            "rows": 1,
            "total_units": "18446744073709551615",
            "evidence": ZERO_CID,
            "window_end": None,
            "final": False,
            "transaction": None,
            "waiting": None,
            "attestations": [
                {
                    "url": "http://a.example",
                    "signer": SIGNER,
                    "outcome": "refused",
                    "reason": "other rows",
                }
            ],
        }
    ],
}


@pytest.fixture
def answer(tmp_path: Path) -> Submission:
    database = db.OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    with database.work() as session:
        row = submission(state="validated", summary=SUMMARY, reports=[report()])
        session.add(row)
        session.add(
            db.AttesterAnswerRow(
                report_id=REPORT,
                url="http://a.example",
                signer=SIGNER,
                outcome="refused",
                reason="other rows",
            )
        )
        session.flush()
        made = submission_answer(session, row)
    database.close()
    return made


def test_a_submission_on_the_wire(answer: Submission) -> None:
    assert answer.model_dump(mode="json", exclude_unset=True) == WHOLE


def test_a_submission_as_people_read_it_has_numbers_and_names(answer: Submission) -> None:
    data = answer.model_dump(mode="json", context=READABLE)
    assert data["pricing"] == "METERED"
    assert data["summary"]["total_units"] == data["reports"][0]["total_units"] == 2**64 - 1


def test_what_the_wire_carries_is_read_as_the_same(answer: Submission) -> None:
    assert Submission.model_validate(WHOLE) == answer


def test_a_line_of_a_list_on_the_wire() -> None:
    line = submission_line(submission(state="validated"))
    assert line.model_dump(mode="json") == LINE


def test_rows_on_the_wire() -> None:
    assert priced_rows(report()).model_dump(mode="json") == {
        "rows": [
            {
                "license_id": 3,
                "tier": "TRAINING",
                "metric": "PLAYBACK",
                "quantity": "18446744073709551615",
                "amount_units": "18446744073709551615",
                "split_id": 5,
            }
        ]
    }


@pytest.mark.parametrize("row", [{}, {"row": 4}])
def test_a_problem_has_a_row_where_it_is_of_one(tmp_path: Path, row: dict[str, int]) -> None:
    problem = {"title": "x", "detail": "y", "errors": [], "error_count": 1, **row}
    database = db.OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    with database.work() as session:
        made = submission_answer(session, submission(state="rejected", problem=problem))
    database.close()
    assert made.model_dump(mode="json", exclude_unset=True)["problem"] == problem
