"""An attester's memory: one report for each place and attempt, and no second attempt too early."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from obbligato.errors import RefusedError
from obbligato.protocol.constants import Pricing
from obbligato.protocol.typed_data import UsageReport
from oracle.attester.attester import Memory
from oracle.db import OracleDatabase

DEADLINE = 1_800_000_000


def header(**changed: object) -> UsageReport:
    """A header at number 7 of model 0x11…; whatever a test wants to be different it names."""
    values = {
        "platform_id": 3,
        "model_id": b"\x11" * 32,
        "sequence": 7,
        "attempt": 1,
        "previous": b"\x22" * 32,
        "period_start": 1_700_000_000,
        "period_end": 1_702_592_000,
        "pricing": Pricing.METERED,
        "row_count": 1,
        "rows_digest": b"\x33" * 32,
        "total": 5,
        "evidence": b"\x44" * 32,
        "deadline": DEADLINE,
        **changed,
    }
    return UsageReport(**values)


@pytest.fixture
def database(tmp_path: Path) -> OracleDatabase:
    return OracleDatabase(f"sqlite:///{tmp_path / 'attester.db'}")


def test_the_same_report_may_be_signed_again_also_by_a_new_process(
    database: OracleDatabase, tmp_path: Path
) -> None:
    Memory(database).remember(header(), b"\x01" * 32, final_time=0)
    again = Memory(OracleDatabase(f"sqlite:///{tmp_path / 'attester.db'}"))
    again.remember(header(), b"\x01" * 32, final_time=0)
    with pytest.raises(RefusedError, match="another report was signed for attempt 1 at number 7"):
        again.remember(header(), b"\x02" * 32, final_time=0)


@pytest.mark.parametrize(
    "elsewhere",
    [{"platform_id": 4}, {"model_id": b"\x12" * 32}, {"sequence": 8}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_place_is_another_report(
    database: OracleDatabase, elsewhere: dict[str, object]
) -> None:
    memory = Memory(database)
    memory.remember(header(), b"\x01" * 32, final_time=0)
    memory.remember(header(**elsewhere), b"\x02" * 32, final_time=0)


@pytest.mark.parametrize(("final_time", "signed"), [(-1, False), (0, False), (1, True)])
def test_a_second_attempt_waits_until_the_firsts_deadline_has_passed_in_a_final_block(
    database: OracleDatabase, final_time: int, signed: bool
) -> None:
    memory = Memory(database)
    memory.remember(header(), b"\x01" * 32, final_time=0)
    second = header(attempt=2, deadline=DEADLINE + 86_400)
    if signed:
        memory.remember(second, b"\x02" * 32, final_time=DEADLINE + final_time)
        return
    with pytest.raises(RefusedError, match=f"may still be accepted until {DEADLINE}"):
        memory.remember(second, b"\x02" * 32, final_time=DEADLINE + final_time)


def test_an_earlier_attempt_is_too_late_once_a_later_one_was_signed(
    database: OracleDatabase,
) -> None:
    memory = Memory(database)
    memory.remember(header(attempt=2), b"\x02" * 32, final_time=0)
    with pytest.raises(RefusedError, match="attempt 2 was signed already"):
        memory.remember(header(), b"\x01" * 32, final_time=DEADLINE + 1)


def test_two_at_the_same_moment_cannot_both_be_remembered(database: OracleDatabase) -> None:
    memory = Memory(database)
    start = threading.Barrier(8)
    outcomes: list[bool] = []

    def ask(number: int) -> None:
        start.wait()
        try:
            memory.remember(header(), bytes([number]) * 32, final_time=0)
        except RefusedError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
