"""Which values of a fingerprint are looked up, so that few are compared whole.

As AcoustID does (pg_acoustid, `acoustid_extract_query`): the upper 28 bits of 120 values from the 80th on, which
are some 15 seconds past the beginning. Copies share many of them, different recordings almost none. Kept are
those; looked for are all, so that a copy is found that begins up to 10 seconds later.
"""

from __future__ import annotations

from typing import Final

from obbligato.recordings import Fingerprint

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
