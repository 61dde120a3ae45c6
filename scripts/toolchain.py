"""Where the project's own tools are, and how to start its chain: paths, environment, free ports, anvil.

Standard library only, so that set-up can use it before anything is installed.
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOLCHAIN = ROOT / ".toolchain"
SOLCX = TOOLCHAIN / "solcx"
SOLC_CACHE = TOOLCHAIN / "solc-cache"

CHAIN_ID = 31337
HARDFORK = "prague"
ACCOUNTS = 20
BALANCE_ETHER = 1_000_000
BLOCK_GAS_LIMIT = 60_000_000

# Below the kernel's ephemeral range, so that no outgoing connection takes a port between its choice and its use.
_PORTS = range(20_000, 30_000)


class ToolchainError(RuntimeError):
    """A tool is missing or did not start; the message says which command repairs it."""


def anvil_binary() -> Path:
    """The native anvil: npm's where it has one for this platform, otherwise the one on PATH."""
    for binary in (ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil*"):
        return binary
    installed = shutil.which("anvil")
    if installed is None:
        raise ToolchainError(
            "no anvil: run `make setup`; where npm has none for your platform, install Foundry"
        )
    return Path(installed)


def environment() -> dict[str, str]:
    """The environment every tool of the project runs in: its own binaries first, its own compiler, its own caches."""
    path = [ROOT / ".venv" / "bin", anvil_binary().parent, ROOT / "node_modules" / ".bin"]
    return {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
        "SOLCX_BINARY_PATH": str(SOLCX),
        "SOLC_CACHE": str(SOLC_CACHE),
        "ETH_HASH_BACKEND": "pysha3",
    }


def _unused(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def free_ports(count: int = 1) -> Iterator[int]:
    """Reserve `count` consecutive ports among all users of this function on the machine; yields the first.

    Brownie silently attaches to whatever answers on its port, so two runs must never pick the same one: each port is
    held by a file lock until the block ends.
    """
    folder = Path(tempfile.gettempdir()) / "obbligato-ports"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    for _ in range(200):
        first = random.choice(range(_PORTS.start, _PORTS.stop - count))
        held: list[BufferedWriter] = []
        try:
            for port in range(first, first + count):
                lock = (folder / str(port)).open("ab")
                held.append(lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _unused(port):
                    raise BlockingIOError
        except (BlockingIOError, PermissionError):
            for lock in held:
                lock.close()
            continue
        try:
            yield first
        finally:
            for lock in held:
                lock.close()
        return
    raise ToolchainError(f"no {count} free ports in a row between {_PORTS.start} and {_PORTS.stop}")


def rpc(url: str, method: str, *params: Any) -> Any:
    """One JSON-RPC call; raises ToolchainError with the node's own message if it answers with an error."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        raise ToolchainError(f"{method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]


@dataclass(frozen=True)
class Anvil:
    """A running chain."""

    url: str
    port: int
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def anvil(*arguments: str, port: int | None = None) -> Iterator[Anvil]:
    """A chain of the project's rules on a free port; stopped when the block ends.

    `arguments` are passed on to anvil after ours, for instance "--block-time", "1".
    """
    with contextlib.ExitStack() as stack:
        if port is None:
            port = stack.enter_context(free_ports())
        url = f"http://127.0.0.1:{port}"
        command = [str(anvil_binary()), "--silent", "--port", str(port), "--hardfork", HARDFORK]
        command += ["--chain-id", str(CHAIN_ID), "--accounts", str(ACCOUNTS)]
        command += ["--balance", str(BALANCE_ETHER), "--gas-limit", str(BLOCK_GAS_LIMIT)]
        process = subprocess.Popen([*command, *arguments], stdin=subprocess.DEVNULL)
        try:
            _wait_for(url, process)
            yield Anvil(url, port, process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ToolchainError(f"anvil stopped at once with exit code {process.returncode}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            rpc(url, "eth_chainId")
            return
        time.sleep(0.02)
    raise ToolchainError(f"anvil did not answer at {url} within {seconds:.0f} s")


if __name__ == "__main__":
    # `python -m scripts.toolchain COMMAND...`: run a command in the project's environment.
    if len(sys.argv) < 2:
        sys.exit("usage: python -m scripts.toolchain COMMAND [ARGUMENT]...")
    os.execvpe(sys.argv[1], sys.argv[1:], environment())
