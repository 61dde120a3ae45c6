"""Dry runs: what rows would cost, asked of the registry, which refuses what a report may not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web3.types import BlockIdentifier

from obbligato.chain.client import Chain
from obbligato.errors import ContractRefused
from obbligato.protocol.constants import Pricing
from obbligato.protocol.rows import Credit, Row, pack_rows, unpack_credits


@dataclass(frozen=True, slots=True)
class Quote:
    """Credit i is of row i. `grants_needed` are the rows whose terms ask for a grant."""

    credits: tuple[Credit, ...]
    total: int
    grants_needed: tuple[int, ...]


def quote(
    chain: Chain,
    rows: Sequence[Row],
    *,
    pricing: Pricing,
    total: int,
    start: int,
    end: int,
    block: BlockIdentifier = "latest",
) -> Quote:
    """Price rows for the period `[start, end)` as a submission at `block` would.

    `total` is what a POOL shares; METERED does not read it. Raises ContractRefused naming the row,
    InputError, ChainError.
    """
    packed = pack_rows(rows)
    try:
        credits_, sum_, granted = chain.call(
            "LicenseRegistry", "price", packed, start, end, int(pricing), total, block=block
        )
    except ContractRefused as refused:
        raise ContractRefused(
            refused.error, refused.arguments, row=_row_of(refused, rows)
        ) from refused
    needed = [row for row in range(len(rows)) if granted[row // 256] >> (row % 256) & 1]
    return Quote(tuple(unpack_credits(bytes(credits_))), sum_, tuple(needed))


def has_grant(
    chain: Chain,
    row: Row,
    *,
    platform_id: int,
    model_id: bytes,
    start: int,
    end: int,
    block: BlockIdentifier = "latest",
) -> bool:
    """Whether the platform holds a grant that serves the row in this period."""
    return bool(
        chain.call(
            "Grants",
            "covers",
            row.license_id,
            int(row.tier),
            platform_id,
            model_id,
            start,
            end,
            block=block,
        )
    )


def _row_of(refused: ContractRefused, rows: Sequence[Row]) -> int | None:
    """The first row that a refusal's licence, tier and metric (as far as it names them) mean."""
    named = {
        field: refused.arguments[argument]
        for field, argument in (("license_id", "licenseId"), ("tier", "tier"), ("metric", "metric"))
        if argument in refused.arguments
    }
    if "license_id" not in named:
        return None
    return next(
        (
            number
            for number, row in enumerate(rows)
            if all(getattr(row, field) == value for field, value in named.items())
        ),
        None,
    )
