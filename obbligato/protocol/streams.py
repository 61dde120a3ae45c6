"""The rule of a stream: which report of a platform for a model may come next, and what it covers.

Reports follow each other without a gap in `sequence`, each naming the one before. A report leads
where it begins when the time covered so far ends (or is the first); any other is a correction, which
lies before that end and has rows. Only a leading report moves `covered_until`.
"""

from __future__ import annotations

from dataclasses import dataclass

from obbligato.errors import RefusedError
from obbligato.protocol.typed_data import UsageReport
from obbligato.protocol.types import ZERO_DIGEST


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

    def check_period(self, start: int, end: int, *, has_rows: bool) -> None:
        """Raises RefusedError for a period that neither leads nor corrects what is covered."""
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

    def check(self, report: UsageReport) -> None:
        """Raises RefusedError for a report that the stream does not take."""
        if not self.is_next(report):
            raise RefusedError(
                f"the stream is at number {self.sequence} (0x{self.last.hex()}): the report says "
                f"number {report.sequence} after 0x{report.previous.hex()}"
            )
        self.check_period(report.period_start, report.period_end, has_rows=report.row_count > 0)

    def after(self, report: UsageReport, report_id: bytes) -> Stream:
        """The stream once it has taken the report."""
        leads = self.leads(report.period_start)
        covered = report.period_end if leads else self.covered_until
        return Stream(report.sequence, report_id, covered)
