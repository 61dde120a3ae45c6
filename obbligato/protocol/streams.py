"""The rule of a stream: which report of a platform for a model may come next, and what it covers.

Reports follow each other without a gap in `sequence`, each naming the one before. A report leads
where it begins when the time covered so far ends (or is the first); any other is a correction, which
lies before that end and has rows. Only a leading report moves `covered_until`. No period is longer
than 31 days, and one that neither continues its stream nor ends where the stream does begins at most
92 days ago, so that no choice of period reaches back to the terms of another time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import DAY_SECONDS, MAX_AGE_SECONDS, MAX_PERIOD_SECONDS
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import ZERO_DIGEST

_LONGEST: Final = f"{MAX_PERIOD_SECONDS // DAY_SECONDS} days: divide the usage into reports"
TOO_LONG: Final = f"the period is longer than {_LONGEST}"
TOO_OLD: Final = (
    f"the period begins more than {MAX_AGE_SECONDS // DAY_SECONDS} days ago: so late only a report "
    "that continues its model's stream is taken"
)


def check_length(start: int, end: int, *, field: str) -> None:
    """Raises InputError, naming the field, for a period that is empty or longer than any stream takes."""
    if end <= start:
        raise InputError("a period ends after it starts", field=field)
    if end - start > MAX_PERIOD_SECONDS:
        raise InputError(f"a period is no longer than {_LONGEST}", field=field)


@dataclass(frozen=True, slots=True)
class Stream:
    """The number and id of the last report, and until when time is covered (seconds; 0: never)."""

    sequence: int = 0
    last: bytes = ZERO_DIGEST
    covered_until: int = 0

    def is_next(self, report: UsageReport) -> bool:
        """Whether the report has the next number and names the last report."""
        return (report.sequence, report.previous) == (self.sequence + 1, self.last)

    def leads(self, period_start: int) -> bool:
        """Whether a period that starts there extends what is covered."""
        return self.covered_until in (0, period_start)

    def check_period(self, start: int, end: int, *, has_rows: bool, now: int) -> None:
        """Raises RefusedError for a period that the stream does not take at `now`, in seconds."""
        if end - start > MAX_PERIOD_SECONDS:
            raise RefusedError(TOO_LONG)
        self.check_age(start, end, now=now)
        if self.leads(start):
            return
        if end > self.covered_until:
            raise RefusedError(
                f"this model is reported until {self.covered_until}: start the period there, "
                "or end it by then"
            )
        if not has_rows:
            raise RefusedError(
                f"this model is reported until {self.covered_until}: a statement of no use would "
                "say nothing new"
            )

    def check_age(self, start: int, end: int, *, now: int) -> None:
        """Raises RefusedError for a period that begins too long before `now` for this stream."""
        continues = bool(self.covered_until) and self.covered_until in (start, end)
        if not continues and start + MAX_AGE_SECONDS < now:
            raise RefusedError(TOO_OLD)

    def check(self, report: UsageReport, *, now: int) -> None:
        """Raises RefusedError for a report that the stream does not take at `now`, in seconds."""
        if not self.is_next(report):
            raise RefusedError(
                f"the stream is at number {self.sequence} (0x{self.last.hex()}): the report says "
                f"number {report.sequence} after 0x{report.previous.hex()}"
            )
        start, end = report.period_start, report.period_end
        self.check_period(start, end, has_rows=report.row_count > 0, now=now)

    def after(self, report: UsageReport, report_id: bytes) -> Stream:
        """The stream once it has taken the report."""
        leads = self.leads(report.period_start)
        covered = report.period_end if leads else self.covered_until
        return Stream(report.sequence, report_id, covered)
