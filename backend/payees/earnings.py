"""What a payee earned, summed by what its credits are of, narrowed and in pages."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, cast

from fastapi import Query
from sqlalchemy import BigInteger, ColumnElement, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.index_db import Earning, PayeeEarning, SplitPayee
from backend.db.money_tables import NO_NUMBER
from backend.db.periods import MONTH_PATTERN, month_number, month_text
from backend.db.prepared import Prepared
from backend.http.deps import Bytes32Query, IdQuery
from backend.http.paging import ListQuery, decode_cursor, page
from backend.http.schemas import MetricName, Page, metric_name, tier_name
from backend.payees.balances import KEYS, part, sum_columns, sum_of
from backend.payees.schemas import EarningGroup, GroupName, SourceName
from obbligato.protocol.constants import Metric, Tier
from obbligato.schemas.terms import TierName

LAST_MONTH: Final = 999_912
MonthQuery = Annotated[str | None, Query(pattern=MONTH_PATTERN, examples=["2026-10"])]
_EARNINGS: Final = table_of(Earning)
_PAYEES: Final = table_of(SplitPayee)


class EarningQuery(ListQuery):
    """What earnings are summed by, and the credits that count; months are those of use."""

    by: Annotated[
        list[GroupName] | None,
        Query(max_length=8, description="Give it again for each further group."),
    ] = None
    platform_id: IdQuery = None
    model_id: Bytes32Query = None
    license_id: IdQuery = None
    split_id: IdQuery = None
    tier: TierName | None = None
    metric: MetricName | None = None
    source: SourceName | None = None
    month: MonthQuery = None
    from_month: MonthQuery = None
    to_month: MonthQuery = None

    @property
    def groups(self) -> list[GroupName]:
        """What the sums are of, in their order and each once."""
        return list(dict.fromkeys(self.by or ()))

    def conditions(self) -> dict[str, Any]:
        """By name, the values that credits have to have, as the index spells them. Raises InputError for a month."""
        values = self.model_dump(exclude={"by", "limit", "cursor"}, exclude_none=True)
        for name in {"month", "from_month", "to_month"} & values.keys():
            values[name] = month_number(values[name], field=name)
        if self.tier is not None:
            values["tier"] = int(Tier[self.tier])
        if self.metric is not None:
            values["metric"] = int(Metric[self.metric])
        return values

    @property
    def is_summed(self) -> bool:
        """Whether the index keeps these sums; others are made of the single credits."""
        narrowed = self.model_dump(exclude={"by", "limit", "cursor"}, exclude_none=True)
        return _SUMMED.issuperset(self.groups) and _SUMMED_CONDITIONS.issuperset(narrowed)


def list_earnings(session: Session, account: str, query: EarningQuery) -> Page[EarningGroup]:
    """Sums by groups, in their order; of all groups together the amounts are the payee's entitlements.

    Raises InputError for a cursor that belongs to other groups.
    """
    if query.is_summed:
        return _summed_page(session, account, query)
    names, conditions = query.groups, query.conditions()
    parameters = {"account": account, "most": query.limit + 1, **conditions}
    goes_on = query.cursor is not None and bool(names)
    if query.cursor is not None:
        kinds = [str if name in ("model_id", "source") else int for name in names]
        last = decode_cursor(query.cursor, *(kinds or [int]))
        parameters |= _after(names, last) if goes_on else {}
    statement = _statement(tuple(names), tuple(conditions), goes_on)
    rows = [row for row in statement.all(session, **parameters) if row[-1]]
    return page(
        rows,
        query.limit,
        lambda row: tuple(_in_cursor(value) for value in row[: len(names)]),
        lambda row: _group(names, row),
    )


_SUMMED: Final = frozenset({"month", "platform_id", "tier", "metric"})
_SUMMED_CONDITIONS: Final = _SUMMED | {"from_month", "to_month"}
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


def _summed_page(session: Session, account: str, query: EarningQuery) -> Page[EarningGroup]:
    """The same as of the single credits, in the same order and with the same cursors."""
    names, exact = query.groups, query.conditions()
    first, last = exact.pop("from_month", 0), exact.pop("to_month", LAST_MONTH)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in _SUMS.all(session, account=account):
        if first <= row.month <= last and all(
            getattr(row, name) == value for name, value in exact.items()
        ):
            sums = groups.setdefault(tuple(getattr(row, name) for name in names), [0, 0, 0])
            sums[0] += row.amount_units
            sums[1] += row.quantity_millionths
            sums[2] += row.credits
    keys = sorted(groups)
    if query.cursor is not None:
        after = decode_cursor(query.cursor, *(int for _ in names or (0,)))
        if names:
            keys = keys[bisect_right(keys, after) :]
    return page(
        keys[: query.limit + 1],
        query.limit,
        lambda key: key,
        lambda key: EarningGroup(
            **{name: _in_answer(name, value) for name, value in zip(names, key, strict=True)},
            amount_units=groups[key][0],
            quantity=groups[key][1],
            credits=groups[key][2],
        ),
    )


@lru_cache(maxsize=512)
def _statement(names: tuple[str, ...], conditions: tuple[str, ...], goes_on: bool) -> Prepared:
    """The sums by these groups under these conditions: one statement for all requests of one shape."""
    columns = [KEYS[name] for name in names]
    query = (
        select(
            *columns,
            *sum_columns(part()),
            *sum_columns(_EARNINGS.c.quantity_millionths),
            func.count(),
        )
        .select_from(_EARNINGS.join(_PAYEES, _PAYEES.c.split_id == _EARNINGS.c.split_id))
        .where(_PAYEES.c.account == bindparam("account"), *map(_condition, conditions))
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
        **{name: _in_answer(name, value) for name, value in values.items()},
        amount_units=sum_of(units, rest),
        quantity=sum_of(used, used_rest),
        credits=count,
    )


def _in_answer(name: str, value: Any) -> Any:
    if value in (NO_NUMBER, b"", ""):
        return None
    if name == "month":
        return month_text(value)
    if name == "tier":
        return tier_name(value)
    return metric_name(value) if name == "metric" else value
