"""What a payee earned, summed by what its credits are of, narrowed and in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from backend.api.answers import Page
from backend.api.paging import decode_cursor, page
from backend.database.tables import Earning, SplitPayee
from backend.reading.words import metric_name, tier_name
from backend.statements.answers import EarningGroup, GroupName, SourceName
from backend.statements.parts import KEYS, NO_NUMBER, part, summed, whole
from backend.statements.periods import month_text


class EarningFilter(NamedTuple):
    """Only credits with these values; months as yyyymm, the first and the last included."""

    platform_id: int | None = None
    model_id: bytes | None = None
    license_id: int | None = None
    split_id: int | None = None
    tier: int | None = None
    metric: int | None = None
    source: SourceName | None = None
    month: int | None = None
    from_month: int | None = None
    to_month: int | None = None


def list_earnings(
    session: Session,
    account: str,
    by: Sequence[GroupName],
    wanted: EarningFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Page[EarningGroup]:
    """Sums by these groups, in their order; of all groups together the amounts are the payee's entitlements.

    Raises InputError for a cursor that belongs to other groups.
    """
    names = list(dict.fromkeys(by))
    columns = [KEYS[name] for name in names]
    query = (
        select(
            *columns,
            *summed(part()),
            *summed(Earning.quantity_millionths),
            func.count(),
        )
        .join(SplitPayee, SplitPayee.split_id == Earning.split_id)
        .where(SplitPayee.account == account, *_conditions(wanted))
        .group_by(*columns)
        .order_by(*columns)
        .limit(limit + 1)
    )
    if cursor is not None and columns:
        kinds = [str if name in ("model_id", "source") else int for name in names]
        after = decode_cursor(cursor, *kinds)
        query = query.where(tuple_(*columns) > tuple_(*_literals(names, after)))
    elif cursor is not None:
        decode_cursor(cursor, int)
    rows = [row for row in session.execute(query) if row[-1]]
    return page(
        rows,
        limit,
        lambda row: tuple(_in_cursor(value) for value in row[: len(names)]),
        lambda row: _group(names, row),
    )


def _conditions(wanted: EarningFilter) -> list[Any]:
    found = [
        KEYS[name] == value
        for name, value in wanted._asdict().items()
        if name in KEYS and value is not None
    ]
    if wanted.from_month is not None:
        found.append(KEYS["month"] >= wanted.from_month)
    if wanted.to_month is not None:
        found.append(KEYS["month"] <= wanted.to_month)
    return found


def _literals(names: Sequence[str], after: Sequence[Any]) -> list[Any]:
    return [
        literal(_bytes(value) if name == "model_id" else value)
        for name, value in zip(names, after, strict=True)
    ]


def _bytes(text: str) -> bytes:
    """Of a cursor's own hexadecimal digits; what is none sorts first."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _in_cursor(value: Any) -> int | str:
    return value.hex() if isinstance(value, bytes) else cast("int | str", value)


def _group(names: Sequence[str], row: Any) -> EarningGroup:
    values = dict(zip(names, row, strict=False))
    *_, units, rest, used, used_rest, count = row
    return EarningGroup(
        **{name: _shown(name, value) for name, value in values.items()},
        amount_units=whole(units, rest),
        quantity=whole(used, used_rest),
        credits=count,
    )


def _shown(name: str, value: Any) -> Any:
    if value in (NO_NUMBER, b"", ""):
        return None
    if name == "month":
        return month_text(value)
    if name == "tier":
        return tier_name(value)
    return metric_name(value) if name == "metric" else value
