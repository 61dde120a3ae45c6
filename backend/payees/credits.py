"""Credits in words: what their licence's document says, and the price they were metered at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import BigInteger, BindParameter, Row, Select, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from backend.db.base import table_of
from backend.db.head import IndexHead, certainty
from backend.db.index_db import (
    Document,
    Earning,
    Following,
    License,
    LicenseVersion,
    Payment,
    Report,
    SplitPayee,
    Terms,
)
from backend.db.periods import month_text
from backend.db.prepared import Prepared
from backend.http.paging import ListQuery, decode_cursor, encode_cursor, page
from backend.http.schemas import Page, metric_name, tier_name
from backend.payees.balances import part_of
from backend.payees.schemas import Credit, PaymentAnswer, SourceName
from obbligato.protocol.constants import NOT_OFFERED, Metric, Pricing, tiers_of

RATES: Final[dict[int, str]] = {
    Metric.TRAINING_RUN: "training_run",
    Metric.GENERATION: "generation",
    Metric.PLAYBACK: "playback",
}

_DOCUMENTS: Final = table_of(Document)
_EARNINGS: Final = table_of(Earning)
_LICENSES: Final = table_of(License)
_PAYEES: Final = table_of(SplitPayee)
_PAID: Final = table_of(Payment)
_REPORTS: Final = table_of(Report)
_TERMS: Final = table_of(Terms)
_VERSIONS: Final = table_of(LicenseVersion)

_IDS: Final[BindParameter[Any]] = bindparam("license_ids", expanding=True)

OF_PAYEE: Final = (
    select(*_EARNINGS.c, _PAYEES.c.share_ppm)
    .join_from(_EARNINGS, _PAYEES, _PAYEES.c.split_id == _EARNINGS.c.split_id)
    .where(_PAYEES.c.account == bindparam("account"))
)
"""The credits of the splits of the payee `account`, each with its share."""

_RECORDINGS: Final = Prepared(
    select(
        _LICENSES.c.license_id,
        _DOCUMENTS.c.title,
        _DOCUMENTS.c.artists,
        _DOCUMENTS.c.isrc,
        _LICENSES.c.ends_at,
    )
    .outerjoin_from(_LICENSES, _DOCUMENTS, _DOCUMENTS.c.digest == _LICENSES.c.document)
    .where(_LICENSES.c.license_id.in_(_IDS))
)
_VERSIONS_OF: Final = Prepared(
    select(
        _VERSIONS.c.license_id,
        _VERSIONS.c.start,
        _VERSIONS.c.terms_id,
        _TERMS.c.tiers,
        _TERMS.c.rates,
    )
    .join_from(_VERSIONS, _TERMS, _TERMS.c.terms_id == _VERSIONS.c.terms_id)
    .where(_VERSIONS.c.license_id.in_(_IDS))
    .order_by(_VERSIONS.c.license_id, _VERSIONS.c.number)
)
_REPORTS_OF: Final = Prepared(
    select(
        _REPORTS.c.number,
        _REPORTS.c.report_id,
        _REPORTS.c.pricing,
        _REPORTS.c.period_start,
        _REPORTS.c.period_end,
    ).where(_REPORTS.c.number.in_(bindparam("numbers", expanding=True)))
)


class _Recording(NamedTuple):
    title: str | None
    artists: list[str] | None
    isrc: str | None
    ends_at: int | None


def select_credits(account: str) -> Select[*tuple[Any, ...]]:
    """The credits of a payee's splits, each with its share."""
    return OF_PAYEE.params(account=account)


