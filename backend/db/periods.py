"""Months and quarters as seconds, and as the blocks that lie in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.head import Certainty, IndexHead
from backend.db.index_db import Block
from obbligato.errors import InputError, NotFound
from obbligato.protocol.constants import DAY_SECONDS

MONTH_PATTERN: Final = "^[2-9][0-9]{3}-(0[1-9]|1[0-2])$"
PERIOD_PATTERN: Final = "^[2-9][0-9]{3}-(0[1-9]|1[0-2]|Q[1-4])$"
LAST_YEAR: Final = 9_998
"""A calendar ends with the year 9999."""


class PeriodBlocks(NamedTuple):
    """A month or quarter, and its blocks: from `first_block` to before `end_block`."""

    name: str
    start: int
    end: int
    first_block: int
    end_block: int
    certainty: Certainty


def month_text(month: int) -> str:
    """`2026-10` of 202610."""
    return f"{month // 100:04d}-{month % 100:02d}"


def month_number(text: str, *, field: str = "month") -> int:
    """202610 of `2026-10`. Raises InputError."""
    if not re.fullmatch(MONTH_PATTERN, text):
        raise InputError(f"{text!r} is no month: write it like 2026-10", field=field)
    return int(text[:4]) * 100 + int(text[5:])


def month_of_day(day: int) -> str:
    """The month of a day, counted from 1970."""
    return f"{datetime.fromtimestamp(day * DAY_SECONDS, UTC):%Y-%m}"


def quarter_of_month(month: str) -> str:
    """`2026-Q4` of `2026-10`."""
    return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"


def bounds(period: str) -> tuple[int, int]:
    """The seconds `[start, end)` of `2026-10` or `2026-Q4`. Raises InputError."""
    if not re.fullmatch(PERIOD_PATTERN, period) or int(period[:4]) > LAST_YEAR:
        raise InputError(
            f"{period!r} is no period: write 2026-10 or 2026-Q4",
            field="period",
        )
    year, rest = int(period[:4]), period[5:]
    first, months = (3 * int(rest[1]) - 2, 3) if rest.startswith("Q") else (int(rest), 1)
    after = first + months
    return _second(year, first), _second(year + (after > 12), (after - 1) % 12 + 1)


def span(session: Session, head: IndexHead, period: str) -> PeriodBlocks:
    """A period with its blocks. Raises InputError; NotFound for one that has not begun."""
    start, end = bounds(period)
    if start > head.head_time:
        raise NotFound(f"{period} has not begun: the newest block is older")
    final_time = session.scalar(select(Block.timestamp).where(Block.number == head.final_number))
    return PeriodBlocks(
        period,
        start,
        end,
        first_block_at(session, head, start),
        first_block_at(session, head, end),
        # Once a block after the end is final, no block of the period can change or be added.
        "final" if final_time is not None and final_time >= end else "confirmed",
    )


def first_block_at(session: Session, head: IndexHead, moment: int) -> int:
    """The number from which on every block with events has a time of `moment` or later.

    Halves the numbers, since times grow with them and have no index: a few dozen short look-ups.
    """
    low, high = 0, head.head_number + 1
    if moment > head.head_time:
        return high
    while low < high:
        middle = (low + high) // 2
        block = session.execute(
            select(Block.number, Block.timestamp)
            .where(Block.number >= middle)
            .order_by(Block.number)
            .limit(1)
        ).one()
        if block.timestamp >= moment:
            high = middle
        else:
            low = block.number + 1
    return low


def _second(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
