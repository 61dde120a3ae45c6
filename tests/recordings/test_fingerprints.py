"""Fingerprints of generated music, made by the real `fpcalc` (Debian: apt-get install libchromaprint-tools)."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from obbligato.errors import InputError
from obbligato.recordings import NEAR, Fingerprint, compare, fingerprint
from tests.recordings.sound import coarse, gain, music, noisy, trimmed, write_wav

needs_fpcalc = pytest.mark.skipif(
    shutil.which("fpcalc") is None,
    reason="fpcalc is not installed: apt-get install libchromaprint-tools",
)
SEEDS = range(6)


@pytest.fixture(scope="module")
def songs() -> dict[int, list[float]]:
    return {seed: music(seed, seconds=25) for seed in SEEDS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sound")


def heard(folder: Path, samples: Sequence[float]) -> Fingerprint:
    return fingerprint(write_wav(folder / "heard.wav", samples))


CHANGES: dict[str, Callable[[Sequence[float]], Sequence[float]]] = {
    "quieter": lambda song: gain(song, 0.3),
    "louder, clipped": lambda song: gain(song, 3),
    "noisy": lambda song: noisy(song, 0.05),
    "coarse": lambda song: coarse(song, 20),
    "without 3 seconds": lambda song: trimmed(song, 3.21),
    "without 12 seconds": lambda song: trimmed(song, 12.03),
    "all of it": lambda song: noisy(trimmed(gain(song, 0.5), 2.2), 0.03),
}


@needs_fpcalc
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near(songs: dict[int, list[float]], folder: Path, change: str) -> None:
    original = heard(folder, songs[0])
    found = compare(original, heard(folder, CHANGES[change](songs[0])))
    assert found.near
    assert found.bit_error_rate < NEAR * 0.6  # far from the line, as others are on its other side


@needs_fpcalc
def test_different_music_is_not_near(songs: dict[int, list[float]], folder: Path) -> None:
    known = [heard(folder, song) for song in songs.values()]
    rates = [compare(one, other).bit_error_rate for one, other in itertools.combinations(known, 2)]
    assert min(rates) > NEAR * 1.4


@needs_fpcalc
def test_the_offset_says_where_the_copy_begins(songs: dict[int, list[float]], folder: Path) -> None:
    found = compare(heard(folder, songs[1]), heard(folder, trimmed(songs[1], 8.0)))
    # One value each 1 365 samples at 11 025 Hz: 8 seconds are 64.6 of them.
    assert found.offset in (64, 65)


@needs_fpcalc
def test_it_is_what_fpcalc_prints(songs: dict[int, list[float]], folder: Path) -> None:
    path = write_wav(folder / "plain.wav", songs[2])
    made = fingerprint(path)
    scenario = subprocess.run(["fpcalc", "-raw", path], capture_output=True, text=True, check=False)
    lines = dict(line.split("=", 1) for line in scenario.stdout.splitlines())
    assert ",".join(map(str, made.values)) == lines["FINGERPRINT"]
    assert made.duration_seconds == 25


@needs_fpcalc
@pytest.mark.parametrize("data", [b"", b"this is no audio file", b"RIFF" + bytes(40)])
def test_what_is_no_audio_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "-raw"
    path.write_bytes(data)
    with pytest.raises(InputError, match="hears nothing") as refused:
        fingerprint(path)
    assert refused.value.field == "file"


def test_without_fpcalc_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt-get install libchromaprint-tools"):
        fingerprint(tmp_path / "a.wav")


def test_it_goes_into_a_document_and_comes_back(tmp_path: Path) -> None:
    made = Fingerprint(25, (0, 1, 2**32 - 1, 0xDEADBEEF))
    record = made.record()
    # By hand: 00000000 00000001 ffffffff deadbeef, in base64url.
    assert record.data == "AAAAAAAAAAH_____3q2-7w"
    assert Fingerprint.of(record) == made
    assert json.loads(record.to_bytes())["algorithm"] == "chromaprint"


# ---- comparing, over values written by hand


def plain(*values: int) -> Fingerprint:
    return Fingerprint(10, values)


def test_bit_errors_are_counted_at_the_best_alignment() -> None:
    values = tuple(i * 2_654_435_761 % 2**32 for i in range(60))
    other = (7, 7, 7, *(value ^ 1 for value in values))
    found = compare(plain(*values), plain(*other))
    assert (found.bit_error_rate, found.offset, found.overlap) == (1 / 32, -3, 60)
    turned = compare(plain(*other), plain(*values))
    assert (turned.bit_error_rate, turned.offset, turned.overlap) == (1 / 32, 3, 60)


def test_too_short_an_overlap_says_nothing() -> None:
    values = tuple(range(39))
    assert not compare(plain(*values), plain(*values, 5)).near
    assert compare(plain(*values), plain(*values)).near
    assert compare(plain(*range(40)), plain(*range(40), 5)).near
