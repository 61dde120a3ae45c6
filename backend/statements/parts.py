"""A payee's part of credits, in SQL: sums and conditions that earnings, credits and statements share."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal

from backend.database.tables import Earning, SplitPayee
from backend.index.state import table_of
from obbligato.words import PPM

_E: Final = table_of(Earning).c
_P: Final = table_of(SplitPayee).c


def part() -> ColumnElement[int]:
    """What the entitlement of `SplitPayee` grew by with an `Earning`; every product stays below 2^62."""
    amount, share = _E.amount_units, _P.share_ppm
    rest = (_E.received_rest * share) % PPM
    return (amount // PPM) * share + ((amount % PPM) * share + rest) // PPM


def part_of(amount_units: int, received_rest: int, share_ppm: int) -> int:
    """The same of one credit: money units."""
    return (received_rest + amount_units) * share_ppm // PPM - received_rest * share_ppm // PPM


def summed(amount: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """A sum in two columns, whole and millionths: one of whole amounts could pass a database's largest number."""
    return func.sum(amount // PPM), func.sum(amount % PPM)


def whole(millions: Any, rest: Any) -> int:
    """A sum from its two columns; they are None where nothing was summed."""
    return int(millions or 0) * PPM + int(rest or 0)


def of_account(account: str) -> ColumnElement[bool]:
    """The splits of a payee, to join with what these earned."""
    return _P.account == account


NO_NUMBER: Final = -1
"""Stands for what a credit has none of, so that it has a place in an order."""

KEYS: Final[dict[str, ColumnElement[Any]]] = {
    "month": func.coalesce(_E.month, literal(NO_NUMBER)),
    "platform_id": func.coalesce(_E.platform_id, literal(NO_NUMBER)),
    "model_id": func.coalesce(_E.model_id, literal(b"")),
    "license_id": func.coalesce(_E.license_id, literal(NO_NUMBER)),
    "split_id": func.coalesce(_E.split_id, literal(NO_NUMBER)),
    "tier": func.coalesce(_E.tier, literal(NO_NUMBER)),
    "metric": func.coalesce(_E.metric, literal(NO_NUMBER)),
    "source": func.coalesce(_E.source, literal("")),
}
"""What credits are grouped and narrowed by. As expressions no index serves them, which is meant: those of a
platform or a licence hold everybody's credits, while a payee's are found by its splits."""
