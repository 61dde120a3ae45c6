"""The protocol's money and consent a second time, in plain Python: what every act moves, or why it is refused.

Written from docs/rules.md. Nothing here knows of a chain. Money is dictionaries of whole numbers; of the library only
the history of a licence is used, for consent. Every method first refuses (`Refused` carries the name of the custom
error that a contract must answer with) and only then changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.deploy import Parameters
from tests.contracts.stateful.model_disputes import Disputes
from tests.contracts.stateful.records import (
    ANY_MODEL,
    DAY,
    DEAD,
    GRANT_APPROVAL,
    GRANT_REQUIRED,
    METERED,
    MODEL_BOUND,
    NOT_OFFERED,
    POOL,
    POOL_FLAG,
    PPM,
    U64,
    WEIGHTS,
    ZERO,
    Addresses,
    Attestations,
    Key,
    Refused,
    Report,
    Row,
    pack_rows,
    unpack_rows,
)

__all__ = [
    "ANY_MODEL",
    "DAY",
    "DEAD",
    "GRANT_APPROVAL",
    "GRANT_REQUIRED",
    "METERED",
    "MODEL_BOUND",
    "NOT_OFFERED",
    "POOL",
    "POOL_FLAG",
    "PPM",
    "U64",
    "WEIGHTS",
    "ZERO",
    "Addresses",
    "Attestations",
    "Key",
    "Model",
    "Refused",
    "Report",
    "Row",
    "pack_rows",
    "unpack_rows",
]


class Model(Disputes):
    """The state of one deployment, and every act on it."""

    def __init__(self, at: Addresses, parameters: Parameters, attesters: Sequence[str]) -> None:
        super().__init__(at, parameters)
        self.set_attesters(at.governor, attesters)
