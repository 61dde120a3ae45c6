"""What a payee earned, summed by what its credits are of, narrowed and in pages."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.index_db import Earning, PayeeEarning, SplitPayee
from backend.db.money_tables import NO_NUMBER
from backend.db.periods import month_text
from backend.db.prepared import Prepared
from backend.http.names import metric_name, tier_name
from backend.http.paging import decode_cursor, page
from backend.http.schemas import Page
from backend.payees.balances import KEYS, part, summed, whole
from backend.payees.schemas import EarningGroup, GroupName, SourceName

LAST_MONTH: Final = 999_912
_EARNINGS: Final = table_of(Earning)
_PAYEES: Final = table_of(SplitPayee)


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
    if is_summed(names, wanted):
        return _summed_page(session, account, names, wanted, limit=limit, cursor=cursor)
    given = {name: value for name, value in wanted._asdict().items() if value is not None}
    asked = {"account": account, "most": limit + 1, **given}
    if cursor is not None and names:
        kinds = [str if name in ("model_id", "source") else int for name in names]
        asked |= _after(names, decode_cursor(cursor, *kinds))
    elif cursor is not None:
        decode_cursor(cursor, int)
    query = _query(tuple(names), tuple(given), cursor is not None and bool(names))
    rows = [row for row in query.all(session, **asked) if row[-1]]
    return page(
        rows,
        limit,
        lambda row: tuple(_in_cursor(value) for value in row[: len(names)]),
        lambda row: _group(names, row),
    )


_SUMMED: Final = frozenset({"month", "platform_id", "tier", "metric"})
_SUMMED_FILTERS: Final = _SUMMED | {"from_month", "to_month"}
_P: Final = table_of(PayeeEarning).c
_SUMS: Final = Prepared(
    select(
        _P.month,
        _P.platform_id,
        _P.tier,
        _P.metric,
        _P.amount_units,
        _P.quantity_millionths,
        _P.credits,
    ).where(_P.account == bindparam("account"))
)


def is_summed(by: Sequence[str], wanted: EarningFilter) -> bool:
    """Whether the index keeps these sums; others are made of the single credits."""
    narrowed = {name for name, value in wanted._asdict().items() if value is not None}
    return _SUMMED.issuperset(by) and narrowed <= _SUMMED_FILTERS


def _summed_page(
    session: Session,
    account: str,
    names: Sequence[str],
    wanted: EarningFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Page[EarningGroup]:
    """The same as of the single credits, in the same order and with the same cursors."""
    exact = [(name, value) for name in _SUMMED if (value := getattr(wanted, name)) is not None]
    first, last = wanted.from_month or 0, wanted.to_month or LAST_MONTH
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in _SUMS.all(session, account=account):
        if first <= row.month <= last and all(getattr(row, name) == value for name, value in exact):
            added = groups.setdefault(tuple(getattr(row, name) for name in names), [0, 0, 0])
            added[0] += row.amount_units
            added[1] += row.quantity_millionths
            added[2] += row.credits
    keys = sorted(groups)
    if cursor is not None:
        after = decode_cursor(cursor, *(int for _ in names or (0,)))
        if names:
            keys = keys[bisect_right(keys, after) :]
    return page(
        keys[: limit + 1],
        limit,
        lambda key: key,
        lambda key: EarningGroup(
            **{name: _shown(name, value) for name, value in zip(names, key, strict=True)},
            amount_units=groups[key][0],
            quantity=groups[key][1],
            credits=groups[key][2],
        ),
    )


@lru_cache(maxsize=512)
def _query(names: tuple[str, ...], given: tuple[str, ...], goes_on: bool) -> Prepared:
    """The sums by these groups, narrowed by what is given: one statement for all that ask so."""
    columns = [KEYS[name] for name in names]
    query = (
        select(
            *columns,
            *summed(part()),
            *summed(_EARNINGS.c.quantity_millionths),
            func.count(),
        )
        .select_from(_EARNINGS.join(_PAYEES, _PAYEES.c.split_id == _EARNINGS.c.split_id))
        .where(_PAYEES.c.account == bindparam("account"), *map(_condition, given))
        .group_by(*columns)
        .order_by(*columns)
        .limit(bindparam("most", type_=BigInteger()))
    )
    if not goes_on:
        return Prepared(query)
    last = (bindparam(f"after_{name}", type_=KEYS[name].type) for name in names)
    return Prepared(query.where(tuple_(*columns) > tuple_(*last)))


def _condition(name: str) -> ColumnElement[bool]:
    month = KEYS["month"]
    if name == "from_month":
        return month >= bindparam(name, type_=month.type)
    if name == "to_month":
        return month <= bindparam(name, type_=month.type)
    return KEYS[name] == bindparam(name, type_=KEYS[name].type)


def _after(names: Sequence[str], last: Sequence[Any]) -> dict[str, Any]:
    return {
        f"after_{name}": _bytes(value) if name == "model_id" else value
        for name, value in zip(names, last, strict=True)
    }


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
