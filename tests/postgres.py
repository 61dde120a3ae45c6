"""A PostgreSQL server of its own in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from scripts.toolchain import free_ports


def binaries() -> Path:
    """The newest PostgreSQL here; the test is skipped where there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if not found:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql: install the package postgresql")
    return found[-1].parent


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    folder = binaries()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, free_ports() as port:
        user = _user()
        Path(place).chmod(0o755)
        data = Path(place) / "data"
        data.mkdir()
        if user:
            owner = pwd.getpwnam(user)
            os.chown(data, owner.pw_uid, owner.pw_gid)
        _run(user, folder / "initdb", "-D", data, "-U", "obbligato", "-A", "trust", "--no-sync")
        options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(user, folder / "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://obbligato@127.0.0.1:{port}"
        finally:
            _run(user, folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """The URL of a new, empty database of a server."""
    name = f"obbligato_{uuid.uuid4().hex}"
    engine = create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        engine.dispose()
    yield f"{url}/{name}"


def _user() -> str | None:
    """PostgreSQL does not run as root: its own user is taken then."""
    return "postgres" if os.geteuid() == 0 else None


def _run(user: str | None, *command: str | Path) -> None:
    words = [str(word) for word in command]
    prefix = ["runuser", "-u", user, "--"] if user else []
    done = subprocess.run(
        [*prefix, *words], stdin=subprocess.DEVNULL, capture_output=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}"
