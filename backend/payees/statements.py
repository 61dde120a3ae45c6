"""Statements: what a payee earned in a month and was paid, with what was open before and after.

A credit belongs to the month in which it was earned; when it was used is a column of its line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.head import IndexHead
from backend.db.index_db import Block, Earning, Payment, RawEvent, SplitPayee
from backend.db.periods import month_of_day, span
from backend.payees.balances import part, sum_columns, sum_of
from backend.payees.credits import Describer, select_credits, vault_of
from backend.payees.schemas import Credit, StatementHead, StatementMonth, StatementMonths
from obbligato.protocol.constants import DAY_SECONDS

LINES_AT_ONCE = 1_000

MovementKind = Literal["refund", "paid", "bond"]


class Movement(NamedTuple):
    """Money of an account beside its splits' credits."""

    block_number: int
    moment: int
    kind: MovementKind
    units: int


@dataclass
class _Sums:
    earned: int = 0
    refund: int = 0
    paid: int = 0
    bond: int = 0
    credits: int = 0

    @property
    def open(self) -> int:
        return self.earned + self.refund - self.paid - self.bond

    def add(self, movements: Iterable[Movement]) -> None:
        for each in movements:
            setattr(self, each.kind, getattr(self, each.kind) + each.units)


@dataclass(frozen=True)
class Statement:
    """The head of a statement; its lines come in chunks, in the order of the chain."""

    head: StatementHead
    chunks: Iterator[list[Credit]]


def read_statement(session: Session, head: IndexHead, account: str, month: str) -> Statement:
    """The statement of a month. Raises InputError; NotFound for a month that has not begun.

    The session has to stay open until the last chunk was read.
    """
    within = span(session, head, month)
    movements = list(_movements(session, account))
    before, during = _Sums(), _Sums()
    before.earned, _ = _earned(session, account, 0, within.first_block)
    before.add(each for each in movements if each.block_number < within.first_block)
    during.earned, during.credits = _earned(session, account, within.first_block, within.end_block)
    during.add(
        each for each in movements if within.first_block <= each.block_number < within.end_block
    )
    statement_head = StatementHead(
        account=account,
        month=month,
        opening_units=before.open,
        earned_before_units=before.earned,
        earned_units=during.earned,
        refunds_units=during.refund,
        paid_units=during.paid,
        bonds_units=during.bond,
        closing_units=before.open + during.open,
        lines=during.credits,
        over=head.head_time >= within.end,
        as_of_block=head.head_number,
        as_of_time=head.head_time,
        certainty=within.certainty,
    )
    return Statement(
        statement_head, _chunks(session, head, account, within.first_block, within.end_block)
    )


def list_months(session: Session, head: IndexHead, account: str) -> StatementMonths:
    """Every month in which the account earned or was paid anything, newest first."""
    months: defaultdict[str, _Sums] = defaultdict(_Sums)
    # A month is a number of whole days in UTC, which every database can count.
    day = Earning.earned_at // DAY_SECONDS
    for number, units, rest, count in session.execute(
        select(day, *sum_columns(part()), func.count())
        .join(SplitPayee, SplitPayee.split_id == Earning.split_id)
        .where(SplitPayee.account == account)
        .group_by(day)
    ):
        sums = months[month_of_day(number)]
        sums.earned += sum_of(units, rest)
        sums.credits += count
    for movement in _movements(session, account):
        months[month_of_day(movement.moment // DAY_SECONDS)].add([movement])
    opening = 0
    items = []
    for month, sums in sorted(months.items()):
        items.append(
            StatementMonth(
                month=month,
                opening_units=opening,
                earned_units=sums.earned,
                refunds_units=sums.refund,
                paid_units=sums.paid,
                bonds_units=sums.bond,
                closing_units=opening + sums.open,
                credits=sums.credits,
                certainty=span(session, head, month).certainty,
            )
        )
        opening += sums.open
    return StatementMonths(
        account=account,
        items=items[::-1],
        as_of_block=head.head_number,
        as_of_time=head.head_time,
    )


def _earned(session: Session, account: str, first: int, end: int) -> tuple[int, int]:
    """The payee's part of what its splits earned in blocks `[first, end)`, and of how many credits."""
    units, rest, count = session.execute(
        select(*sum_columns(part()), func.count())
        .select_from(Earning)
        .join(SplitPayee, SplitPayee.split_id == Earning.split_id)
        .where(
            SplitPayee.account == account,
            Earning.block_number >= first,
            Earning.block_number < end,
        )
    ).one()
    return sum_of(units, rest), count


def _movements(session: Session, account: str) -> Iterator[Movement]:
    """Claims, bonds out of credit, and what came back. A claim to the vault is told by its bond instead."""
    vault = vault_of(session)
    payments = session.execute(
        select(
            Payment.block_number, Payment.paid_at, Payment.recipient, Payment.amount_units
        ).where(Payment.payee == account)
    )
    for number, moment, recipient, units in payments:
        if recipient != vault:
            yield Movement(number, moment, "paid", units)
    others = session.execute(
        select(RawEvent.block_number, Block.timestamp, RawEvent.name, RawEvent.arguments)
        .join(Block, Block.number == RawEvent.block_number)
        .where(
            RawEvent.name.in_(("Awarded", "BondAwarded", "BondPosted")),
            RawEvent.arguments["account"].as_string() == account,
        )
    )
    for number, moment, name, arguments in others:
        if name != "BondPosted":
            yield Movement(number, moment, "refund", arguments["amount"])
        elif arguments["fromCredit"]:
            yield Movement(number, moment, "bond", arguments["amount"])


def _chunks(
    session: Session, head: IndexHead, account: str, first: int, end: int
) -> Iterator[list[Credit]]:
    describer = Describer(session, head)
    query = (
        select_credits(account)
        .where(Earning.block_number >= first, Earning.block_number < end)
        .order_by(Earning.block_number, Earning.log_index, Earning.line, Earning.split_id)
        .execution_options(yield_per=LINES_AT_ONCE)
    )
    for chunk in session.execute(query).partitions():
        yield describer.describe(chunk)
