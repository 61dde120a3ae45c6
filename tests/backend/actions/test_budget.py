"""The last act of a day is taken once, however many ask for it at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.actions.budget import Budget
from backend.db.service_db import ServiceDatabase, Spending
from backend.settings import BackendSettings
from obbligato.server.http import Problem
from tests import postgres
from tests.onchain import ARTIST, DUO

NOW = 20_000 * 86_400 + 5
"""Some second of day 20 000."""
PATIENCE = 60


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/records.db"
    else:
        with postgres.database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture
def two(url: str) -> Iterator[list[ServiceDatabase]]:
    """One database, opened twice as two processes do."""
    databases = [ServiceDatabase(url) for _ in range(2)]
    yield databases
    for each in databases:
        each.close()


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    """Three acts a day."""
    return Budget(
        BackendSettings(rpc_urls=("http://127.0.0.1:1",), deployment=tmp_path, acts_per_day=3)
    )


def take_at_once(databases: list[ServiceDatabase], budget: Budget, account: str) -> list[int]:
    """What everybody got who asked at one moment: 200 or the status of the refusal, in ascending order."""
    ready = threading.Barrier(len(databases))

    def take(database: ServiceDatabase) -> int:
        ready.wait(PATIENCE)
        try:
            with database.work() as session:
                budget.take(session, account, NOW)
        except Problem as refused:
            return refused.status
        return 200

    with ThreadPoolExecutor(len(databases)) as pool:
        return sorted(pool.map(take, databases, timeout=PATIENCE))


def acts(database: ServiceDatabase, account: str) -> int:
    with database.reading() as session:
        return session.get_one(Spending, (20_000, account)).acts


def test_of_two_at_once_one_gets_the_last_act_of_the_day(
    two: list[ServiceDatabase], budget: Budget
) -> None:
    with two[0].work() as session:
        for _ in range(2):
            budget.take(session, ARTIST.address, NOW)
    assert take_at_once(two, budget, ARTIST.address) == [200, 429]
    assert acts(two[0], ARTIST.address) == 3


def test_many_at_once_on_a_day_without_an_act_get_as_many_as_there_are(
    two: list[ServiceDatabase], budget: Budget
) -> None:
    assert Counter(take_at_once(two * 4, budget, ARTIST.address)) == {200: 3, 429: 5}
    assert acts(two[0], ARTIST.address) == 3
    assert take_at_once(two, budget, DUO.address) == [200, 200]


def test_an_act_that_is_not_kept_is_not_counted(two: list[ServiceDatabase], budget: Budget) -> None:
    with two[0].work() as session:
        for _ in range(2):
            budget.take(session, ARTIST.address, NOW)
    with two[0].work() as session:
        budget.take(session, ARTIST.address, NOW)
        session.rollback()
    assert take_at_once(two, budget, ARTIST.address) == [200, 429]
