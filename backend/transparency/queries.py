"""What each platform reported for each model in a period, and what was contested of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session

from backend.db.head import IndexHead
from backend.db.index_db import (
    Block,
    Challenge,
    DisputeState,
    Earning,
    Following,
    Grant,
    License,
    LicenseAct,
    LicenseVersion,
    Payment,
    RawEvent,
    Report,
    Terms,
)
from backend.db.periods import PeriodBlocks, bounds, month_of_day, quarter_of_month, span
from backend.http.schemas import metric_name, tier_name, tier_names
from backend.payees.balances import sum_columns, sum_of
from backend.transparency.schemas import (
    Consents,
    GrantFigures,
    Licences,
    Money,
    PeriodList,
    PeriodName,
    StreamFigures,
    Streams,
    TierConsents,
    TransparencyReport,
    Use,
)
from obbligato.protocol.constants import DAY_SECONDS, Tier

StreamKey = tuple[int, bytes]
"""A stream: platform and model."""


@dataclass
class _Figures:
    reports: int = 0
    zero_statements: int = 0
    rows: int = 0
    priced_units: int = 0
    covered_seconds: int = 0
    missing_seconds: int = 0
    covered_until: int | None = None
    uses: list[Use] = field(default_factory=list)
    credited_units: int = 0
    challenges: int = 0
    contested: set[tuple[bytes, int, int, int]] = field(default_factory=set)
    rulings: int = 0
    rulings_for_challenger: int = 0
    lapsed: int = 0
    raised_units: int = 0
    reduced_units: int = 0
    arrears_units: int = 0


def read_streams(session: Session, head: IndexHead, within: PeriodBlocks) -> list[StreamFigures]:
    """Every stream that had begun by the end of the period, by platform and model."""
    by_stream: defaultdict[StreamKey, _Figures] = defaultdict(_Figures)
    _coverage(session, head, within, by_stream)
    _reports(session, within, by_stream)
    _uses(session, within, by_stream)
    _challenges(session, within, by_stream)
    _arrears(session, within, by_stream)
    return [
        StreamFigures(
            platform_id=platform_id,
            model_id=model_id,
            contested_rows=len(each.contested),
            **{name: value for name, value in vars(each).items() if name != "contested"},
        )
        for (platform_id, model_id), each in sorted(by_stream.items())
    ]


def _coverage(
    session: Session,
    head: IndexHead,
    within: PeriodBlocks,
    by_stream: defaultdict[StreamKey, _Figures],
) -> None:
    """A report begins where the stream ended or lies before that: the latest end is how far it came."""
    streams = session.execute(
        select(
            Report.platform_id,
            Report.model_id,
            func.min(Report.period_start),
            func.max(Report.period_end),
        )
        .where(Report.block_number < within.end_block)
        .group_by(Report.platform_id, Report.model_id)
    )
    due = min(within.end, head.head_time)
    for platform_id, model_id, first, last in streams:
        figures = by_stream[platform_id, model_id]
        figures.covered_until = last
        begun = max(first, within.start)
        figures.covered_seconds = max(0, min(last, due) - begun)
        figures.missing_seconds = max(0, due - max(last, begun))


def _reports(
    session: Session, within: PeriodBlocks, by_stream: defaultdict[StreamKey, _Figures]
) -> None:
    reports = session.execute(
        select(Report.platform_id, Report.model_id, Report.row_count, Report.total_units).where(
            Report.block_number >= within.first_block, Report.block_number < within.end_block
        )
    )
    for platform_id, model_id, rows, total in reports:
        figures = by_stream[platform_id, model_id]
        figures.reports += 1
        figures.zero_statements += rows == 0
        figures.rows += rows
        figures.priced_units += total


def _uses(
    session: Session, within: PeriodBlocks, by_stream: defaultdict[StreamKey, _Figures]
) -> None:
    """Credits of reports; fees of grants and bonds are told elsewhere."""
    groups = (Earning.platform_id, Earning.model_id, Earning.tier, Earning.metric)
    used = session.execute(
        select(
            *groups, *sum_columns(Earning.quantity_millionths), *sum_columns(Earning.amount_units)
        )
        .where(
            Earning.block_number >= within.first_block,
            Earning.block_number < within.end_block,
            Earning.report_number.is_not(None),
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    for platform_id, model_id, tier, metric, quantity, quantity_rest, units, rest in used:
        assert None not in (platform_id, model_id, tier, metric), "rows of reports have all four"
        figures = by_stream[platform_id, model_id]
        credited = sum_of(units, rest)
        figures.credited_units += credited
        figures.uses.append(
            Use(
                tier=tier_name(tier),
                metric=metric_name(metric),
                quantity=sum_of(quantity, quantity_rest),
                credited_units=credited,
            )
        )


def _challenges(
    session: Session, within: PeriodBlocks, by_stream: defaultdict[StreamKey, _Figures]
) -> None:
    opened = session.execute(
        select(Challenge, Report.platform_id, Report.model_id)
        .join(Report, Report.report_id == Challenge.report_id)
        .where(
            Challenge.opened_at < within.end,
            case(
                (Challenge.closed_at.is_(None), Challenge.opened_at >= within.start),
                else_=Challenge.closed_at >= within.start,
            ),
        )
    )
    for challenge, platform_id, model_id in opened:
        figures = by_stream[platform_id, model_id]
        if challenge.opened_at >= within.start:
            figures.challenges += 1
            row = (challenge.license_id, challenge.tier, challenge.metric)
            figures.contested.add((challenge.report_id, *row))
        if challenge.closed_at is None or challenge.closed_at >= within.end:
            continue
        if challenge.state == DisputeState.LAPSED:
            figures.lapsed += 1
            continue
        figures.rulings += 1
        figures.rulings_for_challenger += bool(challenge.challenger_won)
        change = (challenge.ruled_units or 0) - challenge.amount_units
        figures.raised_units += max(0, change)
        figures.reduced_units += max(0, -change)


def _arrears(
    session: Session, within: PeriodBlocks, by_stream: defaultdict[StreamKey, _Figures]
) -> None:
    """From the events: the tables say what is due now, not what was at the end of the period."""
    due: dict[int, int] = {}
    events = session.execute(
        select(RawEvent.name, RawEvent.arguments)
        .where(
            RawEvent.name.in_(("Ruled", "ArrearsPaid")),
            RawEvent.block_number < within.end_block,
        )
        .order_by(RawEvent.block_number, RawEvent.log_index)
    )
    for name, arguments in events:
        if name == "Ruled":
            due[arguments["challengeId"]] = arguments["arrears"]
        else:
            due[arguments["challengeId"]] -= arguments["paid"] + arguments["penalty"]
    open_ = [challenge_id for challenge_id, units in due.items() if units]
    streams = session.execute(
        select(Challenge.challenge_id, Report.platform_id, Report.model_id)
        .join(Report, Report.report_id == Challenge.report_id)
        .where(Challenge.challenge_id.in_(open_))
    )
    for challenge_id, platform_id, model_id in streams:
        by_stream[platform_id, model_id].arrears_units += due[challenge_id]


def list_periods(session: Session, head: IndexHead) -> PeriodList:
    """The months and quarters with events."""
    day = Block.timestamp // DAY_SECONDS
    days = session.scalars(
        select(day).where(exists().where(RawEvent.block_number == Block.number)).distinct()
    )
    months = {month_of_day(each) for each in days}
    periods = [
        PeriodName(period=name, kind=kind, start=bounds(name)[0], end=bounds(name)[1])
        for kind, names in (("month", months), ("quarter", {quarter_of_month(m) for m in months}))
        for name in names
    ]
    return PeriodList(
        items=sorted(periods, key=lambda each: (-each.end, -each.start)),
        as_of_block=head.head_number,
        as_of_time=head.head_time,
    )


def read_transparency(session: Session, head: IndexHead, period: str) -> TransparencyReport:
    """The report of `2026-10` or `2026-Q4`. Raises InputError; NotFound for one that has not begun."""
    within = span(session, head, period)
    return TransparencyReport(
        period=period,
        start=within.start,
        end=within.end,
        over=head.head_time >= within.end,
        as_of_block=head.head_number,
        as_of_time=head.head_time,
        certainty=within.certainty,
        streams=Streams(items=read_streams(session, head, within)),
        licenses=_licences(session, within),
        consents=_consents(session, min(within.end - 1, head.head_time)),
        money=_money(session, within),
        grants=_grants(session, within),
    )


def _licences(session: Session, within: PeriodBlocks) -> Licences:
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


def _money(session: Session, within: PeriodBlocks) -> Money:
    units, rest = session.execute(
        select(*sum_columns(Earning.amount_units)).where(
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
    return Money(earned_units=sum_of(units, rest), paid_units=sum(paid), payments=len(paid))


def _grants(session: Session, within: PeriodBlocks) -> GrantFigures:
    fees = session.scalars(
        select(Grant.fee_units).where(
            Grant.block_number >= within.first_block, Grant.block_number < within.end_block
        )
    ).all()
    return GrantFigures(grants=len(fees), fees_units=sum(fees))
