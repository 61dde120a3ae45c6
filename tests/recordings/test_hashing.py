"""Content hashes and the command that says them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from obbligato.cli.app import run
from obbligato.errors import InputError
from obbligato.recordings import content_hash
from tests.recordings.sound import music, write_wav

# https://www.di-mgmt.com.au/sha_testvectors.html, of "abc" and of a million times "a" (FIPS 180-2)
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"


def test_the_hash_is_the_published_one_and_progress_reaches_the_end(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"abc")
    large.write_bytes(b"a" * 1_000_000)
    assert content_hash(small).hex() == ABC
    seen: list[tuple[str, int, int]] = []
    assert content_hash(large, lambda *scenario: seen.append(scenario)).hex() == MILLION
    assert seen[-1] == ("hashing large", 1_000_000, 1_000_000)


def test_many_pieces_hash_as_sha256sum_does(tmp_path: Path) -> None:
    file = tmp_path / "master.wav"
    file.write_bytes(bytes(range(256)) * 12_000)
    scenario = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    steps: list[int] = []
    assert content_hash(file, lambda _, done, __: steps.append(done)).hex() == scenario.stdout[:64]
    assert len(steps) > 1


def test_a_file_that_is_empty_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, reason in ((tmp_path / "empty", "is empty"), (tmp_path, "cannot read")):
        with pytest.raises(InputError, match=reason):
            content_hash(path)
    with pytest.raises(InputError, match="No such file"):
        content_hash(tmp_path / "none")


def test_the_command_says_hashes_as_sha256sum_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a b.flac"
    file.write_bytes(b"abc")
    assert run(["recording", "hash", str(file), str(file)]) == 0
    assert capsys.readouterr().out == f"0x{ABC}  {file}\n" * 2
    assert run(["recording", "hash", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"file": str(file), "content_hash": f"0x{ABC}"}]
    assert run(["recording", "hash", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.skipif(
    shutil.which("fpcalc") is None,
    reason="fpcalc is not installed: apt-get install libchromaprint-tools",
)
def test_the_command_says_fingerprints_as_documents_have_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_wav(tmp_path / "song.wav", music(1, seconds=8))
    assert run(["recording", "hash", str(file), "--fingerprint", "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["fingerprint"]["algorithm"] == "chromaprint"
    assert said["fingerprint"]["duration_seconds"] == 8
    assert run(["recording", "hash", str(file), "--fingerprint"]) == 0
    assert said["fingerprint"]["data"] in capsys.readouterr().out
