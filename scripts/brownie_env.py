"""Run Brownie without touching the user's ~/.brownie, on a chain of its own, any number of times in parallel.

Usage: scripts/brownie COMMAND [ARGUMENT]...        for instance
    scripts/brownie compile
    scripts/brownie test tests/contracts -k claim
    scripts/brownie test tests/contracts --coverage
    OBBLIGATO_RPC_URL=http://127.0.0.1:9000 scripts/brownie run deploy --network local

Each run gets a data folder under .toolchain/runs/ (Brownie finds it through HOME) whose network list has:
    development   anvil on a free port, started and stopped by Brownie
    local, or any other name given with --network: a live network at OBBLIGATO_RPC_URL
                  (OBBLIGATO_CHAIN_ID: checked against the node's answer if given)
OBBLIGATO_ACCOUNTS may name a folder of encrypted keystores for `brownie.accounts.load`.

Compiling is done first, under a lock, so that parallel runs share one build/ and never write it at the same time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from scripts import toolchain
from scripts.toolchain import ROOT, TOOLCHAIN, ToolchainError

RUNS = TOOLCHAIN / "runs"
RUN_ID = "OBBLIGATO_BROWNIE_RUN"
XDIST_WORKERS = 4
BROWNIE_MAIN = """
import sys
sys.argv[0] = "brownie"
import scripts.brownie_fixes
from brownie._cli.__main__ import main
main()
"""
# The project's pytest settings keep Brownie's plugin out and make warnings errors; here neither holds.
PYTEST_OPTIONS = [
    *("-p", "scripts.brownie_fixes"),
    *("-o", "addopts=--strict-markers"),
    *("-W", "default", "-W", "ignore::DeprecationWarning"),
]
COMPILE_INPUTS = ("brownie-config.yaml", "package-lock.json", "uv.lock", "scripts/solc/pin.json")


def development_network(port: int, *, coverage: bool) -> dict[str, Any]:
    """The chain that Brownie starts for itself.

    Coverage needs the slow tracing of steps, and room for code that no optimiser has shrunk.
    """
    settings: dict[str, Any] = {
        "port": port,
        "chain_id": toolchain.CHAIN_ID,
        "evm_version": toolchain.HARDFORK,
        "gas_limit": toolchain.BLOCK_GAS_LIMIT,
        "accounts": toolchain.ACCOUNTS,
        "default_balance": toolchain.BALANCE_ETHER,
        "base_fee": 0,
    }
    if coverage:
        settings["steps_tracing"] = True
    return {
        "id": "development",
        "name": "anvil",
        "cmd": "anvil --disable-code-size-limit" if coverage else "anvil",
        "host": "http://127.0.0.1",
        "timeout": 120,
        "cmd_settings": settings,
    }


def live_network(name: str, url: str) -> dict[str, Any]:
    """A network that already runs; its chain id comes from the node."""
    chain_id = int(toolchain.rpc(url, "eth_chainId"), 16)
    if chain_id == toolchain.CHAIN_ID:
        forget_deployments(chain_id)
    expected = os.environ.get("OBBLIGATO_CHAIN_ID")
    if expected is not None and int(expected) != chain_id:
        raise ToolchainError(f"{url} is chain {chain_id}, but OBBLIGATO_CHAIN_ID says {expected}")
    return {"id": name, "name": name, "host": url, "chainid": str(chain_id), "timeout": 120}


def forget_deployments(chain_id: int) -> None:
    """Drop what Brownie remembers of a local chain: the next one has the same id, but not the same contracts."""
    deployments = ROOT / "build" / "deployments"
    shutil.rmtree(deployments / str(chain_id), ignore_errors=True)
    index = deployments / "map.json"
    if index.exists():
        known = json.loads(index.read_text())
        known.pop(str(chain_id), None)
        index.write_text(json.dumps(known, indent=2) + "\n")


def network_argument(arguments: list[str]) -> str | None:
    """The value of --network among Brownie's own arguments, if given."""
    for index, argument in enumerate(arguments):
        if argument in ("--network", "-N") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--network="):
            return argument.partition("=")[2]
    return None


