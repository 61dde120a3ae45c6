"""What a payee has: pending, claimable, paid, and split by split."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import (
    Account,
    Challenge,
    DisputeState,
    Earning,
    License,
    Report,
    ReportRow,
    Split,
    SplitPayee,
)
from backend.db.money_tables import NO_NUMBER
from backend.db.prepared import Prepared
from backend.http.schemas import role_name
from backend.payees.schemas import Balance, SplitBalance
from obbligato.protocol.constants import PPM, ReportState

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


def sum_columns(amount: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """A sum in two columns, whole and millionths: one of whole amounts could pass a database's largest number."""
    return func.sum(amount // PPM), func.sum(amount % PPM)


def sum_of(millions: Any, rest: Any) -> int:
    """A sum from its two columns; they are None where nothing was summed."""
    return int(millions or 0) * PPM + int(rest or 0)


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

UNSETTLED = (ReportState.UNFUNDED, ReportState.PENDING)

_ACCOUNTS: Final = table_of(Account).c
_CHALLENGES: Final = table_of(Challenge).c
_LICENSES: Final = table_of(License).c
_PAYEES: Final = table_of(SplitPayee).c
_REPORTS: Final = table_of(Report).c
_ROWS: Final = table_of(ReportRow).c
_SPLITS: Final = table_of(Split).c

_OF_ACCOUNT: Final = _PAYEES.account == bindparam("account")


def _summed_digits(digits: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The sum of amounts that are kept as text, in dollars and millionths: whole they could overflow."""
    length = func.length(digits)
    millions = case((length > 6, func.substr(digits, 1, length - 6)), else_="0")
    rest = case((length > 6, func.substr(digits, length - 5)), else_=digits)
    return func.sum(cast(millions, BigInteger)), func.sum(cast(rest, BigInteger))


_SHARES: Final = Prepared(
    select(
        _PAYEES.split_id,
        _PAYEES.share_ppm,
        _PAYEES.role,
        _PAYEES.claimed_units,
        _PAYEES.changed_in,
        _SPLITS.received_units,
        _SPLITS.changed_in.label("received_in"),
        # How many licences pay to it now.
        select(func.count())
        .where(_LICENSES.split_id == _PAYEES.split_id)
        .correlate(table_of(SplitPayee))
        .scalar_subquery()
        .label("licenses"),
    )
    .join_from(table_of(SplitPayee), table_of(Split), _SPLITS.split_id == _PAYEES.split_id)
    .where(_OF_ACCOUNT)
    .order_by(_PAYEES.split_id)
)
_ACCOUNT: Final = Prepared(
    select(
        _ACCOUNTS.recipient, _ACCOUNTS.refunds_units, _ACCOUNTS.paid_units, _ACCOUNTS.changed_in
    ).where(_ACCOUNTS.account == bindparam("account"))
)
_UNSETTLED: Final = Prepared(
    select(_REPORTS.number, _REPORTS.held).where(
        or_(*(_REPORTS.state == state for state in UNSETTLED))
    )
)
_PENDING: Final = Prepared(
    select(_ROWS.split_id, *_summed_digits(_ROWS.amount_units))
    .join(table_of(SplitPayee), _PAYEES.split_id == _ROWS.split_id)
    .where(_ROWS.report_number.in_(bindparam("numbers", expanding=True)), _OF_ACCOUNT)
    .group_by(_ROWS.split_id)
)
_ROWS_HELD: Final = Prepared(
    select(_ROWS.split_id, _ROWS.amount_units).where(
        _ROWS.report_number == bindparam("number"),
        _ROWS.row.in_(bindparam("held", expanding=True)),
    )
)
_CHALLENGED: Final = Prepared(
    select(
        _CHALLENGES.split_id,
        _CHALLENGES.amount_units,
        _CHALLENGES.claimed_millionths,
        _CHALLENGES.reported_millionths,
    )
    .join(table_of(SplitPayee), _PAYEES.split_id == _CHALLENGES.split_id)
    .where(_CHALLENGES.state == DisputeState.OPEN, _OF_ACCOUNT)
)


def read_balance(session: Session, head: IndexHead, account: str) -> Balance:
    """The balance of any account, checksummed: one that is no payee has nothing."""
    rows = _SHARES.all(session, account=account)
    pending = _pending(session, account) if rows else Counter[int]()
    held = _held(session, account) if rows else Counter[int]()
    splits = [_split_balance(row, pending, held) for row in rows]
    stored = _ACCOUNT.first(session, account=account)
    refunds = stored.refunds_units if stored else 0
    changed = [block for row in rows for block in (row.changed_in, row.received_in)] + (
        [stored.changed_in] if stored else []
    )
    return Balance(
        account=account,
        recipient=(stored.recipient if stored else None) or account,
        pending_units=sum(each.pending_units for each in splits),
        held_units=sum(each.held_units for each in splits),
        claimable_units=refunds + sum(each.claimable_units for each in splits),
        refunds_units=refunds,
        entitled_units=sum(each.entitled_units for each in splits),
        paid_units=stored.paid_units if stored else 0,
        splits=splits,
        as_of_block=head.head_number,
        certainty=certainty(head, max(changed, default=0)),
    )


def _split_balance(payee: Any, pending: Counter[int], held: Counter[int]) -> SplitBalance:
    """Each part as if what comes before it had been credited already: they sum without a rest."""
    received = payee.received_units
    entitled = received * payee.share_ppm // PPM
    after = received + pending[payee.split_id]
    with_pending = after * payee.share_ppm // PPM
    with_held = (after + held[payee.split_id]) * payee.share_ppm // PPM
    return SplitBalance(
        split_id=payee.split_id,
        share_ppm=payee.share_ppm,
        role=role_name(payee.role),
        licenses=payee.licenses,
        received_units=received,
        entitled_units=entitled,
        claimed_units=payee.claimed_units,
        claimable_units=entitled - payee.claimed_units,
        pending_units=with_pending - entitled,
        held_units=with_held - with_pending,
    )


def _pending(session: Session, account: str) -> Counter[int]:
    """By split, what reports will credit when they settle: their rows, less those that are held."""
    unsettled = _UNSETTLED.all(session)
    units: Counter[int] = Counter()
    if not unsettled:
        return units
    numbers = [number for number, _ in unsettled]
    rows = _PENDING.all(session, account=account, numbers=numbers)
    for split_id, dollars, rest in rows:
        units[split_id] = sum_of(dollars, rest)
    for number, held in unsettled:
        if held:
            for split_id, amount in _ROWS_HELD.all(session, number=number, held=held):
                if split_id in units:
                    units[split_id] -= amount
    return units


def _held(session: Session, account: str) -> Counter[int]:
    """By split, the rows that open challenges hold: what they paid if nobody ruled."""
    rows = _CHALLENGED.all(session, account=account)
    units: Counter[int] = Counter()
    for split_id, amount, claimed, reported in rows:
        if claimed < reported:
            units[split_id] += amount
    return units
