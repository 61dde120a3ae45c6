"""The pipeline's single steps, with what happens to a submission while one of them asks the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.chain import blocks
from obbligato.chain.client import Chain
from obbligato.schemas.oracle import State
from obbligato.server.alerts import Alerts
from oracle.db import OracleDatabase, Report, Submission
from oracle.intake.submissions import Submissions
from oracle.intake.uploads import Uploads
from oracle.reports.pipeline import Pipeline
from oracle.reports.quorum import Gatherer
from tests.onchain import DeployedProtocol
from tests.waiting import wait_until

MODEL = keccak(b"the model of single steps")
PLATFORM = 1
IDENTITY = "ab" * 16


class NoMetering:
    """No submission here is to be metered."""


@pytest.fixture
def database(tmp_path: Path, onchain: DeployedProtocol) -> Iterator[OracleDatabase]:
    """With one submission, metered: a statement of no use, whose header is to be made."""
    end = blocks.latest(onchain.chain).timestamp
    database = OracleDatabase(f"sqlite:///{tmp_path / 'oracle.db'}")
    with database.work() as session:
        session.add(
            Submission(
                id=IDENTITY,
                platform_id=PLATFORM,
                model_id=MODEL,
                idempotency_key="one",
                request_digest=bytes(32),
                request={
                    "model_id": "0x" + MODEL.hex(),
                    "period": {"start": end - 86_400, "end": end},
                },
                salt=bytes(32),
                summary={"events": 0},
                reports=[Report(part=1, rows=b"", credits=b"", total=0, evidence=bytes(32))],
            )
        )
    yield database
    database.close()


def pipeline(database: OracleDatabase, chain: Chain, alerts: Alerts | None = None) -> Pipeline:
    return Pipeline(
        database=database,
        chain=chain,
        meter=NoMetering(),  # type: ignore[arg-type]
        gatherer=Gatherer(chain, [], timeout_seconds=1),
        finality=1,
        signing_seconds=3_600,
        poll_seconds=1,
        alerts=alerts,
    )


def state_of(database: OracleDatabase) -> State:
    with database.work() as session:
        return State(session.get_one(Submission, IDENTITY).state)


def meanwhile(monkeypatch: pytest.MonkeyPatch, function: str, act: Callable[[], None]) -> None:
    """Let something happen just before the chain answers a view function."""
    call = Chain.call

    def interrupted(chain: Chain, contract: str, name: str, *more: Any, **block: Any) -> Any:
        if name == function:
            act()
        return call(chain, contract, name, *more, **block)

    monkeypatch.setattr(Chain, "call", interrupted)


def test_a_metered_submission_gets_its_header_and_waits_for_a_signature(
    onchain: DeployedProtocol, database: OracleDatabase
) -> None:
    pipeline(database, onchain.chain).step((PLATFORM, MODEL))
    assert state_of(database) is State.VALIDATED
    with database.work() as session:
        (report,) = session.get_one(Submission, IDENTITY).reports
    assert report.header is not None
    assert report.header["sequence"] == 1


def test_what_is_taken_back_while_its_header_is_made_stays_taken_back(
    onchain: DeployedProtocol,
    database: OracleDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uploads = Uploads(database, tmp_path / "uploads", most_bytes=1, most_of_platform=1)
    platform = Submissions(database, uploads, onchain.chain)
    meanwhile(monkeypatch, "streamOf", lambda: platform.withdraw(PLATFORM, IDENTITY))
    steps = pipeline(database, onchain.chain)
    for _ in range(2):
        assert not steps.step((PLATFORM, MODEL))
        assert state_of(database) is State.WITHDRAWN


def test_a_stream_that_fails_leaves_the_others_served_and_is_named_by_an_alert(
    onchain: DeployedProtocol, database: OracleDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view of one stream breaks in a way that nobody foresaw."""
    poisoned, alerts = keccak(b"a poisoned model"), Alerts()
    with database.work() as session:
        other = session.get_one(Submission, IDENTITY)
        session.add(
            Submission(
                id="cd" * 16,
                platform_id=PLATFORM,
                model_id=poisoned,
                idempotency_key="two",
                request_digest=bytes(32),
                request={**other.request, "model_id": "0x" + poisoned.hex()},
                salt=bytes(32),
                summary={"events": 0},
                created_at=other.created_at - 1,  # it comes first
                reports=[Report(part=1, rows=b"", credits=b"", total=0, evidence=bytes(32))],
            )
        )
    stream = Chain.stream

    def breaks(chain: Chain, platform_id: int, model_id: bytes, **block: Any) -> Any:
        if model_id == poisoned:
            raise ZeroDivisionError("nobody thought of that")
        return stream(chain, platform_id, model_id, **block)

    monkeypatch.setattr(Chain, "stream", breaks)
    steps = pipeline(database, onchain.chain, alerts)
    try:

        def alert() -> str | None:
            steps.tick()
            return alerts.words("pipeline items")

        words = wait_until(alert, 60, every_seconds=0.05)
    finally:
        steps.close()
    assert state_of(database) is State.VALIDATED
    assert words is not None
    assert "cd" * 16 in words
    with database.work() as session:
        waiting = session.get_one(Submission, "cd" * 16)
        assert (State(waiting.state), waiting.waiting) == (
            State.RECEIVED,
            "an error of the oracle's own",
        )
