"""What became of a challenge, and what rulings made of a row. Source: docs/rules.md, "Rulings"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row

from backend.db.index_db import DisputeState

Outcome = Literal["open", "upheld", "dismissed", "drawn", "lapsed"]


class Standing(NamedTuple):
    """A row as rulings left it."""

    quantity_millionths: int
    amount_units: int


def outcome_of(state: str, *, reported: int, claimed: int, ruled: int | None, won: bool) -> Outcome:
    """Nearer wins: of a ruling as far from one as from the other, it is a draw."""
    if state == DisputeState.OPEN:
        return "open"
    if ruled is None:
        return "lapsed"
    if won:
        return "upheld"
    return "drawn" if abs(ruled - reported) == abs(ruled - claimed) else "dismissed"


def standing_of(as_reported: Standing, challenges: Iterable[Row[*tuple[Any, ...]]]) -> Standing:
    """A row as it stands, by the challenges of it, in any order.

    A ruling that raised it is not undone by a reduction, and a claim of more that failed left it as it was. Of
    those that raised it each begins where the one before ended: the last that was opened has the last word.
    """
    ruled = [each for each in challenges if each.ruled_millionths is not None]
    raised = [each for each in ruled if each.ruled_millionths > each.reported_millionths]
    lowered = [each for each in ruled if each.claimed_millionths < each.reported_millionths]
    decisive = max(raised or lowered, key=lambda each: each.challenge_id, default=None)
    if decisive is None:
        return as_reported
    return Standing(decisive.ruled_millionths, decisive.ruled_units)
