"""How the sender sends: fees, patience, finality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIGAWEI = 10**9


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """Fees in wei per gas; times in seconds."""

    max_fee_wei: int = 100 * GIGAWEI
    """The cap: no transaction ever offers more."""
    priority_fee_wei: int = GIGAWEI
    bump_after_blocks: int = 3
    """A transaction that was not mined so many blocks after it was sent is offered more for."""
    finality: int | Literal["finalized"] = "finalized"
    """When a block is final: the node's `finalized` tag, or so many blocks on top of it."""
    most_in_flight: int = 16
    """Transactions that are signed and not mined, at most."""
    poll_seconds: float = 2.0
