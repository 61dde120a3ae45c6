"""Which old periods are taken: asked of SQLite and of a real PostgreSQL, whose JSON is read in the query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from sqlalchemy import event

from obbligato.schemas.oracle import State
from obbligato.schemas.oracle_requests import ReportRequest
from obbligato.server.http import Problem
from oracle.db import OracleDatabase, Submission
from oracle.intake.submissions import Submissions
from oracle.intake.uploads import Uploads
from tests import postgres
from tests.onchain import DAY
from tests.oracle.attesting import Scene

MODEL = keccak(b"a model that catches up")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OracleDatabase]:
    if request.param == "sqlite":
        opened = OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    else:
        with postgres.database(request.getfixturevalue("postgresql")) as url:
            opened = OracleDatabase(url)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("known", "period", "taken"),
    [
        ({}, (40, 50), True),
        ({}, (20, 30), True),
        ({}, (41, 50), False),
        ({}, (20, 31), False),
        ({"state": State.SIGNED}, (40, 50), True),
        ({"state": State.WITHDRAWN}, (40, 50), False),
        ({"dry_run": True}, (40, 50), False),
        ({"model_id": bytes(32)}, (40, 50), False),
    ],
    ids=["after it", "up to its end", "with a gap", "beyond its end", "signed", "withdrawn", "a quote",
         "another model"],
)  # fmt: skip
def test_an_old_period_is_taken_where_a_report_on_its_way_ends(
    scene: Scene,
    database: OracleDatabase,
    tmp_path: Path,
    known: dict[str, Any],
    period: tuple[int, int],
    taken: bool,
) -> None:
    """Days of a time long gone; the report on its way is of the days up to 40, or up to 30."""
    past = scene.acts.now() - 400 * DAY
    end = 30 if period[0] == 20 else 40
    with database.work() as session:
        session.add(
            Submission(
                **{
                    "id": "ab" * 16,
                    "platform_id": scene.platform_id,
                    "model_id": MODEL,
                    "idempotency_key": "known",
                    "request_digest": bytes(32),
                    "request": {"period": {"start": past, "end": past + end * DAY}, "rows": []},
                    "salt": bytes(32),
                    **known,
                }
            )
        )
    uploads = Uploads(database, tmp_path / "uploads", most_bytes=1, most_of_platform=1)
    submissions = Submissions(database, uploads, scene.acts.chain)
    start, end = (past + days * DAY for days in period)
    request = ReportRequest.model_validate(
        {"model_id": "0x" + MODEL.hex(), "period": {"start": start, "end": end}}
    )
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    if taken:
        assert submissions.take(scene.platform_id, "new", request, dry_run=False)[1]
    else:
        with pytest.raises(Problem) as refused:
            submissions.take(scene.platform_id, "new", request, dry_run=False)
        assert refused.value.more == {"field": "period.start"}
    (by_state,) = (each for each in statements if "submissions.state IN" in each)
    columns, _, _ = by_state.partition("FROM")
    assert "request" not in columns  # up to 100,000 rows each
