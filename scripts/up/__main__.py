"""`make up`: a chain, the contracts, the oracle and the web backend with demo data, until Ctrl-C.

python -m scripts.up [--free-ports] [--folder FOLDER]

Nothing here is worth money: the chain ends with the process, everybody knows its keys, and the challenge window is one
minute instead of a week. What runs where is in FOLDER/environment, to be sourced by a shell.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from obbligato.chain.client import Chain
from obbligato.chain.deployment import read_deployment
from obbligato.errors import ObbligatoError
from obbligato.store import EmbeddedStore
from scripts.demo.cast import person
from scripts.demo.steps import deploy
from scripts.demo.story import play
from scripts.stack import PASSWORD, backend_service, keystore, stack
from scripts.toolchain import ROOT, ToolchainError, anvil, free_ports, rpc

BACKEND_PORT, NODE_PORT, LEADER_PORT = 8450, 8545, 8460
WINDOW_SECONDS = 60
DEPLOYED_WITH = {
    "OBBLIGATO_CHALLENGE_WINDOW": str(WINDOW_SECONDS),
    "OBBLIGATO_ARBITRATION_PERIOD": "120",
}
BLOCK_SECONDS = 1
NEWCOMER = person("newcomer")
"""A new user's account: no gas, no dollars, no licence."""


def main(arguments: list[str]) -> int:
    """Run until a signal."""
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--free-ports", action="store_true", help="take any ports that are free")
    parser.add_argument("--folder", type=Path, default=ROOT / ".toolchain" / "up")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder: Path = options.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with up(folder, console, free=options.free_ports):
        stop.wait()
        console.print("stopping")
    return 0


@contextlib.contextmanager
def up(folder: Path, console: Console, *, free: bool) -> Iterator[None]:
    """Everything, seeded and ready, until the block ends."""
    with contextlib.ExitStack() as running:
        if free:
            backend_port = running.enter_context(free_ports())
            node = running.enter_context(anvil())
        else:
            backend_port = BACKEND_PORT
            node = running.enter_context(anvil(port=NODE_PORT))
        console.print(f"chain: a real EVM node at {node.url}")
        manifest = deploy(node.url, folder / "deployments", DEPLOYED_WITH)
        blocks = folder / "blocks"
        oracle = running.enter_context(
            stack(
                folder / "oracle",
                rpc=node.url,
                manifest=manifest,
                blocks=blocks,
                port=None if free else LEADER_PORT,
            )
        )
        console.print(f"oracle: a leader at {oracle.leader.url}, three of four attesters")
        chain = Chain.connect(node.url, read_deployment(manifest))
        play(chain, EmbeddedStore(blocks), oracle, console, claims=False)
        rpc(node.url, "evm_setIntervalMining", BLOCK_SECONDS)
        backend = backend_service(
            folder / "backend",
            rpc=node.url,
            manifest=manifest,
            port=backend_port,
            OBBLIGATO_STORE=str(blocks),
        )
        running.callback(backend.stop)
        backend.start()
        backend.ready()
        _write_environment(folder, node.url, manifest, blocks, backend.url, oracle.leader.url)
        _print_commands(console, folder, backend.url)
        yield


def _write_environment(
    folder: Path, node: str, manifest: Path, blocks: Path, backend: str, leader: str
) -> None:
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    settings = {
        "OBBLIGATO_RPC_URL": node,
        "OBBLIGATO_DEPLOYMENT": str(manifest),
        "OBBLIGATO_STORE": str(blocks),
        "OBBLIGATO_BACKEND_URL": backend,
        "OBBLIGATO_ORACLE_URL": leader,
        "OBBLIGATO_KEYSTORE": str(keystore(folder / "artist.json", NEWCOMER)),
        "OBBLIGATO_PASSWORD_FILE": str(password),
        "ARTIST": NEWCOMER.address,
    }
    lines = [f"export {name}={value!r}\n" for name, value in settings.items()]
    (folder / "environment").write_text("".join(lines))


def _print_commands(console: Console, folder: Path, backend: str) -> None:
    console.print()
    console.print(f"The web backend is at {backend}: its API describes itself at {backend}/docs")
    console.print("A new artist's first licence, in another shell:")
    for line in (
        f". {folder}/environment",
        (
            "obbligato artist license --title 'My song' --artist Me --content-hash 0x$(printf %064d 1) "
            "--preset train-dont-imitate --yes --final"
        ),
        "python -m scripts.up.use --license 65     # the demo's platform uses it; paid a minute later",
        "obbligato artist balance",
        "obbligato artist claim --yes",
    ):
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    console.print("up: ready. Ctrl-C ends everything.")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        sys.exit(main(sys.argv[1:]))
    except (ObbligatoError, ToolchainError) as error:
        print(f"up: FAILED, {error}")
        sys.exit(1)
