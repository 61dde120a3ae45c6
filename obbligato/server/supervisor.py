"""The supervisor of a process's background workers: it loops them, restarts them, and says how they do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from obbligato.errors import ObbligatoError
from obbligato.server.alerts import Alerts, public_text

UP = Gauge(
    "obbligato_worker_up",
    "1 while a worker does its work",
    ["worker"],
    multiprocess_mode="livemostrecent",
)
RESTARTS = Counter("obbligato_worker_restarts", "Threads of workers started anew", ["worker"])
FAILURES = Counter("obbligato_worker_failures", "Ticks of a worker that failed", ["worker"])
ITEM_FAILURES = Counter("obbligato_worker_item_failures", "Items that failed", ["worker"])
LAST_TICK = Gauge(
    "obbligato_worker_last_tick_seconds",
    "When a worker last ended a tick, since 1970",
    ["worker"],
    multiprocess_mode="livemostrecent",
)

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
JITTER: Final = 0.2
"""Part of a pause that is left to chance, so that processes do not ask a weak node all at once."""
CHECK_SECONDS: Final = 1.0
END_SECONDS: Final = 30.0
"""How long one worker may take to end its step in hand."""

Key = TypeVar("Key", int, str)
"""What names an item."""

_log = structlog.get_logger(__name__)


def describe(error: BaseException) -> str:
    """The kind of an error and the first line of its message: further lines may quote what was stored."""
    message = str(error).strip().partition("\n")[0]
    return public_text(f"{type(error).__name__}: {message}")


def _log_failure(event: str, error: Exception, **about: str) -> None:
    """In one line where the error is one of ours and says what is wrong; else with its traceback."""
    if isinstance(error, ObbligatoError):
        _log.error(event, **about, reason=describe(error))
    else:
        _log.exception(event, **about, exc_info=error)


def backoff(failures: int, longest: float = LONGEST_PAUSE_SECONDS) -> float:
    """Seconds until the next try after so many failures in a row: 1, 2, 4 … up to `longest`."""
    return min(FIRST_PAUSE_SECONDS * (1 << min(failures - 1, 20)), longest)


@dataclass(frozen=True, slots=True)
class _Delay:
    """One item that is put off."""

    attempts: int
    until: float
    reason: str | None
    """Why it fails; None where it waits for something that is expected to come."""


class Items(Generic[Key]):
    """The items of one worker that are put off, each by its own backoff: the others go on. Safe between threads."""

    def __init__(
        self,
        worker: str,
        alerts: Alerts | None = None,
        clock: Callable[[], float] = time.monotonic,
        longest: float = 60.0,
        alert_after: int = 1,
    ) -> None:
        """An item that failed `alert_after` times in a row is named by an alert."""
        self._worker = worker
        self._alerts = alerts
        self._clock = clock
        self._longest = longest
        self._alert_after = alert_after
        self._delays: dict[Key, _Delay] = {}
        self._lock = threading.Lock()

    def failing(self) -> list[Key]:
        """The items that failed and are not repaired yet."""
        with self._lock:
            return [key for key, delay in self._delays.items() if delay.reason is not None]

    def is_due(self, key: Key) -> bool:
        """Whether an item may be tried now."""
        with self._lock:
            return key not in self._delays or self._clock() >= self._delays[key].until

    @contextmanager
    def attempt(self, key: Key) -> Iterator[None]:
        """One item. An exception within is logged with the item, counted, and ends here."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            _log_failure("an item failed", error, worker=self._worker, item=str(key))
            self.failed(key, describe(error))
        else:
            self.succeeded(key)

    def failed(self, key: Key, reason: str) -> None:
        """Put an item off that failed."""
        ITEM_FAILURES.labels(self._worker).inc()
        self._put_off(key, reason)

    def wait(self, key: Key) -> None:
        """Put an item off that waits for something: it did not fail."""
        self._put_off(key, None)

    def _put_off(self, key: Key, reason: str | None) -> None:
        with self._lock:
            before = self._delays.get(key)
            attempts = before.attempts + 1 if before else 1
            until = self._clock() + backoff(attempts, self._longest)
            self._delays[key] = _Delay(attempts, until, reason)

    def succeeded(self, key: Key) -> None:
        """An item works, or is no longer there."""
        with self._lock:
            self._delays.pop(key, None)

    def report(self, present: Iterable[Key] | None = None) -> None:
        """Forget items that are not `present` any more; stand or clear the alert about those that fail."""
        with self._lock:
            if present is not None:
                for key in self._delays.keys() - set(present):
                    del self._delays[key]
            failing = [
                (key, delay.reason)
                for key, delay in self._delays.items()
                if delay.reason is not None and delay.attempts >= self._alert_after
            ]
        if self._alerts is None:
            return
        if not failing:
            self._alerts.clear(f"{self._worker} items")
            return
        key, reason = failing[0]
        words = f"{len(failing)} fail and are tried again, {key} for one: {reason}"
        self._alerts.stand(f"{self._worker} items", words[:500])


