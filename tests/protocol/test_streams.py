"""Which report a stream takes next: cases worked by hand after docs/rules.md, Reports of a stream."""

from __future__ import annotations

import pytest

from obbligato.errors import RefusedError
from obbligato.protocol.constants import Pricing
from obbligato.protocol.streams import Stream
from obbligato.protocol.typed_data import UsageReport

MODEL, FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in range(1, 5))
EMPTY = Stream()
MARCH = Stream(sequence=2, last=SECOND, covered_until=3_000)
"""Two reports, the last of them `SECOND`, and time covered until 3 000."""


def report(
    sequence: int, previous: bytes, start: int, end: int, *, row_count: int = 1
) -> UsageReport:
    return UsageReport(
        platform_id=1,
        model_id=MODEL,
        sequence=sequence,
        attempt=1,
        previous=previous,
        period_start=start,
        period_end=end,
        pricing=Pricing.METERED,
        row_count=row_count,
        rows_digest=bytes(32),
        total=0,
        evidence=bytes(32),
        deadline=9_999,
    )


@pytest.mark.parametrize(
    ("stream", "taken", "after"),
    [
        # The first report leads, wherever it begins and with rows or without.
        (EMPTY, report(1, bytes(32), 700, 900), Stream(1, THIRD, 900)),
        (EMPTY, report(1, bytes(32), 0, 1, row_count=0), Stream(1, THIRD, 1)),
        # A report that begins where the last leading one ended leads.
        (MARCH, report(3, SECOND, 3_000, 4_000), Stream(3, THIRD, 4_000)),
        (MARCH, report(3, SECOND, 3_000, 4_000, row_count=0), Stream(3, THIRD, 4_000)),
        # A correction takes a number and moves no time.
        (MARCH, report(3, SECOND, 1_000, 2_000), Stream(3, THIRD, 3_000)),
        (MARCH, report(3, SECOND, 2_999, 3_000), Stream(3, THIRD, 3_000)),
    ],
)
def test_a_stream_takes_its_next_report(stream: Stream, taken: UsageReport, after: Stream) -> None:
    stream.check(taken, now=10_000)
    assert stream.after(taken, THIRD) == after


@pytest.mark.parametrize(
    ("stream", "refused", "reason"),
    [
        (EMPTY, report(2, bytes(32), 0, 1), "at number 0"),
        (EMPTY, report(1, FIRST, 0, 1), "at number 0"),
        (MARCH, report(2, SECOND, 3_000, 4_000), "at number 2"),
        (MARCH, report(4, SECOND, 3_000, 4_000), "at number 2"),
        (MARCH, report(3, FIRST, 3_000, 4_000), "at number 2"),
        # A gap after what is covered, and a period over its end.
        (MARCH, report(3, SECOND, 3_001, 4_000), "reported until 3000"),
        (MARCH, report(3, SECOND, 2_999, 3_001), "reported until 3000"),
        # No use, of a time that is covered.
        (MARCH, report(3, SECOND, 1_000, 2_000, row_count=0), "nothing new"),
    ],
)
def test_a_stream_refuses_any_other(stream: Stream, refused: UsageReport, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        stream.check(refused, now=10_000)


DAY = 86_400
NOW = 10_000 * DAY
"""A day far enough from 1970 that something can be older than 92 days."""


@pytest.mark.parametrize(
    ("covered", "start", "end", "reason"),
    [
        # 31 days are a month; a second more is none.
        (0, NOW - 31 * DAY, NOW, None),
        (0, NOW - 31 * DAY - 1, NOW, "longer than 31 days"),
        # The first report of a model and a correction begin 92 days ago at most.
        (0, NOW - 92 * DAY, NOW - 91 * DAY, None),
        (0, NOW - 92 * DAY - 1, NOW - 91 * DAY, "more than 92 days ago"),
        (0, 0, 1, "more than 92 days ago"),
        (NOW, NOW - 92 * DAY, NOW - 91 * DAY, None),
        (NOW, NOW - 92 * DAY - 1, NOW - 91 * DAY, "more than 92 days ago"),
        # A further part of the last period is as old as that.
        (NOW - 900 * DAY, NOW - 931 * DAY, NOW - 900 * DAY, None),
        (NOW - 900 * DAY, NOW - 931 * DAY, NOW - 900 * DAY - 1, "more than 92 days ago"),
        # Who is behind catches up, month by month.
        (NOW - 900 * DAY, NOW - 900 * DAY, NOW - 869 * DAY, None),
        (NOW - 900 * DAY, NOW - 900 * DAY, NOW - 868 * DAY, "longer than 31 days"),
    ],
)
def test_a_period_is_a_month_and_of_this_quarter_unless_it_continues(
    covered: int, start: int, end: int, reason: str | None
) -> None:
    stream = Stream(sequence=2, last=SECOND, covered_until=covered)
    if reason is None:
        stream.check_period(start, end, has_rows=True, now=NOW)
        return
    with pytest.raises(RefusedError, match=reason):
        stream.check_period(start, end, has_rows=True, now=NOW)
