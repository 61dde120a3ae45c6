"""The wheel outside the repository: the library by itself, then with the services' parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.toolchain import ROOT

UV = ROOT / ".toolchain" / "uv" / "bin" / "uv"


def outside() -> dict[str, str]:
    """This environment without what points into the repository."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "OBBLIGATO_", "UV_PROJECT", "VIRTUAL_ENV"))
    }


def run(*command: str | Path, folder: Path, **changed: str) -> str:
    """What a command prints, started in a folder that is not the repository."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**outside(), **changed},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, folder=folder)
    (built,) = folder.glob("obbligato-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A fresh environment that holds the library alone; its folder of programs."""
    fresh = wheel.parent / "fresh"
    run(UV, "venv", "--quiet", "--python", sys.executable, fresh, folder=wheel.parent)
    run(UV, "pip", "install", "--quiet", wheel, folder=wheel.parent, VIRTUAL_ENV=str(fresh))
    return fresh / "bin"


def test_the_library_and_its_commands_need_none_of_the_services_parts(installed: Path) -> None:
    assert "obbligato" in run(installed / "obbligato", "--version", folder=installed)
    assert "platform" in run(installed / "obbligato", "--help", folder=installed)
    terms = run(installed / "obbligato", "artist", "presets", "--help", folder=installed)
    assert "presets" in terms
    program = (
        "import importlib.util, obbligato.client, obbligato.audit.recompute, obbligato.client.backend\n"
        "from obbligato.chain.abis import abi\n"
        "assert abi('UsageOracle')\n"
        "print([name for name in ('fastapi', 'sqlalchemy') if importlib.util.find_spec(name)])"
    )
    assert run(installed / "python", "-c", program, folder=installed).strip() == "[]"


def test_a_service_that_is_not_installed_says_how_to_get_it(installed: Path) -> None:
    for command in (["serve"], ["oracle", "serve"]):
        done = subprocess.run(
            [installed / "obbligato", *command],
            cwd=installed,
            env=outside(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert done.returncode != 0
        assert "pip install 'obbligato[services]'" in " ".join(done.stderr.split())


def test_the_services_start_from_the_wheel(wheel: Path, installed: Path) -> None:
    where = {"VIRTUAL_ENV": str(installed.parent)}
    run(UV, "pip", "install", "--quiet", f"{wheel}[services]", folder=wheel.parent, **where)
    assert "--part" in run(installed / "obbligato", "serve", "--help", folder=installed)
    for role in ("serve", "attest", "watch"):
        assert "Usage" in run(installed / "obbligato", "oracle", role, "--help", folder=installed)
    program = (
        "import pathlib\n"
        "from backend.db.index_db import IndexDatabase\n"
        "from backend.db.service_db import ServiceDatabase\n"
        "from oracle.db import OracleDatabase\n"
        "for kind in (IndexDatabase, ServiceDatabase, OracleDatabase):\n"
        "    kind(f'sqlite:///{kind.__name__}.db').close()\n"
        "print(sorted(path.name for path in pathlib.Path().glob('*.db')))"
    )
    made = run(installed / "python", "-c", program, folder=wheel.parent).strip()
    assert made == "['IndexDatabase.db', 'OracleDatabase.db', 'ServiceDatabase.db']"
