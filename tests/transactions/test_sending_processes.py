"""Real processes that are killed at every point between the wish and the receipt, or share one key."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.toolchain import ROOT
from tests.onchain import DeployedProtocol
from tests.oracle.proxy import SEND
from tests.transactions.sending import SenderEnv, new_sender_env
from tests.waiting import wait_until

PATIENCE_SECONDS = 60


@pytest.fixture
def sender_env(onchain: DeployedProtocol, tmp_path: Path) -> Iterator[SenderEnv]:
    with new_sender_env(onchain, tmp_path) as sender_env:
        yield sender_env


@contextlib.contextmanager
def process(
    sender_env: SenderEnv, name: str, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A sender of the desk's key in a process of its own; its log goes to `name` in the desk's folder."""
    told = sender_env.folder / f"{name}.json"
    told.write_text(
        json.dumps(
            {
                "url": sender_env.proxy.url,
                "manifest": str(sender_env.protocol.manifest),
                "database": sender_env.database.engine.url.render_as_string(hide_password=False),
                "key": sender_env.signer._key.to_bytes().hex(),
                "folder": str(folder or sender_env.folder),
            }
        )
    )
    command = [sys.executable, "-u", "-m", "tests.transactions.sending_process", str(told)]
    with (sender_env.folder / name).open("wb") as log:
        running = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


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
    sender_env: SenderEnv, method: str, forward: bool, state: str, counted: int
) -> None:
    held = sender_env.proxy.hold(method, forward=forward)
    number = sender_env.wants()
    with process(sender_env, "first.log") as running:
        held.wait()
        running.kill()
        running.wait()
        held.abandon()
    assert sender_env.states(number) == [state]
    assert sender_env.count() == counted
    written = [broadcast.raw for broadcast in sender_env.read(number).broadcasts]

    sender = sender_env.sender(finality=2)
    for _ in range(3):
        sender_env.tick(sender)
    sender_env.mine(2)
    sender_env.tick(sender)
    assert sender_env.states(number) == ["final"]
    assert (sender_env.count(), sender_env.paid()) == (1, 5)
    sent = {bytes.fromhex(raw.removeprefix("0x")) for raw in sender_env.proxy.sent}
    assert len(sent) == 1
    assert not written or sent == set(written)


def test_of_two_processes_with_one_key_one_waits_says_for_whom_and_takes_over(
    sender_env: SenderEnv,
) -> None:
    with process(sender_env, "first.log") as first:
        one = sender_env.wants("one")
        wait_until(
            lambda: sender_env.states(one) == ["mined"], PATIENCE_SECONDS, "the first process sends"
        )
        with process(sender_env, "second.log") as second:
            log = sender_env.folder / "second.log"
            wait_until(
                lambda: "waiting for its end" in log.read_text(),
                PATIENCE_SECONDS,
                "the second process waits",
            )
            assert f"process {first.pid} on " in log.read_text()
            two = sender_env.wants("two")
            wait_until(
                lambda: sender_env.states(two) == ["mined"],
                PATIENCE_SECONDS,
                "the first process still sends",
            )
            assert "signed" not in log.read_text()
            first.kill()
            first.wait()
            three = sender_env.wants("three")
            wait_until(
                lambda: sender_env.states(three) == ["mined"],
                PATIENCE_SECONDS,
                "the second process goes on",
            )
            assert second.poll() is None
    assert [sender_env.read(number).nonce for number in (one, two, three)] == [0, 1, 2]
    assert (sender_env.count(), sender_env.paid()) == (3, 15)
