"""What a recomputation found to differ from what the chain says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a difference proves."""

    WRONG = "wrong"
    """Two things that must agree do not."""
    MISSING = "missing"
    """Nobody asked had a document, or could be asked: nothing is proven either way."""


class Outcome(StrEnum):
    """What a whole recomputation comes to."""

    AGREES = "agrees"
    MISSING_EVIDENCE = "missing evidence"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` should be `expected` by the rules and is `found`.

    `report` is a report's id in hexadecimal and `row` the position of a row in it, where there is
    one; `where` names anything else: an event, a licence, a payee.
    """

    what: str
    expected: str
    found: str
    report: str | None = None
    row: int | None = None
    where: str | None = None
    kind: Kind = Kind.WRONG

    def __str__(self) -> str:
        place = [
            f"report {self.report}" if self.report else None,
            f"row {self.row}" if self.row is not None else None,
            self.where,
        ]
        located = ", ".join(part for part in place if part)
        if self.kind is Kind.MISSING:
            said = f"{self.what} is missing: {self.found}"
        else:
            said = f"{self.what} should be {self.expected}, is {self.found}"
        return f"{located}: {said}" if located else said

    def as_json(self) -> dict[str, Any]:
        """Plain data; absent parts are null."""
        return asdict(self)


def outcome(differences: Iterable[Difference]) -> Outcome:
    """What they come to: one that is wrong outweighs any number of missing documents."""
    kinds = {difference.kind for difference in differences}
    if Kind.WRONG in kinds:
        return Outcome.DIFFERS
    return Outcome.MISSING_EVIDENCE if kinds else Outcome.AGREES
