"""What a payee has: pending, claimable, paid, and split by split."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, select
from sqlalchemy.orm import Session

from backend.database.tables import (
    Account,
    Challenge,
    DisputeState,
    License,
    Report,
    ReportRow,
    Split,
    SplitPayee,
)
from backend.reading.tip import Tip, certainty
from backend.reading.words import role_name
from backend.statements.answers import Balance, SplitBalance
from backend.statements.parts import whole
from obbligato.ledger.records import ReportState
from obbligato.words import PPM

UNSETTLED = (ReportState.UNFUNDED, ReportState.PENDING)


def read_balance(session: Session, tip: Tip, account: str) -> Balance:
    """The balance of any account, checksummed: one that is no payee has nothing."""
    rows = session.execute(
        select(SplitPayee, Split)
        .join(Split, Split.split_id == SplitPayee.split_id)
        .where(SplitPayee.account == account)
        .order_by(SplitPayee.split_id)
    ).all()
    pending = _pending(session, account) if rows else Counter[int]()
    held = _held(session, account) if rows else Counter[int]()
    licenses = _licenses(session, account) if rows else {}
    splits = [
        _split_balance(payee, split.received_units, licenses, pending, held)
        for payee, split in rows
    ]
    kept = session.get(Account, account)
    refunds = kept.refunds_units if kept else 0
    changed = [each.changed_in for row in rows for each in row] + (
        [kept.changed_in] if kept else []
    )
    return Balance(
        account=account,
        recipient=(kept.recipient if kept else None) or account,
        pending_units=sum(each.pending_units for each in splits),
        held_units=sum(each.held_units for each in splits),
        claimable_units=refunds + sum(each.claimable_units for each in splits),
        refunds_units=refunds,
        entitled_units=sum(each.entitled_units for each in splits),
        paid_units=kept.paid_units if kept else 0,
        splits=splits,
        as_of_block=tip.head_number,
        certainty=certainty(tip, max(changed, default=0)),
    )


def _split_balance(
    payee: SplitPayee,
    received: int,
    licenses: dict[int, int],
    pending: Counter[int],
    held: Counter[int],
) -> SplitBalance:
    """Each part as if what comes before it had been credited already: they sum without a rest."""
    entitled = received * payee.share_ppm // PPM
    after = received + pending[payee.split_id]
    with_pending = after * payee.share_ppm // PPM
    with_held = (after + held[payee.split_id]) * payee.share_ppm // PPM
    return SplitBalance(
        split_id=payee.split_id,
        share_ppm=payee.share_ppm,
        role=role_name(payee.role),
        licenses=licenses.get(payee.split_id, 0),
        received_units=received,
        entitled_units=entitled,
        claimed_units=payee.claimed_units,
        claimable_units=entitled - payee.claimed_units,
        pending_units=with_pending - entitled,
        held_units=with_held - with_pending,
    )


def _licenses(session: Session, account: str) -> dict[int, int]:
    found = session.execute(
        select(License.split_id, func.count())
        .join(SplitPayee, SplitPayee.split_id == License.split_id)
        .where(SplitPayee.account == account)
        .group_by(License.split_id)
    )
    return {row[0]: row[1] for row in found}


def _pending(session: Session, account: str) -> Counter[int]:
    """By split, what reports will credit when they settle: their rows, less those that are held."""
    unsettled = session.execute(
        select(Report.number, Report.held).where(Report.state.in_(UNSETTLED))
    ).all()
    units: Counter[int] = Counter()
    if not unsettled:
        return units
    found = session.execute(
        select(ReportRow.split_id, *_summed_digits(ReportRow.amount_units))
        .join(Report, Report.number == ReportRow.report_number)
        .join(SplitPayee, SplitPayee.split_id == ReportRow.split_id)
        .where(Report.state.in_(UNSETTLED), SplitPayee.account == account)
        .group_by(ReportRow.split_id)
    )
    for split_id, dollars, rest in found:
        units[split_id] = whole(dollars, rest)
    for number, held in unsettled:
        if held:
            out = session.execute(
                select(ReportRow.split_id, ReportRow.amount_units).where(
                    ReportRow.report_number == number, ReportRow.row.in_(held)
                )
            )
            for split_id, amount in out:
                if split_id in units:
                    units[split_id] -= amount
    return units


def _held(session: Session, account: str) -> Counter[int]:
    """By split, the rows that open challenges hold: what they paid if nobody ruled."""
    found = session.execute(
        select(
            Challenge.split_id,
            Challenge.amount_units,
            Challenge.claimed_millionths,
            Challenge.reported_millionths,
        )
        .join(SplitPayee, SplitPayee.split_id == Challenge.split_id)
        .where(Challenge.state == DisputeState.OPEN, SplitPayee.account == account)
    )
    units: Counter[int] = Counter()
    for split_id, amount, claimed, reported in found:
        if claimed < reported:
            units[split_id] += amount
    return units


def _summed_digits(digits: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The sum of amounts that are kept as text, in dollars and millionths: whole they could overflow."""
    length = func.length(digits)
    millions = case((length > 6, func.substr(digits, 1, length - 6)), else_="0")
    rest = case((length > 6, func.substr(digits, length - 5)), else_=digits)
    return func.sum(cast(millions, BigInteger)), func.sum(cast(rest, BigInteger))
