"""What a payee earned, summed by any of what a credit is of: one indexed query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.db.index_db import Earning, SplitPayee
from obbligato.errors import InputError
from obbligato.protocol.constants import PPM

GROUPS: Final[dict[str, Any]] = {
    "month": Earning.month,
    "platform_id": Earning.platform_id,
    "model_id": Earning.model_id,
    "license_id": Earning.license_id,
    "split_id": Earning.split_id,
    "tier": Earning.tier,
    "metric": Earning.metric,
    "source": Earning.source,
}
"""What earnings can be summed by."""


@dataclass(frozen=True, slots=True)
class PayeeEarning:
    """A payee's part of all credits that have the same values in `by`."""

    by: dict[str, Any]
    amount_units: int
    quantity_millionths: int
    """The use that was paid for: all of it, not the payee's part."""
    credits: int


def payee_earnings(
    session: Session, account: str, by: Sequence[str], *, of: dict[str, Any] | None = None
) -> list[PayeeEarning]:
    """What an account (checksummed) earned, summed by these groups and in their order.

    `of` narrows it to credits with these values. The sums over everything are the payee's entitlements, to
    the unit. Raises InputError for a group that is none of GROUPS.
    """
    columns = [_column(name) for name in by]
    part = _part()
    query = (
        select(
            *columns,
            # Summed in two parts: a sum of whole amounts could pass a database's largest number.
            func.sum(part // PPM),
            func.sum(part % PPM),
            func.sum(Earning.quantity_millionths // PPM),
            func.sum(Earning.quantity_millionths % PPM),
            func.count(),
        )
        .join(SplitPayee, SplitPayee.split_id == Earning.split_id)
        .where(SplitPayee.account == account)
        .where(*(_column(name) == value for name, value in (of or {}).items()))
        .group_by(*columns)
        .order_by(*columns)
    )
    return [_summed(by, row) for row in session.execute(query) if row[-1]]


def _part() -> ColumnElement[int]:
    """What the payee's entitlement grew by; every product stays below 2^62."""
    amount, share = Earning.amount_units, SplitPayee.share_ppm
    rest = (Earning.received_rest * share) % PPM
    return (amount // PPM) * share + ((amount % PPM) * share + rest) // PPM


def _summed(by: Sequence[str], row: Any) -> PayeeEarning:
    *values, units, rest, whole, millionths, credited = row
    return PayeeEarning(
        by=dict(zip(by, values, strict=True)),
        amount_units=int(units) * PPM + int(rest),
        quantity_millionths=int(whole) * PPM + int(millionths),
        credits=credited,
    )


def _column(name: str) -> Any:
    if name not in GROUPS:
        raise InputError(f"{name!r} is no group: use {', '.join(GROUPS)}", field="by")
    return GROUPS[name]