class Describer:
    """Makes answers of credits, many at a time; what it looked up once it remembers."""

    def __init__(self, session: Session, head: IndexHead) -> None:
        self._session = session
        self._head = head
        self._recordings: dict[int, _Recording] = {}
        self._versions: dict[int, list[tuple[int, int]]] = {}
        """By licence, (start, terms) in order."""
        self._cards: dict[int, dict[int, Any]] = {}
        """By terms and tier, the rate card."""
        self._reports: dict[int, Any] = {}
        self._rates: dict[tuple[int, int, int, int], int | None] = {}

    def describe(self, credited: Sequence[Row[Any]]) -> list[Credit]:
        """Rows of `select_credits` as answers, in the same order."""
        self._look_up(credited)
        return [self._credit(each) for each in credited]

    def _credit(self, earning: Row[Any]) -> Credit:
        recording = self._recordings[earning.license_id]
        report = None if earning.report_number is None else self._reports[earning.report_number]
        return Credit(
            license_id=earning.license_id,
            title=recording.title,
            artists=recording.artists,
            isrc=recording.isrc,
            split_id=earning.split_id,
            share_ppm=earning.share_ppm,
            platform_id=earning.platform_id,
            model_id=earning.model_id,
            tier=None if earning.tier is None else tier_name(earning.tier),
            metric=None if earning.metric is None else metric_name(earning.metric),
            quantity=earning.quantity_millionths,
            rate_units=self._rate(earning),
            credited_units=earning.amount_units,
            amount_units=part_of(earning.amount_units, earning.received_rest, earning.share_ppm),
            source=cast("SourceName", earning.source),
            report_id=None if report is None else report.report_id,
            usage_month=month_text(earning.month),
            earned_at=earning.earned_at,
            block_number=earning.block_number,
            certainty=certainty(self._head, earning.block_number),
        )

    def _rate(self, earning: Row[Any]) -> int | None:
        """By the terms in force at the first moment of consent in the report's period; None in pools."""
        number, tier, metric = earning.report_number, earning.tier, earning.metric
        if number is None or tier is None or metric is None:
            return None
        key = (number, earning.license_id, tier, metric)
        if key not in self._rates:
            self._rates[key] = self._priced(*key)
        return self._rates[key]

    def _priced(self, number: int, license_id: int, tier: int, metric: int) -> int | None:
        report = self._reports[number]
        if report.pricing != Pricing.METERED:
            return None
        versions = self._versions[license_id]
        ends = [start for start, _ in versions[1:]] + [report.period_end]
        last = self._recordings[license_id].ends_at or report.period_end
        for (start, terms_id), end in zip(versions, ends, strict=True):
            card = self._cards[terms_id].get(tier)
            in_force = max(start, report.period_start) < min(end, last, report.period_end)
            if in_force and card is not None:
                rate = int(card[RATES[metric]])
                return None if rate == NOT_OFFERED else rate
        return None

    def _look_up(self, credits_: Sequence[Row[Any]]) -> None:
        licenses = {each.license_id for each in credits_} - self._recordings.keys()
        numbers = {each.report_number for each in credits_} - self._reports.keys() - {None}
        if licenses:
            self._look_up_licenses(sorted(licenses))
        if numbers:
            reports = _REPORTS_OF.all(self._session, numbers=sorted(numbers))
            self._reports.update((row.number, row) for row in reports)

    def _look_up_licenses(self, licenses: list[int]) -> None:
        for license_id, *recording in _RECORDINGS.all(self._session, license_ids=licenses):
            self._recordings[license_id] = _Recording(*recording)
            self._versions[license_id] = []
        versions = _VERSIONS_OF.all(self._session, license_ids=licenses)
        for license_id, start, terms_id, tiers, rates in versions:
            self._versions[license_id].append((start, terms_id))
            if terms_id not in self._cards:
                self._cards[terms_id] = dict(zip(map(int, tiers_of(tiers)), rates, strict=True))


_E: Final = table_of(Earning).c
_PAYEE_COLUMNS: Final = table_of(SplitPayee).c
_KEYS: Final = (_E.block_number, _E.log_index, _E.line, _E.split_id)
"""Unique for each credit, and in the order of the chain."""
_NAMES: Final = tuple(f"before_{each.name}" for each in _KEYS)
_BIG: Final = BigInteger()


