"""What says which recording a file is: its content hash and its fingerprint. The file stays where it is.

The content hash is the sha-256 of the file. A fingerprint says what a recording sounds like, whatever its file format:
`fpcalc` of Chromaprint (https://acoustid.org/chromaprint) does the listening. It gives one 32-bit value for
every 0.124 seconds; of each file the first two minutes count, which is what AcoustID compares, too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Self

from obbligato.documents.license import MAX_FINGERPRINT_VALUES, FingerprintRecord
from obbligato.errors import InputError

PIECE_BYTES: Final = 1 << 20

OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes of it are done, and of how many."""


def content_hash(path: Path, watch: OnProgress = lambda what, done, total: None) -> bytes:
    """The 32 bytes. Raises InputError for a file that is empty or cannot be read."""
    digest, done, what = hashlib.sha256(), 0, f"hashing {path.name}"
    try:
        with path.open("rb") as file:
            total = path.stat().st_size
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                done += len(piece)
                watch(what, done, max(done, total))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", field="file") from error
    if not done:
        raise InputError(
            f"{path} is empty: its hash would be that of every empty file", field="file"
        )
    return digest.digest()


LISTENED_SECONDS: Final = 120
ALGORITHM: Final = "2"
"""As `fpcalc` counts, from 1; the library counts from 0 (CHROMAPRINT_ALGORITHM_TEST2, its default)."""
PATIENCE_SECONDS: Final = 300

_INSTALL: Final = (
    "fpcalc, which makes fingerprints, is not on the PATH: install it (Debian and Ubuntu: "
    "apt-get install libchromaprint-tools; macOS: brew install chromaprint; others: "
    "https://acoustid.org/chromaprint), or leave the fingerprint out"
)


class Fingerprint(NamedTuple):
    """The values of the first two minutes, and how long the whole recording is."""

    duration_seconds: int
    values: tuple[int, ...]
    """Of 32 bits, 1 to 1 000 of them."""

    @classmethod
    def of(cls, record: FingerprintRecord) -> Self:
        """The fingerprint in a licence document."""
        return cls.from_bytes(record.duration_seconds, record.packed())

    @classmethod
    def from_bytes(cls, duration_seconds: int, packed: bytes) -> Self:
        """From values of 32 bits, big-endian."""
        values = (
            int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed) // 4 * 4, 4)
        )
        return cls(duration_seconds, tuple(values))

    def to_bytes(self) -> bytes:
        """The values, big-endian."""
        return b"".join(value.to_bytes(4, "big") for value in self.values)

    def record(self) -> FingerprintRecord:
        """As a licence document has it. Raises InputError."""
        return FingerprintRecord.made(self.duration_seconds, self.to_bytes())


def fingerprint(path: Path) -> Fingerprint:
    """What a file sounds like. Raises InputError where there is no `fpcalc`, or it cannot make sense of the file."""
    program = shutil.which("fpcalc")
    if program is None:
        raise InputError(_INSTALL, field="fingerprint")
    if not path.is_file():
        raise InputError(f"cannot read {path}: there is no such file", field="file")
    options = ("-raw", "-json", "-algorithm", ALGORITHM, "-length", str(LISTENED_SECONDS))
    try:
        process = subprocess.run(
            [program, *options, str(path.absolute())],  # absolute: never taken for an option
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"fpcalc does not finish: {error}", field="fingerprint") from error
    try:
        output = json.loads(process.stdout)
        values = tuple(int(value) & 0xFFFFFFFF for value in output["fingerprint"])
        duration = int(output["duration"])
    except (ValueError, KeyError, TypeError):
        values, duration = (), 0
    # Its exit code says nothing: with FFmpeg 5 it reports the end of every file as an error.
    if not values:
        reason = process.stderr.decode(errors="replace").strip().removeprefix("ERROR: ")
        raise InputError(
            f"fpcalc hears nothing in {path}: {reason or 'it is too short'}; give an audio file of some seconds",
            field="file",
        )
    return Fingerprint(max(duration, 1), values[:MAX_FINGERPRINT_VALUES])


MAX_OFFSET: Final = 120
"""Values that one recording may begin later than the other: about 15 seconds."""
LEAST_OVERLAP: Final = 40
"""Values that both must have at an alignment: about 5 seconds."""
NEAR: Final = 0.25
"""Bit error rate up to which two fingerprints are near."""


class Comparison(NamedTuple):
    """The best alignment of two fingerprints."""

    bit_error_rate: float
    """Of the bits of the overlap, those that differ: 0 the same, 0.5 chance."""
    offset: int
    """Value `i + offset` of the first is value `i` of the second."""
    overlap: int
    """Values compared there."""

    @property
    def near(self) -> bool:
        """Whether they are likely of one recording."""
        return self.bit_error_rate <= NEAR


NOTHING_IN_COMMON: Final = Comparison(1.0, 0, 0)


def compare(one: Fingerprint, other: Fingerprint) -> Comparison:
    """The alignment with the lowest bit error rate, the smallest offset among equals.

    Two that share fewer than LEAST_OVERLAP values have nothing in common, unless they are equal.
    """
    if one.values == other.values:
        return Comparison(0.0, 0, len(one.values))
    best = NOTHING_IN_COMMON
    first, second = _number(one), _number(other)
    counts = len(one.values), len(other.values)
    for offset in sorted(range(-MAX_OFFSET, MAX_OFFSET + 1), key=abs):
        skipped, left_out = max(offset, 0), max(-offset, 0)
        overlap = min(counts[0] - skipped, counts[1] - left_out)
        if overlap < LEAST_OVERLAP:
            continue
        different = (first >> 32 * skipped) ^ (second >> 32 * left_out)
        errors = (different & ((1 << 32 * overlap) - 1)).bit_count()
        rate = errors / (32 * overlap)
        if rate < best.bit_error_rate:
            best = Comparison(rate, offset, overlap)
    return best


def _number(known: Fingerprint) -> int:
    """All values in one number, the first in its lowest 32 bits: one XOR compares a whole alignment."""
    return int.from_bytes(b"".join(value.to_bytes(4, "little") for value in known.values), "little")


START: Final = 80
COUNT: Final = 120
DROPPED_BITS: Final = 4
SILENCE: Final = 627_964_279
"""What Chromaprint says of silence, as AcoustID passes it over."""


def indexed_values(sound: Fingerprint) -> list[int]:
    """Those that are kept of a document, ascending: of a short recording the middle."""
    start = min(START, max(0, (len(sound.values) - COUNT) // 2))
    return _distinct(sound.values[start : start + COUNT])


def looked_up_values(sound: Fingerprint) -> list[int]:
    """Those that are looked for, ascending."""
    return _distinct(sound.values)


def _distinct(values: tuple[int, ...]) -> list[int]:
    return sorted({value >> DROPPED_BITS for value in values if value != SILENCE})
