"""The supervisor: what fails is tried again later, what dies is started anew, and it says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from obbligato.server.alerts import Alerts
from obbligato.server.supervisor import Items, Supervisor, Worker, backoff
from tests.waiting import wait_until

LIMIT = 20
NEVER = 10_000.0
"""Seconds between ticks: a test wakes a worker itself."""


@dataclass
class Time:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Steps:
    """A tick that does what a test tells it next, and says when it has ended."""

    wake: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    error: BaseException | None = None
    ticks: int = 0

    def __call__(self) -> None:
        self.ticks += 1
        self.begun.release()
        if self.error is not None:
            raise self.error

    def wait(self) -> None:
        """Until one more tick has begun."""
        assert self.begun.acquire(timeout=LIMIT)


@dataclass
class Env:
    """Two workers under a supervisor whose own thread waits for the test."""

    time: Time = field(default_factory=Time)
    alerts: Alerts = field(default_factory=Alerts)
    stop: threading.Event = field(default_factory=threading.Event)
    first: Steps = field(default_factory=Steps)
    second: Steps = field(default_factory=Steps)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        workers = [
            Worker(
                name,
                steps,
                NEVER,
                stalled_seconds=60,
                wake=steps.wake,
                close=lambda name=name: self.ended.append(name),  # type: ignore[misc]  # of this name
            )
            for name, steps in (("first", self.first), ("second", self.second))
        ]
        self.supervisor = Supervisor(
            self.alerts, self.stop, workers, clock=self.time, jitter=lambda: 0.5
        )


@pytest.fixture
def env() -> Iterator[Env]:
    made = Env()
    made.supervisor.start()
    made.first.wait()
    made.second.wait()
    yield made
    made.first.error = made.second.error = None
    made.stop.set()
    made.supervisor.join()


def up(worker: str) -> float | None:
    return REGISTRY.get_sample_value("obbligato_worker_up", {"worker": worker})


def test_a_tick_that_fails_is_said_and_the_next_one_clears_it(env: Env) -> None:
    env.first.error = UnicodeError("label too long")
    env.first.wake.set()
    env.first.wait()
    wait_until(lambda: env.alerts.words("first"), LIMIT)
    assert env.supervisor.ready() == (
        "first: in backoff after 1 failures: UnicodeError: label too long"
    )
    wait_until(lambda: up("first") == 0, LIMIT)
    env.second.wake.set()
    env.second.wait()  # the other one works
    env.first.error = None
    env.first.wake.set()
    env.first.wait()
    wait_until(lambda: env.supervisor.ready() is None, LIMIT)
    wait_until(lambda: up("first") == 1, LIMIT)
    wait_until(lambda: env.alerts.words("first") is None, LIMIT)
    assert env.supervisor.restarts("first") == 0


@pytest.mark.parametrize("error", [SystemExit("enough"), MemoryError("no room")])
def test_a_worker_that_dies_is_started_anew_after_its_backoff(
    env: Env, error: BaseException
) -> None:
    env.first.error = error
    env.first.wake.set()
    env.first.wait()
    wait_until(lambda: "down" in str(env.supervisor.ready()), LIMIT)
    env.first.error = None
    env.supervisor.check()
    assert env.supervisor.restarts("first") == 0  # not before its second is over
    assert "down" in str(env.alerts.words("first"))
    env.time.now = 1.2  # 1 s and its share of chance: 1.1 s

    def restarted() -> bool:
        env.supervisor.check()
        return env.supervisor.restarts("first") == 1

    wait_until(restarted, LIMIT)
    env.first.wait()
    wait_until(lambda: env.supervisor.ready() is None, LIMIT)
    assert env.supervisor.restarts("second") == 0


def test_a_worker_without_a_tick_for_longer_than_its_bound_is_stalled(env: Env) -> None:
    env.time.now = NEVER + 59
    assert env.supervisor.ready() is None
    env.time.now = NEVER + 70
    env.second.wake.set()
    env.second.wait()
    wait_until(lambda: env.supervisor.ready() == "first: stalled: no tick ended for 10070 s", LIMIT)
    env.supervisor.check()
    assert "stalled" in str(env.alerts.words("first"))


def test_workers_end_in_the_order_given(env: Env) -> None:
    env.stop.set()
    env.supervisor.join()
    assert env.ended == ["first", "second"]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (1_000, 30)]
)
def test_backoffs_double_up_to_a_bound(failures: int, seconds: float) -> None:
    assert backoff(failures) == seconds


def test_an_item_that_fails_is_put_off_and_named_and_the_others_go_on() -> None:
    time, alerts = Time(), Alerts()
    items: Items[str] = Items("test", alerts, clock=time)
    done = []

    def work() -> None:
        for key in ("bad", "good"):
            if items.is_due(key):
                with items.attempt(key):
                    if key == "bad":
                        raise ValueError("not enough values")
                    done.append(key)
        items.report(["bad", "good"])

    work()
    assert done == ["good"]
    assert alerts.words("test items") == (
        "1 fail and are tried again, bad for one: ValueError: not enough values"
    )
    due = []
    for second in range(9):
        time.now = second
        due.append(items.is_due("bad"))
        if due[-1]:
            work()
    # failed at 0, 1 and 3: next at 1, then 2 s and 4 s later
    assert due == [False, True, False, True, False, False, False, True, False]
    items.report(["good"])
    assert alerts.standing() == ()


def test_a_worker_that_dies_at_once_again_keeps_one_alert_until_it_works(env: Env) -> None:
    env.first.error = SystemExit("enough")
    env.first.wake.set()
    env.first.wait()
    wait_until(lambda: "down" in str(env.supervisor.ready()), LIMIT)
    env.supervisor.check()
    since = env.alerts.standing()[0].since
    env.time.now = 10

    def restarted() -> bool:
        env.supervisor.check()
        return env.supervisor.restarts("first") == 1

    wait_until(restarted, LIMIT)
    env.first.wait()  # it dies again
    assert env.alerts.words("first") is not None
    assert env.alerts.standing()[0].since == since


def test_of_an_error_only_the_first_line_is_said() -> None:
    """SQLAlchemy writes the statement and its parameters on further lines."""
    items: Items[str] = Items("test", alerts := Alerts())
    with items.attempt("bad"):
        raise ValueError("UNIQUE constraint failed: sessions.token\n[parameters: ('secret',)]")
    items.report()
    assert "UNIQUE constraint failed: sessions.token" in str(alerts.words("test items"))
    assert "secret" not in str(alerts.words("test items"))


def test_an_item_that_waits_is_put_off_without_an_alert_and_one_that_keeps_failing_gets_it() -> (
    None
):
    time, alerts = Time(), Alerts()
    items: Items[str] = Items("test", alerts, clock=time, alert_after=3)
    items.wait("expected")
    assert not items.is_due("expected")
    for attempt in (1, 2, 3):
        items.failed("bad", "no")
        items.report()
        assert (alerts.words("test items") is not None) == (attempt == 3)
    items.succeeded("bad")
    items.report()
    assert alerts.standing() == ()
