"""Moments as people write them: seconds since 1970 or ISO 8601 in, ISO 8601 in UTC out."""

from __future__ import annotations

from datetime import UTC, datetime

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME


def parse_moment(text: str) -> int:
    """Whole seconds since 1970, from `1767225600`, `2026-01-01T00:00:00Z` or `2026-01-01`.

    A date alone begins at midnight UTC. A time of day needs an offset (or Z): without one it is no
    moment. Parts of a second are dropped, as the chain has none. Raises InputError.
    """
    cleaned = text.strip()
    if cleaned.isascii() and cleaned.isdigit():
        return _in_range(int(cleaned) if len(cleaned) <= 15 else MAX_TIME + 1, text)
    try:
        moment = datetime.fromisoformat(cleaned)
    except ValueError:
        raise InputError(
            f"{text!r} is no time: give seconds since 1970, 2026-01-01 or 2026-01-01T00:00:00Z",
            field="time",
        ) from None
    if moment.tzinfo is None and len(cleaned) == len("2026-01-01"):
        moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise InputError(f"{text!r} has no offset: add Z for UTC, or +01:00", field="time")
    return _in_range(int(moment.timestamp() // 1), text)


def moment_text(seconds: int) -> str:
    """`2026-01-01T00:00:00Z`; the bare number where a calendar does not reach that far."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _in_range(seconds: int, text: str) -> int:
    if not 0 <= seconds <= MAX_TIME:
        raise InputError(f"{text!r} is not from 0 to {MAX_TIME} seconds since 1970", field="time")
    return seconds
