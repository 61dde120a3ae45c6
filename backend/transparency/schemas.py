"""What is said of a month or a quarter: figures, and in plain words what each figure is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from backend.http.schemas import AnswerModel, Certainty, Hex32, MetricName, Quantity, Seconds, Units
from backend.payees.statement_files import hexadecimal
from obbligato.documents.csv_safety import guard_cell
from obbligato.schemas.terms import TierName

PERIOD_EXAMPLE = Field(examples=["2026-10", "2026-Q4"], pattern="^[0-9]{4}-([0-9]{2}|Q[1-4])$")


class PeriodName(AnswerModel):
    """A period that has something."""

    period: str = PERIOD_EXAMPLE
    kind: Literal["month", "quarter"]
    start: Seconds
    end: Seconds


class PeriodList(AnswerModel):
    """Every month and quarter in which anything happened on the chain, newest first."""

    items: list[PeriodName]
    as_of_block: int
    as_of_time: Seconds


class Use(AnswerModel):
    """What was used of one tier by one metric, and what was credited for it."""

    tier: TierName
    metric: MetricName
    quantity: Quantity
    credited_units: Units


class StreamFigures(AnswerModel):
    """One platform's reports for one model."""

    platform_id: int
    model_id: Hex32
    reports: int
    zero_statements: int
    rows: int
    priced_units: Units
    covered_seconds: int
    missing_seconds: int
    covered_until: Seconds | None
    """Null before the first report."""
    uses: list[Use]
    credited_units: Units
    challenges: int
    contested_rows: int
    rulings: int
    rulings_for_challenger: int
    lapsed: int
    raised_units: Units
    reduced_units: Units
    arrears_units: Units


class Streams(AnswerModel):
    """Reporting, by platform and model."""

    meaning: str = (
        "Per platform and model: reports that were accepted in the period, zero statements (no use) among them, their "
        "rows and what they were priced at. Covered and missing seconds are of the period, as reported by its end; "
        "what lies before a model's first report counts as neither. Uses and credits are what was credited to splits "
        "in the period, whenever it was used. Challenges were opened in the period and contested that many different "
        "rows; rulings and lapses closed challenges in it; raised and reduced is by how much rulings changed the "
        "value of rows. Arrears are what rulings left unpaid at the end of the period, penalties included."
    )
    items: list[StreamFigures]


class Licences(AnswerModel):
    """What happened to licences."""

    meaning: str = (
        "How often licences were minted, amended, revoked (to end with their term), reinstated (a revocation taken "
        "back), voided (another's recording, as the arbiter found), transferred, or given another split."
    )
    minted: int = 0
    amended: int = 0
    revoked: int = 0
    reinstated: int = 0
    voided: int = 0
    transferred: int = 0
    split_changed: int = 0


class TierConsents(AnswerModel):
    """How many licences allow one tier."""

    tier: TierName
    licenses: int


class Consents(AnswerModel):
    """Consent by tier."""

    meaning: str = (
        "At the last second of the period, or at the newest block in a period that still runs: licences in force, "
        "those of them that allow nothing, and how many allow each tier."
    )
    at: Seconds
    licenses_in_force: int
    allowing_nothing: int
    tiers: list[TierConsents]


class Money(AnswerModel):
    """What came in for payees, and what went out to them."""

    meaning: str = (
        "Earned is what splits were credited in the period: by reports, rulings, lapses, arrears, grants and bonds of "
        "rival claims that failed. Paid is what claims sent out of the vault; bonds that came back are part of it "
        "where they were claimed too."
    )
    earned_units: Units
    paid_units: Units
    payments: int


class GrantFigures(AnswerModel):
    """Grants that were sold."""

    meaning: str = (
        "Grants that platforms took in the period, and the fees that were credited at once."
    )
    grants: int
    fees_units: Units


class TransparencyReport(AnswerModel):
    """Everything that happened in a period, summed."""

    period: str = PERIOD_EXAMPLE
    start: Seconds
    end: Seconds
    over: bool
    """Whether the period had ended at `as_of_time`."""
    as_of_block: int
    as_of_time: Seconds
    certainty: Certainty
    streams: Streams
    licenses: Licences
    consents: Consents
    money: Money
    grants: GrantFigures


COLUMNS = ("section", "platform_id", "model_id", "tier", "metric", "figure", "value")

Line = tuple[Any, ...]


def transparency_csv(report: TransparencyReport) -> str:
    """RFC 4180: where each figure belongs, its name as in the JSON, and its value."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in _lines(report):
        writer.writerow([guard_cell(value) for value in line])
    return text.getvalue()


def _lines(report: TransparencyReport) -> Iterator[Line]:
    for name in ("period", "start", "end", "over", "as_of_block", "as_of_time", "certainty"):
        value = getattr(report, name)
        yield (
            "report", None, None, None, None, name,
            str(value).lower() if isinstance(value, bool) else value,
        )  # fmt: skip
    for stream in report.streams.items:
        of = ("streams", stream.platform_id, hexadecimal(stream.model_id))
        for name, value in stream:
            if name not in ("platform_id", "model_id", "uses"):
                yield (*of, None, None, name, value)
        for use in stream.uses:
            yield (*of, use.tier, use.metric, "quantity", use.quantity)
            yield (*of, use.tier, use.metric, "credited_units", use.credited_units)
    for tier in report.consents.tiers:
        yield "consents", None, None, tier.tier, None, "licenses", tier.licenses
    for section in ("licenses", "consents", "money", "grants"):
        for name, value in getattr(report, section):
            if name not in ("meaning", "tiers"):
                yield section, None, None, None, None, name, value
