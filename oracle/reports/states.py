"""How far a submission is, from how far its parts are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oracle.db import ReportState

ORDER: Final = (
    ReportState.REJECTED,
    ReportState.VALIDATED,
    ReportState.UNFUNDED,
    ReportState.SIGNED,
    ReportState.ATTESTED,
    ReportState.SUBMITTED,
    ReportState.CONTESTED,
    ReportState.CHALLENGEABLE,
    ReportState.SETTLED,
)
"""From what needs attention to what is done: first what waits for the platform, then the least advanced part."""

ON_CHAIN: Final = frozenset(
    {
        ReportState.UNFUNDED,
        ReportState.CONTESTED,
        ReportState.CHALLENGEABLE,
        ReportState.SETTLED,
    }
)
"""States in which the chain has the report."""

IN_STREAM: Final = frozenset(
    {
        ReportState.VALIDATED,
        ReportState.SIGNED,
        ReportState.ATTESTED,
        ReportState.SUBMITTED,
    }
)
"""States in which a submission holds the next place of its stream."""


def overall(parts: Iterable[str]) -> ReportState:
    """The state of a submission with parts in these states; there is at least one."""
    return min((ReportState(part) for part in parts), key=ORDER.index)
