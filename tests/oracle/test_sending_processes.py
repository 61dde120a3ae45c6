"""Real processes that are killed at every point between the wish and the receipt, or share one key."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.toolchain import ROOT
from tests.onchain import House
from tests.oracle.proxy import SEND
from tests.oracle.sending import Desk, new_desk

PATIENCE_SECONDS = 60


@pytest.fixture
def desk(onchain: House, tmp_path: Path) -> Iterator[Desk]:
    with new_desk(onchain, tmp_path) as desk:
        yield desk


@contextlib.contextmanager
def process(desk: Desk, name: str, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A sender of the desk's key in a process of its own; its log goes to `name` in the desk's folder."""
    told = desk.folder / f"{name}.json"
    told.write_text(
        json.dumps(
            {
                "url": desk.proxy.url,
                "manifest": str(desk.house.manifest),
                "database": desk.database.engine.url.render_as_string(hide_password=False),
                "key": desk.signer._key.to_bytes().hex(),
                "folder": str(folder or desk.folder),
            }
        )
    )
    command = [sys.executable, "-u", "-m", "tests.oracle.sending_process", str(told)]
    with (desk.folder / name).open("wb") as log:
        running = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a bound."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("method", "forward", "state", "counted"),
    [
        ("eth_estimateGas", False, "queued", 0),  # before it signs
        (SEND, False, "signed", 0),  # after it signed, before it sends
        (SEND, True, "signed", 1),  # after it sent, before the answer
        ("eth_getTransactionReceipt", True, "signed", 1),  # before the receipt is written down
    ],
)
def test_killed_anywhere_it_is_sent_once_by_the_next_process(
    desk: Desk, method: str, forward: bool, state: str, counted: int
) -> None:
    held = desk.proxy.hold(method, forward=forward)
    number = desk.wants()
    with process(desk, "first.log") as running:
        held.wait()
        running.kill()
        running.wait()
        held.abandon()
    assert desk.states(number) == [state]
    assert desk.count() == counted
    written = [broadcast.raw for broadcast in desk.read(number).broadcasts]

    sender = desk.sender(finality=2)
    for _ in range(3):
        desk.tick(sender)
    desk.mine(2)
    desk.tick(sender)
    assert desk.states(number) == ["final"]
    assert (desk.count(), desk.paid()) == (1, 5)
    sent = {bytes.fromhex(raw.removeprefix("0x")) for raw in desk.proxy.sent}
    assert len(sent) == 1
    assert not written or sent == set(written)


def test_of_two_processes_with_one_key_one_waits_says_for_whom_and_takes_over(desk: Desk) -> None:
    with process(desk, "first.log") as first:
        one = desk.wants("one")
        until(lambda: desk.states(one) == ["mined"], "the first process sends")
        with process(desk, "second.log") as second:
            log = desk.folder / "second.log"
            until(lambda: "waiting for its end" in log.read_text(), "the second process waits")
            assert f"process {first.pid} on " in log.read_text()
            two = desk.wants("two")
            until(lambda: desk.states(two) == ["mined"], "the first process still sends")
            assert "signed" not in log.read_text()
            first.kill()
            first.wait()
            three = desk.wants("three")
            until(lambda: desk.states(three) == ["mined"], "the second process goes on")
            assert second.poll() is None
    assert [desk.read(number).nonce for number in (one, two, three)] == [0, 1, 2]
    assert (desk.count(), desk.paid()) == (3, 15)
