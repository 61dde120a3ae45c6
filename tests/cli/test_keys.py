"""`obbligato key`, and what every command that signs does with a keystore."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from obbligato.keys import open_keystore
from tests.cli.conftest import Command


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("da capo\n")
    return path


def test_a_key_is_made_and_its_address_shown(
    bare: Command, tmp_path: Path, password_file: Path
) -> None:
    path = tmp_path / "reporter.json"
    made = bare("key", "create", path, "--password-file", password_file, "--json")
    assert (made.code, made.err) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    address = made.json["address"]
    assert open_keystore(path, password_file).address == address
    assert bare("key", "show", path).out == f"{address}\n"
    assert bare("key", "show", path, "--json").json["address"] == address


def test_a_key_is_never_made_over_another(
    bare: Command, tmp_path: Path, password_file: Path
) -> None:
    path = tmp_path / "reporter.json"
    path.write_text("the only copy")
    ran = bare("key", "create", path, "--password-file", password_file)
    assert ran.code == 2
    assert "exists: name a new file" in ran.err
    assert path.read_text() == "the only copy"


def test_without_a_terminal_a_password_file_is_asked_for(bare: Command, tmp_path: Path) -> None:
    ran = bare("key", "create", tmp_path / "reporter.json")
    assert ran.code == 2
    assert "give a password file" in ran.err
    assert not (tmp_path / "reporter.json").exists()


def test_a_password_that_others_may_read_is_refused_and_not_shown(
    bare: Command, tmp_path: Path, password_file: Path
) -> None:
    password_file.chmod(0o644)
    ran = bare("key", "create", tmp_path / "reporter.json", "--password-file", password_file)
    assert ran.code == 2
    assert f"chmod 600 {password_file}" in ran.err
    assert "da capo" not in ran.err
