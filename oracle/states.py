"""The states of submissions and their parts, and the moves between them that code may make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from obbligato.schemas.oracle import State

_S = State

ORDER: Final = (
    _S.REJECTED,
    _S.VALIDATED,
    _S.UNFUNDED,
    _S.SIGNED,
    _S.ATTESTED,
    _S.SUBMITTED,
    _S.CONTESTED,
    _S.CHALLENGEABLE,
    _S.SETTLED,
)
"""From what needs attention to what is done: first what waits for the platform, then the least advanced part."""

ON_CHAIN: Final = frozenset({_S.UNFUNDED, _S.CONTESTED, _S.CHALLENGEABLE, _S.SETTLED})
"""States in which the chain has the report."""

IN_STREAM: Final = frozenset({_S.VALIDATED, _S.SIGNED, _S.ATTESTED, _S.SUBMITTED})
"""States in which a submission holds the next number of its stream."""

ACTIVE: Final = IN_STREAM | {_S.RECEIVED}
"""States in which the pipeline has something to do for a submission."""

_REFUSED: Final = frozenset({_S.SIGNED, _S.REJECTED})
"""Where a part goes that the contract refuses: a further round of signatures, or its end."""

PART_MOVES: Final[Mapping[State, frozenset[State]]] = {
    _S.QUOTED: frozenset(),
    _S.VALIDATED: frozenset({_S.SIGNED}),
    _S.SIGNED: frozenset({_S.VALIDATED, _S.ATTESTED}),
    _S.ATTESTED: ON_CHAIN | _REFUSED | {_S.VALIDATED, _S.SUBMITTED},
    _S.SUBMITTED: ON_CHAIN | _REFUSED | {_S.VALIDATED, _S.ATTESTED},
    # The keeper may find a report several steps on, and a reorg takes it off the chain again.
    **{state: (ON_CHAIN | _REFUSED | {_S.ATTESTED, _S.SUBMITTED}) - {state} for state in ON_CHAIN},
    _S.REJECTED: frozenset(),
}
"""From each state of a part to those that may come next."""

SUBMISSION_MOVES: Final[Mapping[State, frozenset[State]]] = {
    _S.RECEIVED: frozenset({_S.VALIDATED, _S.QUOTED, _S.REJECTED, _S.WITHDRAWN}),
    _S.QUOTED: frozenset({_S.WITHDRAWN}),
    _S.VALIDATED: frozenset({_S.SIGNED, _S.REJECTED, _S.WITHDRAWN}),
    # From the platform's signature on, the parts decide: see `overall`.
    **{state: frozenset(ORDER) - {state} for state in ORDER[2:]},
    _S.REJECTED: frozenset(),
    _S.WITHDRAWN: frozenset(),
}
"""From each state of a submission to those that may come next."""


class IllegalMoveError(RuntimeError):
    """Code tried a move that the table does not have: nothing is written."""


def check_move(moves: Mapping[State, frozenset[State]], before: str, after: State) -> State:
    """`after`, where the table has the move or nothing moves. Raises IllegalMoveError."""
    state = State(before)
    if after != state and after not in moves.get(state, ()):
        raise IllegalMoveError(f"{state} does not become {after}")
    return after


def overall(parts: Iterable[str]) -> State:
    """The state of a submission with parts in these states; there is at least one."""
    return min((State(part) for part in parts), key=ORDER.index)
