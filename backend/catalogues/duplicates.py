"""Lines that ask for the same: which of them holds a recording, and which are refused for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backend.catalogues.cells import Errors, content_of, isrc_of
from backend.catalogues.judging import Judge
from backend.records import LineState

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A line as far as it can collide with another."""

    line: int
    state: str
    cells: Mapping[str, str]


class Holders:
    """By recording, the line that has it: one that is prepared already, else the first in the file."""

    def __init__(self, lines: Iterable[Written], judge: Judge) -> None:
        self._judge = judge
        self._holders: dict[Key, int] = {}
        for each in sorted(lines, key=lambda each: (not _is_done(each.state), each.line)):
            for _, key in self._keys(each.cells):
                self._holders.setdefault(key, each.line)

    def refuse(self, line: int, cells: Mapping[str, str], errors: Errors) -> None:
        """Adds an error for everything that another line has."""
        for column, key in self._keys(cells):
            holder = self._holders.get(key, line)
            if holder != line:
                errors.add(column, _REASONS[column].format(line=holder), other_line=holder)

    def _keys(self, cells: Mapping[str, str]) -> list[tuple[str, Key]]:
        found: list[tuple[str, Key]] = []
        content, owner = content_of(cells), self._judge.owner_of(cells)
        if content is not None and owner is not None:
            found.append(("content_hash", ("content", content.hex(), owner)))
        isrc = isrc_of(cells)
        if isrc is not None:
            found.append(("isrc", ("isrc", isrc)))
        return found


def _is_done(state: str) -> bool:
    return state in (LineState.PREPARED, LineState.OFFERED, LineState.MINTED)


_REASONS = {
    "content_hash": "line {line} has the same recording for the same owner: keep one of the two",
    "isrc": "line {line} has the same ISRC: one of the two is mistyped, or there twice",
}
