"""Waiting for what another thread or process brings about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value],
    timeout: float,
    problem: str | Callable[[], object] = "it did not come",
    *,
    every_seconds: float = 0.01,
) -> Value:
    """What the condition returns once that is true. After `timeout` seconds the test fails and says the problem."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, problem() if callable(problem) else problem
        pause.wait(every_seconds)
    return value
