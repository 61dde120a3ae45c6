"""The row that a challenge is about, as the contracts freeze it: quantity, credit, price and split."""

from __future__ import annotations

from collections.abc import Sequence

from obbligato.errors import RefusedError
from obbligato.protocol.constants import Metric, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.pricing import pool_weight
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.rulings import ContestedRow, price_of_row
from obbligato.protocol.typed_data import UsageReport

RowKey = tuple[int, int, int]
"""(licenseId, tier, metric)."""


def position_of(rows: Sequence[Row], key: RowKey) -> int | None:
    """Where the row with this key is in a report; None if the report left it out."""
    return next((position for position, row in enumerate(rows) if row.key == key), None)


def contested_row(
    report: UsageReport,
    rows: Sequence[Row],
    credits_: Sequence[Credit],
    key: RowKey,
    *,
    claimed: int,
    history: LicenseHistory,
    split_id: int,
    held: bool,
    ruled: tuple[int, int] | None,
) -> tuple[ContestedRow, int]:
    """The row and the split it pays, when somebody claims `claimed` millionths of a unit for it.

    The first claim of less is about the row as reported, which it takes out of the report (`held`
    from then on); any other claim is about the row as rulings left it: `ruled` is that quantity and
    amount. A row that the report left out has quantity 0 and pays `split_id`, the licence's split
    of today. Raises RefusedError where the licence gave no consent in the period, or no price.
    """
    license_id, tier, metric = key
    moment = history.first_moment(tier, report.period_start, report.period_end)
    version = None if moment is None else history.version_at(moment)
    if version is None:
        raise RefusedError(
            f"licence {license_id} gave no consent in the period: there is nothing to rule on"
        )
    position = position_of(rows, key)
    quantity = amount = 0
    if position is not None:
        credit = credits_[position]
        quantity, amount, split_id = rows[position].quantity, credit.amount, credit.split_id
    price = price_of_row(
        pricing=report.pricing,
        total=report.total,
        whole_weight=sum(pool_weight(row.quantity, row.tier) for row in rows),
        terms=version.terms,
        row=(Tier(tier), Metric(metric)),
        found=position is not None,
    )
    reduces = claimed < quantity and not held
    if ruled is not None and not reduces:
        quantity, amount = ruled
    return ContestedRow(quantity, amount, price), split_id
