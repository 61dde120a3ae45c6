"""Put the one pinned Solidity compiler where py-solc-x looks for it: native if it can be had, else WebAssembly.

py-solc-x fetches the native compiler from the network. Where that is blocked, an executable of the same name is
installed that runs npm's `solc` (see solc.cjs); both produce the same bytecode (tests/tooling/test_solc.py).
Set OBBLIGATO_SOLC=wasm to skip the native one.

Usage: python -m scripts.solc.install
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from scripts.toolchain import ROOT, SOLCX

HERE = Path(__file__).resolve().parent
NATIVE_SECONDS = 30
PIN: dict[str, str] = json.loads((HERE / "pin.json").read_text())


def binary() -> Path:
    """Where the compiler is installed, whichever it is."""
    return SOLCX / f"solc-v{PIN['version']}"


def answers(executable: Path) -> bool:
    """Whether the executable runs and says that it is the pinned version and commit."""
    try:
        run = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return f"{PIN['version']}+commit.{PIN['commit']}." in run.stdout


def install_native() -> bool:
    """Let py-solc-x fetch the native compiler; False if it cannot within the time limit."""
    code = f"import solcx; solcx.install_solc({PIN['version']!r})"
    environment = {**os.environ, "SOLCX_BINARY_PATH": str(SOLCX)}
    try:
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            timeout=NATIVE_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError:
        binary().unlink(missing_ok=True)
        return False
    return answers(binary())


def install_wasm() -> bool:
    """Install the stand-in: a launcher that finds solc.cjs by a path relative to itself."""
    script = os.path.relpath(HERE / "solc.cjs", SOLCX)
    binary().write_text(f'#!/bin/sh\nexec node "$(dirname "$0")/{script}" "$@"\n')
    binary().chmod(0o755)
    return answers(binary())


def main() -> int:
    SOLCX.mkdir(parents=True, exist_ok=True)
    binary().unlink(missing_ok=True)
    if os.environ.get("OBBLIGATO_SOLC") != "wasm" and install_native():
        print(f"solc {PIN['version']}: native")
        return 0
    if install_wasm():
        print(f"solc {PIN['version']}: WebAssembly (npm solc), at {binary().relative_to(ROOT)}")
        return 0
    print(f"no solc {PIN['version']}: is Node there, and did `npm ci` run?", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
