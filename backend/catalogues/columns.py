"""The columns of a catalogue's CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obbligato.errors import InputError
from obbligato.words import Tier

PRICES: Final = ("training_run_units", "generation_units", "playback_units", "grant_fee_units")
PRICE_COLUMNS: Final = tuple(f"{tier.name}.{price}" for tier in Tier for price in PRICES)
"""`GENERATIVE.generation_units` and so on: the price of one whole unit, in millionths of a dollar."""

REQUIRED: Final = ("title", "artists", "content_hash")
TERMS_COLUMNS: Final = ("preset", "term_days", "influence_cap_bps", "flags", *PRICE_COLUMNS)
COLUMNS: Final = (
    *REQUIRED,
    "isrc",
    "iswc",
    "release_date",
    "contributors",
    "scope",
    "image",
    "owner",
    "payees",
    *TERMS_COLUMNS,
)

LINE: Final = "line"
"""Of corrections: which line of the catalogue is meant."""
REPORTED: Final = ("field", "reason")
"""What the file of errors says beside the cells; corrections may keep it."""

MOST_LINES: Final = 10_000
MOST_BYTES: Final = 8 * 2**20


def check_header(names: Sequence[str], *, extra: Sequence[str] = ()) -> None:
    """Raises InputError naming the first column that is unknown, missing or there twice."""
    known = {*COLUMNS, *extra}
    for name in names:
        if name not in known:
            shown = name[:60] or "a column without a name"
            raise InputError(
                f"{shown!r} is no column of a catalogue: take it out, or use {', '.join(COLUMNS[:12])}, "
                "term_days, influence_cap_bps, flags or a price such as GENERATIVE.generation_units",
                field=name[:60] or "file",
            )
        if names.count(name) > 1:
            raise InputError("is there twice: keep one", field=name)
    needed = (*REQUIRED, LINE) if LINE in extra else REQUIRED
    for name in needed:
        if name not in names:
            raise InputError("is missing: the first line names the columns", field=name)