def write_networks(data: Path, port: int, arguments: list[str]) -> None:
    """Write the network list of one run."""
    coverage = "--coverage" in arguments or "-C" in arguments
    live: list[dict[str, Any]] = []
    name, url = network_argument(arguments), os.environ.get("OBBLIGATO_RPC_URL")
    if name not in (None, "development"):
        if url is None:
            raise ToolchainError(f"--network {name}: set OBBLIGATO_RPC_URL to the node it means")
        live = [{"name": "Obbligato", "networks": [live_network(name or "local", url)]}]
    networks = {"development": [development_network(port, coverage=coverage)], "live": live}
    # JSON is YAML.
    (data / "network-config.yaml").write_text(json.dumps(networks, indent=2) + "\n")


@contextlib.contextmanager
def data_folder(arguments: list[str]) -> Iterator[Path]:
    """A HOME with a `.brownie` in it, for one run; removed afterwards."""
    RUNS.mkdir(parents=True, exist_ok=True)
    sweep()
    home = RUNS / uuid.uuid4().hex[:12]
    data = home / ".brownie"
    data.mkdir(parents=True)
    with (home / "lock").open("w") as lock, toolchain.free_ports(XDIST_WORKERS) as port:
        fcntl.flock(lock, fcntl.LOCK_EX)
        examples = (
            TOOLCHAIN / "hypothesis"
        )  # kept between runs: a failure found once is tried first
        examples.mkdir(exist_ok=True)
        (data / "hypothesis").symlink_to(examples)
        keystores = os.environ.get("OBBLIGATO_ACCOUNTS")
        if keystores:
            (data / "accounts").symlink_to(Path(keystores).resolve(strict=True))
        write_networks(data, port, arguments)
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)


def sweep() -> None:
    """Remove what killed runs left behind: their folders and their chains."""
    for lock in RUNS.glob("*/lock"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop_processes(lock.parent.name)
            shutil.rmtree(lock.parent, ignore_errors=True)


def stop_processes(run: str) -> None:
    """Stop every process that carries the run's mark in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(RUN_ID) == run:
                process.kill()


def run_brownie(home: Path, arguments: list[str]) -> int:
    """Run Brownie in the project with the given HOME; its exit code."""
    environment = toolchain.environment()
    environment.update({"HOME": str(home), RUN_ID: home.name, "PYTHONPATH": str(ROOT)})
    if arguments[0] == "test":
        arguments = [*arguments, *PYTEST_OPTIONS]
    command = [sys.executable, "-c", BROWNIE_MAIN, *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # the terminal sends Ctrl-C to Brownie too: it decides
        try:
            return process.wait()
        finally:
            stop_processes(home.name)


def fingerprint() -> str:
    """Digest of everything that decides what compiling gives."""
    digest = hashlib.sha256()
    files = [ROOT / name for name in COMPILE_INPUTS] + sorted((ROOT / "contracts").rglob("*.sol"))
    for file in files:
        if file.exists():
            digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def compile_once() -> int:
    """Bring build/ up to date, one run at a time; nothing to do if the sources are those of the last time."""
    stamp = TOOLCHAIN / "compiled"
    TOOLCHAIN.mkdir(exist_ok=True)
    with (TOOLCHAIN / "compile.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = fingerprint()
        built = any((ROOT / "build" / "contracts").glob("*.json"))
        if built and stamp.exists() and stamp.read_text() == current:
            return 0
        with data_folder([]) as home:
            code = run_brownie(home, ["compile"])
        if code == 0:
            stamp.write_text(current)
        return code


@contextlib.contextmanager
def one_deployment(arguments: list[str]) -> Iterator[None]:
    """Runs on networks that already run go one after the other: Brownie keeps their deployments in one folder."""
    if network_argument(arguments) in (None, "development"):
        yield
        return
    with (TOOLCHAIN / "deployments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    try:
        if arguments[0] in ("test", "run", "console"):
            code = compile_once()
            if code != 0:
                return code
        elif arguments == ["compile"]:
            return compile_once()
        with one_deployment(arguments), data_folder(arguments) as home:
            return run_brownie(home, arguments)
    except ToolchainError as error:
        print(f"scripts/brownie: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