def list_credits(session: Session, head: IndexHead, account: str, query: ListQuery) -> Page[Credit]:
    """Credits of a payee with its part of each. Raises InputError for a cursor that is none of ours."""
    rows = _newest(session, account, query)
    page_rows = rows[: query.limit]
    items = Describer(session, head).describe(page_rows)
    if len(rows) <= query.limit:
        return Page(items=items)
    return Page(
        items=items, next=encode_cursor(*(getattr(page_rows[-1], key.name) for key in _KEYS))
    )


def _newest(session: Session, account: str, query: ListQuery) -> list[Any]:
    """The newest credits before the cursor; the cost depends neither on how deep that is nor on others' credits."""
    parameters: dict[str, Any] = {
        "account": account,
        "most": query.limit + 1,
        "skipped": query.limit,
    }
    goes_on = query.cursor is not None
    if query.cursor is not None:
        before = decode_cursor(query.cursor, int, int, int, int)
        parameters |= zip(_NAMES, before, strict=True)
    parameters["floor"] = _floor(goes_on).scalar(session, **parameters) or 0
    return _page(goes_on).all(session, **parameters)


@cache
def _page(goes_on: bool) -> Prepared:
    """The newest credits from a block on; where the list goes on, those before the cursor."""
    query = OF_PAYEE.where(_E.block_number >= bindparam("floor", type_=_BIG))
    if goes_on:
        query = _before(query)
    newest = query.order_by(*(each.desc() for each in _KEYS))
    return Prepared(newest.limit(bindparam("most", type_=_BIG)))


@cache
def _floor(goes_on: bool) -> Prepared:
    """A block from which on the payee has more credits before the cursor than a page, or None.

    One split with so many is enough to know: each is walked along its own key for a page at most, and of no split
    more than that is read afterwards.
    """
    nth = select(_E.block_number).where(_E.split_id == _PAYEE_COLUMNS.split_id)
    if goes_on:
        nth = _before(nth)
    nth = nth.order_by(*(each.desc() for each in _KEYS[:3])).limit(1)
    nth = nth.offset(bindparam("skipped", type_=_BIG)).correlate(table_of(SplitPayee))
    return Prepared(
        select(func.max(nth.scalar_subquery())).where(
            _PAYEE_COLUMNS.account == bindparam("account")
        )
    )


def _before(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    before = [bindparam(name, type_=_BIG) for name in _NAMES]
    return query.where(_E.block_number <= before[0], tuple_(*_KEYS) < tuple_(*before))


def vault_of(session: Session) -> str:
    """The address of the vault: a claim paid to it became a bond."""
    return str(session.get_one(Following, 1).contracts["RoyaltyVault"])


@cache
def _payments(goes_on: bool) -> Prepared:
    query = select(_PAID).where(_PAID.c.payee == bindparam("account"))
    if goes_on:
        block, log = bindparam("block", type_=_BIG), bindparam("log", type_=_BIG)
        query = query.where(
            _PAID.c.block_number <= block,
            tuple_(_PAID.c.block_number, _PAID.c.log_index) < tuple_(block, log),
        )
    newest = query.order_by(_PAID.c.block_number.desc(), _PAID.c.log_index.desc())
    return Prepared(newest.limit(bindparam("most", type_=_BIG)))


def list_payments(
    session: Session, head: IndexHead, account: str, query: ListQuery
) -> Page[PaymentAnswer]:
    """Claims of a payee, newest first. Raises InputError for a cursor that is none of ours."""
    values: dict[str, Any] = {"account": account, "most": query.limit + 1}
    if query.cursor is not None:
        values["block"], values["log"] = decode_cursor(query.cursor, int, int)
    vault = vault_of(session)
    return page(
        _payments(query.cursor is not None).all(session, **values),
        query.limit,
        lambda row: (row.block_number, row.log_index),
        lambda row: PaymentAnswer(
            recipient=row.recipient,
            amount_units=row.amount_units,
            refunds_units=row.refunds_units,
            posted_as_bond=row.recipient == vault,
            split_ids=row.split_ids,
            paid_at=row.paid_at,
            transaction=row.transaction,
            block_number=row.block_number,
            certainty=certainty(head, row.block_number),
        ),
    )
