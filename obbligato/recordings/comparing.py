"""Whether two fingerprints are of one recording: bit errors at the best alignment.

Source of the method: J. Haitsma, T. Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002), who call
two excerpts the same below a bit error rate of 0.35; AcoustID aligns within 120 values (pg_acoustid,
`ACOUSTID_MAX_ALIGN_OFFSET`). Chromaprint's values vary more slowly than Haitsma's, and the best of many alignments
is taken, so different music comes closer than chance: see NEAR.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from obbligato.recordings.fingerprints import Fingerprint

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


def _number(given: Fingerprint) -> int:
    """All values in one number, the first in its lowest 32 bits: one XOR compares a whole alignment."""
    return int.from_bytes(b"".join(value.to_bytes(4, "little") for value in given.values), "little")
