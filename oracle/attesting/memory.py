"""An attester's memory: one digest for each place in a stream, written down before anything is signed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from obbligato.errors import RefusedError
from obbligato.typed_data import UsageReport
from oracle.database import Database, Signed


class Memory:
    """What was signed, in the database. The same report may be signed again; another one never."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember(self, header: UsageReport, report_id: bytes, *, final_time: int) -> None:
        """Write down that this report is about to be signed.

        `final_time` is the time of the newest final block. Raises RefusedError where another report
        was signed for this place, or where an earlier attempt that was signed may still be accepted:
        its deadline has not passed in a final block. A quorum that signs two attempts at once would
        need more than the tolerated number of attesters that forget.
        """
        place = (header.platform_id, header.model_id, header.sequence)
        try:
            with self._database.work() as session:
                known = session.scalars(
                    select(Signed).where(
                        Signed.platform_id == place[0],
                        Signed.model_id == place[1],
                        Signed.sequence == place[2],
                    )
                ).all()
                _check(known, header, report_id, final_time)
                if not any(entry.attempt == header.attempt for entry in known):
                    session.add(
                        Signed(
                            platform_id=place[0],
                            model_id=place[1],
                            sequence=place[2],
                            attempt=header.attempt,
                            report_id=report_id,
                            deadline=header.deadline,
                        )
                    )
        except IntegrityError:
            # Another thread or process was asked about the same place at the same moment.
            self.remember(header, report_id, final_time=final_time)


def _check(known: Sequence[Signed], header: UsageReport, report_id: bytes, final_time: int) -> None:
    for entry in known:
        if entry.attempt == header.attempt and entry.report_id != report_id:
            raise RefusedError(
                f"another report was signed for attempt {entry.attempt} at number "
                f"{header.sequence} of this model: 0x{entry.report_id.hex()}"
            )
        if entry.attempt < header.attempt and entry.deadline >= final_time:
            raise RefusedError(
                f"attempt {entry.attempt} may still be accepted until {entry.deadline}: a further "
                f"attempt is signed once a final block is later than that; now it is {final_time}"
            )
        if entry.attempt > header.attempt:
            raise RefusedError(f"attempt {entry.attempt} was signed already: this one is too late")
