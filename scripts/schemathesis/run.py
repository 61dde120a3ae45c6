"""Run Schemathesis over a backend that is running: every operation, examples, edges and fuzzing, the same each time.

It lives in an environment of its own, since its hypothesis is years younger than the one beside Brownie:
`make test` installs it into .toolchain/schemathesis from requirements.txt here, which
`uv pip compile --universal --python-version 3.11 --generate-hashes requirements.in` wrote.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.toolchain import TOOLCHAIN, ToolchainError, environment

PROGRAM: Final = TOOLCHAIN / "schemathesis" / "bin" / "schemathesis"
CONFIGURATION: Final = Path(__file__).parent / "schemathesis.toml"
MOST_SECONDS: Final = 600


class NoSchemathesis(ToolchainError):  # noqa: N818 -- like NoKubo, what is missing
    """Its environment is not there; the message says why."""


def program() -> Path:
    """Where it is. Raises NoSchemathesis."""
    if not PROGRAM.exists():
        raise NoSchemathesis("no Schemathesis: `make test` installs it where PyPI can be reached")
    return PROGRAM


def run(
    url: str,
    *,
    token: str,
    leaving: str,
    folder: Path,
    arguments: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Check the API at a URL; exit code 0 where nothing was found, else the output says what.

    `token` is a session's; `leaving` another one's, with which the operation that signs out is called. What it
    leaves behind is in `folder`. Raises NoSchemathesis; subprocess.TimeoutExpired.
    """
    command = [str(program()), "--config-file", str(CONFIGURATION), "--no-color", "run"]
    command += ["--url", url, "--generation-database", "none", *arguments]
    return subprocess.run(
        [*command, f"{url}/openapi.json"],
        cwd=folder,
        env={
            **environment(),
            "OBBLIGATO_TOKEN": token,
            "OBBLIGATO_LEAVING_TOKEN": leaving,
            "COLUMNS": os.environ.get("COLUMNS", "120"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