@dataclass(frozen=True)
class Worker:
    """What runs again and again in a thread of its own.

    `tick` does what can be done now. It returns the seconds until it wants to run again, or None for
    `every_seconds`. An exception ends the tick: the next one comes after a backoff.
    """

    name: str
    tick: Callable[[], float | None]
    every_seconds: float
    stalled_seconds: float = 600.0
    """A tick that takes longer is said to be stalled."""
    wake: threading.Event = field(default_factory=threading.Event)
    """Set to tick at once."""
    close: Callable[[], None] | None = None
    """Called once the worker's thread has ended for good."""


@dataclass
class _State:
    """How one worker does."""

    worker: Worker
    ending: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    last_tick: float = 0.0
    failures: int = 0
    """Failed ticks in a row."""
    deaths: int = 0
    """Deaths since the last tick that went well."""
    restarts: int = 0
    restart_at: float | None = None
    error: str = ""


class Supervisor:
    """Runs workers until `stop` is set, then ends them one after the other in the order given."""

    def __init__(
        self,
        alerts: Alerts,
        stop: threading.Event,
        workers: Sequence[Worker] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        end_seconds: float = END_SECONDS,
    ) -> None:
        self._alerts = alerts
        self._stop = stop
        self._clock = clock
        self._jitter = jitter
        self._end_seconds = end_seconds
        self._states = [_State(worker) for worker in workers]
        self._monitor = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every worker and the thread that looks after them."""
        for state in self._states:
            self._start(state)
        self._monitor.start()

    def join(self) -> None:
        """Wait until all have ended, after `stop` was set."""
        if self._monitor.is_alive():
            self._monitor.join()

    def check(self) -> None:
        """Restart what died, and say what stands: alerts and metrics."""
        for state in self._states:
            dead = state.thread is not None and not state.thread.is_alive()
            if dead and state.restart_at is None:  # it died without a word
                self._died(state, "its thread ended")
            if dead and state.restart_at is not None and self._clock() >= state.restart_at:
                state.restarts += 1
                RESTARTS.labels(state.worker.name).inc()
                _log.warning("worker restarted", worker=state.worker.name, restarts=state.restarts)
                self._start(state)
            self._tell(state)

    def ready(self) -> str | None:
        """Why not all workers work: each of them that is down, in backoff or stalled; None where all do."""
        reasons = [
            f"{state.worker.name}: {reason}"
            for state in self._states
            if (reason := self._problem(state)) is not None
        ]
        return "; ".join(reasons) or None

    def restarts(self, name: str) -> int:
        """How often a worker was started anew."""
        return next(state.restarts for state in self._states if state.worker.name == name)

    # ---- within a worker's thread

    def _start(self, state: _State) -> None:
        state.restart_at = None
        state.last_tick = self._clock()
        state.thread = threading.Thread(
            target=self._run, args=(state,), name=state.worker.name, daemon=True
        )
        state.thread.start()

    def _run(self, state: _State) -> None:
        try:
            while not state.ending.is_set():
                pause = self._tick(state)
                state.worker.wake.wait(pause)
                state.worker.wake.clear()
        except BaseException as error:  # also SystemExit: nothing may end a worker unseen
            _log.exception("worker died", worker=state.worker.name)
            self._died(state, describe(error))

    def _tick(self, state: _State) -> float:
        """One tick; the seconds until the next."""
        name = state.worker.name
        try:
            pause = state.worker.tick()
        except MemoryError:
            raise
        except Exception as error:
            state.failures += 1
            state.error = describe(error)
            FAILURES.labels(name).inc()
            _log_failure("a tick failed", error, worker=name)
            pause = self._pause(state.failures)
        else:
            state.failures = state.deaths = 0
        state.last_tick = self._clock()
        LAST_TICK.labels(name).set(time.time())
        self._tell(state)
        return state.worker.every_seconds if pause is None else pause

    def _pause(self, failures: int) -> float:
        return backoff(failures) * (1 + JITTER * self._jitter())

    def _died(self, state: _State, error: str) -> None:
        state.deaths += 1
        state.error = error
        state.restart_at = self._clock() + self._pause(state.deaths)

    # ---- what is said

    def _problem(self, state: _State) -> str | None:
        if state.thread is None:
            return "not started"
        if state.restart_at is not None or not state.thread.is_alive():
            return f"down, to be restarted: {state.error}"
        if state.deaths:
            return f"restarted after {state.deaths} deaths, no tick has ended since: {state.error}"
        if state.failures:
            return f"in backoff after {state.failures} failures: {state.error}"
        idle = self._clock() - state.last_tick
        if idle > state.worker.stalled_seconds + state.worker.every_seconds:
            return f"stalled: no tick ended for {idle:.0f} s"
        return None

    def _tell(self, state: _State) -> None:
        name, reason = state.worker.name, self._problem(state)
        UP.labels(name).set(reason is None)
        if reason is None:
            self._alerts.clear(name)
        else:
            self._alerts.stand(name, reason)

    # ---- the thread that looks after them

    def _watch(self) -> None:
        while not self._stop.wait(CHECK_SECONDS):
            try:
                self.check()
            except Exception:
                _log.exception("the supervisor failed")
        for state in self._states:
            self._end(state)
        self._alerts.close()

    def _end(self, state: _State) -> None:
        state.ending.set()
        state.worker.wake.set()
        assert state.thread is not None
        state.thread.join(self._end_seconds)
        if state.thread.is_alive():
            _log.error("a worker does not end", worker=state.worker.name)
        elif state.worker.close is not None:
            state.worker.close()
