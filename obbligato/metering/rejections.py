"""Lines of a usage file that are wrong, and the error that carries them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from obbligato.errors import InputError

MAX_REJECTIONS: Final = 1_000
"""How many are kept and shown; the others are counted."""

MAX_BAD_LINES: Final = 100_000
"""After as many the file is something else than usage: reading stops."""


class Rejection(NamedTuple):
    """One bad line: counted from 1 as editors do, in Parquet the row from 1."""

    file: str
    line: int
    field: str | None
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}"
        return f"{where}, {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"


class RejectedLines(InputError):  # noqa: N818 -- says what happened
    """Some lines are wrong: the first 1 000 by file and line in `rejections`, all counted in `total`."""

    def __init__(self, rejections: Sequence[Rejection], total: int) -> None:
        count = "one line is" if total == 1 else f"{total} lines are"
        super().__init__(
            f"{count} wrong, first {rejections[0]}: put them right, or leave them out on purpose",
            field=rejections[0].field,
        )
        self.rejections = tuple(rejections)
        self.total = total
