"""EIP-1559 fees: what to offer at first, and what to offer instead. Pure; everything in wei per gas."""

from __future__ import annotations

from dataclasses import dataclass

from obbligato.chain.blocks import Finality
from obbligato.server.settings import SenderSettings

GIGAWEI = 10**9


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """Fees in wei per gas; times in seconds."""

    max_fee_wei: int = 100 * GIGAWEI
    """The cap: no transaction ever offers more."""
    priority_fee_wei: int = GIGAWEI
    bump_after_blocks: int = 3
    """A transaction that was not mined so many blocks after it was sent is offered more for."""
    finality: Finality = "finalized"
    most_in_flight: int = 16
    """Transactions that are signed and not mined, at most."""
    poll_seconds: float = 2.0

    @classmethod
    def read(cls, settings: SenderSettings) -> SendingSettings:
        """Those of a service."""
        return cls(
            max_fee_wei=int(settings.max_fee_gwei * GIGAWEI),
            priority_fee_wei=int(settings.priority_fee_gwei * GIGAWEI),
            bump_after_blocks=settings.bump_after_blocks,
            finality=settings.finality,
            poll_seconds=settings.poll_seconds,
        )


LEAST_BUMP_PERMILLE = 1_125
"""Nodes take a replacement only if both of its fields are an eighth higher (geth's price bump is 10 %)."""
BUMP_PERMILLE = 1_130


@dataclass(frozen=True, slots=True)
class Fees:
    """`maxFeePerGas` and `maxPriorityFeePerGas`."""

    max_fee: int
    priority_fee: int


def first_fees(base_fee: int, priority_fee: int, cap: int) -> Fees | None:
    """Twice the base fee and the tip, so that it stays good for six full blocks; at most `cap`.

    None where not even the base fee as it is fits under the cap: it would only lie there.
    """
    if base_fee > cap:
        return None
    most = min(2 * base_fee + priority_fee, cap)
    return Fees(most, min(priority_fee, most))


def bumped(fees: Fees, cap: int, at_least: Fees | None = None) -> Fees | None:
    """Fees that replace `fees`: 13 % more on both fields, or `at_least` where that is more.

    The last step before the cap may be a little smaller, but is never less than an eighth. None where
    the cap leaves no room for that.
    """
    floor = at_least or fees
    max_fee = _raised(fees.max_fee, floor.max_fee, cap)
    if max_fee is None:
        return None
    priority_fee = _raised(fees.priority_fee, floor.priority_fee, max_fee)
    return None if priority_fee is None else Fees(max_fee, priority_fee)


def _raised(old: int, floor: int, cap: int) -> int | None:
    new = min(max(_permille(old, BUMP_PERMILLE), floor), cap)
    return new if new >= _permille(old, LEAST_BUMP_PERMILLE) else None


def _permille(value: int, permille: int) -> int:
    """Rounded up."""
    return -(-value * permille // 1_000)
