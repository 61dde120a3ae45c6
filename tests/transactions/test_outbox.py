"""The outbox and the key's lock on both databases: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from obbligato.errors import InputError
from obbligato.transactions import outbox
from obbligato.transactions.lock import KeyLock
from obbligato.transactions.outbox import want
from obbligato.transactions.tables import Transaction, TransactionState
from oracle.db import OracleDatabase
from scripts.toolchain import ROOT
from tests import postgres
from tests.onchain import DeployedProtocol
from tests.transactions.sending import new_sender_env

TO = "0x000000000000000000000000000000000000dEaD"
KEY = "0x00000000000000000000000000000000000000AA"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'oracle.db'}"
        return
    with postgres.database(request.getfixturevalue("postgresql")) as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[OracleDatabase]:
    opened = OracleDatabase(url)
    yield opened
    opened.close()


def wanted(database: OracleDatabase, subject: str = "a") -> int:
    with database.work() as session:
        return want(session, purpose="settle", subject=subject, to=TO, data=b"\x01").id


def put(
    database: OracleDatabase, number: int, state: TransactionState, nonce: int | None = None
) -> None:
    with database.work() as session:
        row = session.get_one(Transaction, number)
        row.state, row.nonce, row.sender = state, nonce, KEY if nonce is not None else None


@pytest.mark.parametrize(
    ("state", "stands"),
    [
        (TransactionState.QUEUED, True),
        (TransactionState.SIGNED, True),
        (TransactionState.MINED, True),
        (TransactionState.FINAL, True),
        (TransactionState.REVERTED, False),
        (TransactionState.REFUSED, False),
        (TransactionState.SUPERSEDED, False),
    ],
)
def test_what_stands_is_not_doubled_and_what_failed_is_made_anew(
    database: OracleDatabase, state: TransactionState, stands: bool
) -> None:
    first = wanted(database)
    put(database, first, state)
    assert (wanted(database) == first) is stands
    assert wanted(database, "b") != first


def test_who_wants_the_same_meanwhile_waits_and_gets_the_same_transaction(
    database: OracleDatabase,
) -> None:
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(wanted(database)))
    with database.work() as session:
        first = want(session, purpose="settle", subject="a", to=TO, data=b"\x01").id
        other.start()
        other.join(0.5)  # time enough to go wrong
        assert other.is_alive()
    other.join(60)
    assert found == [first]


def test_a_nonce_is_given_out_once_a_sender(database: OracleDatabase) -> None:
    put(database, wanted(database, "a"), TransactionState.SIGNED, nonce=4)
    with pytest.raises(IntegrityError):
        put(database, wanted(database, "b"), TransactionState.SIGNED, nonce=4)


def test_the_next_nonce_lies_above_every_one_ever_taken(database: OracleDatabase) -> None:
    with database.work() as session:
        assert (outbox.next_nonce(session, KEY), outbox.consumed_nonces(session, KEY)) == (0, 0)
    put(database, wanted(database, "a"), TransactionState.FINAL, nonce=3)
    put(database, wanted(database, "b"), TransactionState.SIGNED, nonce=4)
    with database.work() as session:
        assert (outbox.next_nonce(session, KEY), outbox.consumed_nonces(session, KEY)) == (5, 4)
        assert [row.nonce for row in outbox.in_flight(session, KEY)] == [4]
        counts = outbox.counts(session)
    assert (counts["final"], counts["signed"], counts["queued"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("field", "value"), [("purpose", ""), ("purpose", "p" * 17), ("subject", "s" * 201)]
)
def test_names_that_do_not_fit_are_refused_by_field(
    database: OracleDatabase, field: str, value: str
) -> None:
    given = {"purpose": "settle", "subject": "a", field: value}
    with database.work() as session, pytest.raises(InputError, match=f"^{field}: "):
        want(session, **given, to=TO, data=b"")  # type: ignore[arg-type]


def test_a_sender_brings_what_is_wanted_to_its_end_on_either_database(
    onchain: DeployedProtocol, tmp_path: Path, url: str
) -> None:
    with new_sender_env(onchain, tmp_path, url) as sender_env:
        numbers = [sender_env.wants("a"), sender_env.wants("b")]
        sender = sender_env.sender(finality=1)
        sender_env.tick(sender)
        sender_env.mine()
        sender_env.tick(sender)
        assert sender_env.states(*numbers) == ["final", "final"]
        assert sender_env.paid() == 10


# ---- the lock

HOLD = """
import sys, time
from pathlib import Path
from oracle.db import OracleDatabase
from obbligato.transactions.lock import KeyLock
lock = KeyLock(sys.argv[1], Path(sys.argv[2]), OracleDatabase(sys.argv[3]))
print(lock.try_acquire(), flush=True)
time.sleep(600)
"""


def falls_with_its_process(url: str, lock: KeyLock, folder: Path) -> None:
    """Another process holds the lock until it is killed; `lock` says so, and then has it."""
    command = [sys.executable, "-c", HOLD, KEY, str(folder), url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"True\n"
            assert not lock.try_acquire()
            assert lock.holder().startswith(f"process {other.pid} on ")
        finally:
            other.kill()
            other.wait()
    pause = threading.Event()
    for _ in range(600):  # the server notices a dead connection a moment later
        if lock.try_acquire():
            break
        pause.wait(0.05)
    assert lock.try_acquire()
    lock.release()


def test_a_lock_is_held_by_one_process_of_a_machine_and_falls_with_it(
    url: str, database: OracleDatabase, tmp_path: Path
) -> None:
    falls_with_its_process(url, KeyLock(KEY, tmp_path, database), tmp_path)


def test_machines_that_share_no_folder_share_the_lock_of_their_database(
    postgresql: str, tmp_path: Path
) -> None:
    with postgres.database(postgresql) as url:
        database = OracleDatabase(url)
        lock = KeyLock(KEY, tmp_path, database)
        falls_with_its_process(url, lock, tmp_path / "another machine")
        database.close()


def test_other_keys_have_locks_of_their_own(database: OracleDatabase, tmp_path: Path) -> None:
    mine, other = KeyLock(KEY, tmp_path, database), KeyLock(TO, tmp_path, database)
    assert mine.try_acquire()
    assert other.try_acquire()
    mine.release()
    other.release()


def test_a_lock_of_a_connection_that_died_is_taken_anew(postgresql: str, tmp_path: Path) -> None:
    with postgres.database(postgresql) as url:
        database = OracleDatabase(url)
        lock = KeyLock(KEY, tmp_path, database)
        assert lock.try_acquire()
        with database.work() as session:
            session.connection().exec_driver_sql(  # waits for the end: only then is the lock free
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
            )
        rival = KeyLock(KEY, tmp_path / "another machine", database)
        assert rival.try_acquire()
        assert not lock.try_acquire()
        rival.release()
        assert lock.try_acquire()
        lock.release()
        database.close()
