"""A running oracle and a web backend on this machine, as processes of their own, as operators run them.

The demo, the tests and the benchmarks start it on a development node, with play money and throw-away keys.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount

from scripts.demo.cast import ATTESTERS, RELAY, node_account
from scripts.toolchain import ROOT, ToolchainError, environment, free_ports

LEADER = node_account(19)
"""Pays the leader's gas; signs nothing else."""
PASSWORD = "play money"  # noqa: S105 -- of keys that every development node has
START_SECONDS = 60
STOP_SECONDS = 40


@dataclass
class Service:
    """One process. `restart` starts it again with the same settings, `kill` is a crash."""

    name: str
    url: str
    arguments: Sequence[str]
    settings: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    _file: IO[bytes] | None = None

    def start(self, **changed: str) -> None:
        """Start it; it is not ready yet."""
        self._file = self.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "obbligato", *self.arguments],
            env={**environment(), **self.settings, **changed},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
        )

    def ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it says that it is ready. Raises ToolchainError with the end of its log."""
        self.until(lambda: self.get("/readyz") == 200, seconds, "ready")

    def answers(self, seconds: float = START_SECONDS) -> None:
        """Wait until it answers at all."""
        self.until(lambda: self.get("/livez") == 200, seconds, "alive")

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition while the process lives. Raises ToolchainError."""
        deadline = time.monotonic() + seconds
        while not condition():
            stopped = self.process is None or self.process.poll() is not None
            if stopped or time.monotonic() > deadline:
                state = "stopped" if stopped else f"not {what} in {seconds:.0f} s"
                raise ToolchainError(f"{self.name} {state}:\n{self.tail()}")
            time.sleep(0.05)

    def get(self, path: str) -> int:
        """The status of a path; 0 where nothing answers."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def metric(self, name: str) -> float:
        """The value of a metric without labels; 0 where nothing answers."""
        try:
            text = httpx.get(f"{self.url}/metrics", timeout=10).text
        except httpx.HTTPError:
            return 0.0
        lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
        return next((float(words[1]) for words in lines if words[0] == name), 0.0)

    def kill(self) -> None:
        """End it as a crash does: at once, wherever it is."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._close()

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._close()
        return code

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass
class Stack:
    """A leader and its attesters. `urls` names all attesters, also those that do not run."""

    folder: Path
    leader: Service
    attesters: list[Service]
    services: list[Service] = field(default_factory=list)


@contextlib.contextmanager
def stack(
    folder: Path,
    *,
    rpc: str,
    manifest: Path,
    running: int = 3,
    attester_rpc: str | None = None,
    settings: Mapping[str, str] | None = None,
    blocks: Path | None = None,
    port: int | None = None,
) -> Iterator[Stack]:
    """The oracle over a deployment: the leader, and the first `running` of four attesters.

    `port` is the leader's, those of the attesters follow; by default any that are free.

    `blocks` is the leader's block folder, where it is not its own: attesters fetch from the leader.

    `settings` are further OBBLIGATO_ORACLE_… variables of the leader. Everything is stopped when
    the block ends.
    """
    with contextlib.ExitStack() as held:
        made = described(
            folder,
            rpc=rpc,
            manifest=manifest,
            port=port or held.enter_context(free_ports(1 + len(ATTESTERS))),
            attester_rpc=attester_rpc or rpc,
            settings={
                **({} if blocks is None else {"OBBLIGATO_STORE": str(blocks)}),
                **(settings or {}),
            },
        )
        try:
            for service in [made.leader, *made.attesters[:running]]:
                service.start()
            for service in [made.leader, *made.attesters[:running]]:
                service.ready()
            yield made
        finally:
            for service in made.services:
                if service.process is not None and service.process.poll() is None:
                    service.process.terminate()
            for service in made.services:
                service.stop()


