"""Transparency reports: what happened in a month or a quarter, from the index alone."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from backend.database.tables import (
    Block,
    Earning,
    Following,
    Grant,
    License,
    LicenseAct,
    LicenseVersion,
    Payment,
    RawEvent,
    Terms,
)
from backend.reading.tip import Tip
from backend.reading.words import tier_names
from backend.statements.parts import summed, whole
from backend.statements.periods import Span, bounds, month_of_day, quarter_of_month, span
from backend.statements.transparency_answers import (
    Consents,
    GrantFigures,
    Licences,
    Money,
    PeriodList,
    PeriodName,
    Streams,
    TierConsents,
    TransparencyReport,
)
from backend.statements.transparency_streams import read_streams
from obbligato.words import DAY_SECONDS, Tier


def list_periods(session: Session, tip: Tip) -> PeriodList:
    """The months and quarters with events."""
    day = Block.timestamp // DAY_SECONDS
    days = session.scalars(
        select(day).where(exists().where(RawEvent.block_number == Block.number)).distinct()
    )
    months = {month_of_day(each) for each in days}
    found = [
        PeriodName(period=name, kind=kind, start=bounds(name)[0], end=bounds(name)[1])
        for kind, names in (("month", months), ("quarter", {quarter_of_month(m) for m in months}))
        for name in names
    ]
    return PeriodList(
        items=sorted(found, key=lambda each: (-each.end, -each.start)),
        as_of_block=tip.head_number,
        as_of_time=tip.head_time,
    )


def read_transparency(session: Session, tip: Tip, period: str) -> TransparencyReport:
    """The report of `2026-10` or `2026-Q4`. Raises InputError; NotFound for one that has not begun."""
    within = span(session, tip, period)
    return TransparencyReport(
        period=period,
        start=within.start,
        end=within.end,
        over=tip.head_time >= within.end,
        as_of_block=tip.head_number,
        as_of_time=tip.head_time,
        certainty=within.certainty,
        streams=Streams(items=read_streams(session, tip, within)),
        licenses=_licences(session, within),
        consents=_consents(session, min(within.end - 1, tip.head_time)),
        money=_money(session, within),
        grants=_grants(session, within),
    )


def _licences(session: Session, within: Span) -> Licences:
    counted = session.execute(
        select(LicenseAct.act, func.count())
        .where(
            LicenseAct.block_number >= within.first_block,
            LicenseAct.block_number < within.end_block,
        )
        .group_by(LicenseAct.act)
    )
    return Licences(**{row[0].replace(" ", "_"): row[1] for row in counted})


def _consents(session: Session, at: int) -> Consents:
    """By the version in force at a moment: the last that had begun, where the licence had not ended."""
    newest = (
        select(func.max(LicenseVersion.number))
        .where(LicenseVersion.license_id == License.license_id, LicenseVersion.start <= at)
        .correlate(License)
        .scalar_subquery()
    )
    counted = session.execute(
        select(Terms.tiers, func.count())
        .select_from(License)
        .join(
            LicenseVersion,
            (LicenseVersion.license_id == License.license_id) & (LicenseVersion.number == newest),
        )
        .join(Terms, Terms.terms_id == LicenseVersion.terms_id)
        .where(License.ends_at.is_(None) | (License.ends_at > at))
        .group_by(Terms.tiers)
    )
    by_mask = {row[0]: row[1] for row in counted}
    by_tier: Counter[str] = Counter()
    for mask, count in by_mask.items():
        by_tier.update(dict.fromkeys(tier_names(mask), count))
    return Consents(
        at=at,
        licenses_in_force=sum(by_mask.values()),
        allowing_nothing=by_mask.get(0, 0),
        tiers=[TierConsents(tier=tier.name, licenses=by_tier[tier.name]) for tier in Tier],
    )


def _money(session: Session, within: Span) -> Money:
    units, rest = session.execute(
        select(*summed(Earning.amount_units)).where(
            Earning.block_number >= within.first_block, Earning.block_number < within.end_block
        )
    ).one()
    vault = session.get_one(Following, 1).contracts["RoyaltyVault"]
    paid = session.scalars(
        select(Payment.amount_units).where(
            Payment.block_number >= within.first_block,
            Payment.block_number < within.end_block,
            Payment.recipient != vault,
        )
    ).all()
    return Money(earned_units=whole(units, rest), paid_units=sum(paid), payments=len(paid))


def _grants(session: Session, within: Span) -> GrantFigures:
    fees = session.scalars(
        select(Grant.fee_units).where(
            Grant.block_number >= within.first_block, Grant.block_number < within.end_block
        )
    ).all()
    return GrantFigures(grants=len(fees), fees_units=sum(fees))
