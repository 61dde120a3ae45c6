"""What each platform reported for each model in a period, and what was contested of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from backend.database.tables import Challenge, DisputeState, Earning, RawEvent, Report
from backend.reading.tip import Tip
from backend.reading.words import metric_name, tier_name
from backend.statements.parts import summed, whole
from backend.statements.periods import Span
from backend.statements.transparency_answers import StreamFigures, Use

Key = tuple[int, bytes]
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


def read_streams(session: Session, tip: Tip, within: Span) -> list[StreamFigures]:
    """Every stream that had begun by the end of the period, by platform and model."""
    found: defaultdict[Key, _Figures] = defaultdict(_Figures)
    _coverage(session, tip, within, found)
    _reports(session, within, found)
    _uses(session, within, found)
    _challenges(session, within, found)
    _arrears(session, within, found)
    return [
        StreamFigures(
            platform_id=platform_id,
            model_id=model_id,
            contested_rows=len(each.contested),
            **{name: value for name, value in vars(each).items() if name != "contested"},
        )
        for (platform_id, model_id), each in sorted(found.items())
    ]


def _coverage(session: Session, tip: Tip, within: Span, found: defaultdict[Key, _Figures]) -> None:
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
    due = min(within.end, tip.head_time)
    for platform_id, model_id, first, last in streams:
        figures = found[platform_id, model_id]
        figures.covered_until = last
        begun = max(first, within.start)
        figures.covered_seconds = max(0, min(last, due) - begun)
        figures.missing_seconds = max(0, due - max(last, begun))


def _reports(session: Session, within: Span, found: defaultdict[Key, _Figures]) -> None:
    reports = session.execute(
        select(Report.platform_id, Report.model_id, Report.row_count, Report.total_units).where(
            Report.block_number >= within.first_block, Report.block_number < within.end_block
        )
    )
    for platform_id, model_id, rows, total in reports:
        figures = found[platform_id, model_id]
        figures.reports += 1
        figures.zero_statements += rows == 0
        figures.rows += rows
        figures.priced_units += total


def _uses(session: Session, within: Span, found: defaultdict[Key, _Figures]) -> None:
    """Credits of reports; fees of grants and bonds are told elsewhere."""
    groups = (Earning.platform_id, Earning.model_id, Earning.tier, Earning.metric)
    used = session.execute(
        select(*groups, *summed(Earning.quantity_millionths), *summed(Earning.amount_units))
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
        figures = found[platform_id, model_id]
        credited = whole(units, rest)
        figures.credited_units += credited
        figures.uses.append(
            Use(
                tier=tier_name(tier),
                metric=metric_name(metric),
                quantity=whole(quantity, quantity_rest),
                credited_units=credited,
            )
        )


def _challenges(session: Session, within: Span, found: defaultdict[Key, _Figures]) -> None:
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
        figures = found[platform_id, model_id]
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


def _arrears(session: Session, within: Span, found: defaultdict[Key, _Figures]) -> None:
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
            due[arguments["challengeId"]] = 0
    open_ = [challenge_id for challenge_id, units in due.items() if units]
    streams = session.execute(
        select(Challenge.challenge_id, Report.platform_id, Report.model_id)
        .join(Report, Report.report_id == Challenge.report_id)
        .where(Challenge.challenge_id.in_(open_))
    )
    for challenge_id, platform_id, model_id in streams:
        found[platform_id, model_id].arrears_units += due[challenge_id]