def described(
    folder: Path,
    *,
    rpc: str,
    manifest: Path,
    port: int,
    attester_rpc: str,
    settings: Mapping[str, str],
    signers: Sequence[LocalAccount] = ATTESTERS,
) -> Stack:
    """The services, none of them started."""
    password = folder / "password"
    folder.mkdir(parents=True, exist_ok=True)
    _private(password, PASSWORD)
    leader_url = f"http://127.0.0.1:{port}"
    urls = [f"http://127.0.0.1:{port + 1 + number}" for number in range(len(signers))]
    common = {
        "OBBLIGATO_DEPLOYMENT": str(manifest),
        "OBBLIGATO_ORACLE_PASSWORD_FILE": str(password),
        "OBBLIGATO_ORACLE_FINALITY": "1",
        "OBBLIGATO_STORE": "",
        "OBBLIGATO_GATEWAYS": "",
    }
    leader = Service(
        "the leader",
        leader_url,
        ["oracle", "serve"],
        {
            **common,
            "OBBLIGATO_RPC_URL": rpc,
            "OBBLIGATO_STORE": str(folder / "blocks"),
            "OBBLIGATO_ORACLE_FOLDER": str(folder / "leader"),
            "OBBLIGATO_ORACLE_KEYSTORE": str(keystore(folder / "leader.json", LEADER)),
            "OBBLIGATO_ORACLE_PORT": str(port),
            "OBBLIGATO_ORACLE_ATTESTERS": " ".join(urls),
            "OBBLIGATO_ORACLE_POLL_SECONDS": "0.2",
            **settings,
        },
        folder / "leader.log",
    )
    attesters = [
        Service(
            f"attester {number + 1}",
            url,
            ["oracle", "attest"],
            {
                **common,
                "OBBLIGATO_RPC_URL": attester_rpc,
                "OBBLIGATO_GATEWAYS": leader_url,
                "OBBLIGATO_STORE": str(folder / f"attester-{number}" / "blocks"),
                "OBBLIGATO_ORACLE_FOLDER": str(folder / f"attester-{number}"),
                "OBBLIGATO_ORACLE_KEYSTORE": str(
                    keystore(folder / f"attester-{number}.json", signer)
                ),
                "OBBLIGATO_ORACLE_PORT": url.rsplit(":", 1)[1],
            },
            folder / f"attester-{number}.log",
        )
        for number, (url, signer) in enumerate(zip(urls, signers, strict=True))
    ]
    return Stack(folder, leader, attesters, [leader, *attesters])


def backend_service(
    folder: Path, *, rpc: str, manifest: Path, port: int, **settings: str
) -> Service:
    """The web backend over a deployment, not started; `settings` are further variables of its environment."""
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    _private(password, PASSWORD)
    url = f"http://127.0.0.1:{port}"
    return Service(
        "the backend",
        url,
        ["serve"],
        {
            "OBBLIGATO_RPC_URL": rpc,
            "OBBLIGATO_DEPLOYMENT": str(manifest),
            "OBBLIGATO_STORE": str(folder / "blocks"),
            "OBBLIGATO_GATEWAYS": "",
            "OBBLIGATO_BACKEND_FOLDER": str(folder),
            "OBBLIGATO_BACKEND_KEYSTORE": str(keystore(folder / "relay.json", RELAY)),
            "OBBLIGATO_BACKEND_PASSWORD_FILE": str(password),
            "OBBLIGATO_BACKEND_PORT": str(port),
            "OBBLIGATO_BACKEND_PUBLIC_URL": url,
            "OBBLIGATO_BACKEND_FINALITY": "1",
            "OBBLIGATO_BACKEND_POLL_SECONDS": "0.2",
            **settings,
        },
        folder / "backend.log",
    )


def keystore(path: Path, account: LocalAccount) -> Path:
    """An encrypted keystore of a play key, with so little work in it that starting is quick."""
    encrypted = Account.encrypt(account.key, PASSWORD, kdf="pbkdf2", iterations=1)
    _private(path, json.dumps(encrypted))
    return path


def _private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
