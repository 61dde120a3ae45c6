"""What is said of payees and their money."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from backend.http.schemas import (
    Account,
    AnswerModel,
    Certainty,
    Hex32,
    MetricName,
    Quantity,
    Seconds,
    Units,
)
from obbligato.schemas.terms import RoleWord, TierName

SourceName = Literal["report", "ruling", "lapse", "arrears", "grant", "rival claim"]
GroupName = Literal[
    "month", "platform_id", "model_id", "license_id", "split_id", "tier", "metric", "source"
]

MONTH_EXAMPLE = Field(examples=["2026-10"], pattern="^[0-9]{4}-[0-9]{2}$")
LICENSE_EXAMPLE = Field(examples=[1])


class SplitBalance(AnswerModel):
    """What a payee has in one split. `entitled` is the floor of `received` times the share."""

    split_id: int = Field(examples=[1])
    share_ppm: int = Field(examples=[650_000], ge=1, le=1_000_000)
    """Parts per million."""
    role: RoleWord
    licenses: int = Field(examples=[12])
    """How many licences pay to this split now."""
    received_units: Units
    entitled_units: Units
    claimed_units: Units
    claimable_units: Units
    pending_units: Units
    held_units: Units


class Balance(AnswerModel):
    """What a payee has: of reports that are not settled, ready to be claimed, and paid."""

    account: Account
    recipient: Account
    """Where claims are sent: the account itself, or the one that it chose."""
    pending_units: Units
    """Its part of reports that were submitted and are not settled."""
    held_units: Units
    """Its part, at most, of rows that challenges hold; not in `pending_units`."""
    claimable_units: Units
    """What a claim would pay now: what the splits owe, and `refunds_units`."""
    refunds_units: Units
    """Bonds that came back and were won."""
    entitled_units: Units
    """All that its splits ever earned for it."""
    paid_units: Units
    """All that left the vault by its claims."""
    splits: list[SplitBalance]
    as_of_block: int
    certainty: Certainty


class EarningGroup(AnswerModel):
    """A payee's part of all credits with the same values. What was not asked for, or a credit has none of, is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "month": "2026-10",
                    "platform_id": 1,
                    "model_id": None,
                    "license_id": None,
                    "split_id": None,
                    "tier": None,
                    "metric": None,
                    "source": None,
                    "amount_units": "33600000",
                    "quantity": "14000000000",
                    "credits": 2,
                }
            ]
        }
    )

    month: str | None = None
    platform_id: int | None = None
    model_id: Hex32 | None = None
    license_id: int | None = None
    split_id: int | None = None
    tier: TierName | None = None
    metric: MetricName | None = None
    source: SourceName | None = None
    amount_units: Units
    quantity: Quantity
    """The use that was paid for: all of it, not the payee's part."""
    credits: int


class Credit(AnswerModel):
    """One credit of a split, and a payee's part of it."""

    license_id: int = LICENSE_EXAMPLE
    title: str | None = Field(examples=["Clair de lune"])
    artists: list[str] | None
    isrc: str | None
    split_id: int
    share_ppm: int
    platform_id: int | None
    model_id: Hex32 | None
    tier: TierName | None
    metric: MetricName | None
    quantity: Quantity
    """The use that this credit pays for; 0 where another credit of the same row counts it already."""
    rate_units: Units | None
    """The price of one whole unit by the terms it was priced with; null where no meter priced it."""
    credited_units: Units
    """What the split got."""
    amount_units: Units
    """The payee's part of it."""
    source: SourceName
    report_id: Hex32 | None
    usage_month: str = MONTH_EXAMPLE
    earned_at: Seconds
    block_number: int
    certainty: Certainty


class PaymentAnswer(AnswerModel):
    """One claim: what left the vault for a payee."""

    recipient: Account
    amount_units: Units
    """Refunds included."""
    refunds_units: Units
    posted_as_bond: bool
    """It went to the vault itself, as the bond of a challenge; what was over came back as a refund."""
    split_ids: list[int]
    paid_at: Seconds
    transaction: Hex32
    block_number: int
    certainty: Certainty


class StatementTotals(AnswerModel):
    """`closing` is `opening` and what came in, less what went out: to the unit."""

    opening_units: Units
    """Unclaimed when the month began."""
    earned_units: Units
    """The payee's part of every credit of the month."""
    refunds_units: Units
    """Bonds that came back and were won."""
    paid_units: Units
    bonds_units: Units
    """Posted for challenges out of what was earned."""
    closing_units: Units
    """Unclaimed when the month ended, or at `as_of_time`."""


class StatementMonth(StatementTotals):
    """One month in which something was earned or paid."""

    month: str = MONTH_EXAMPLE
    credits: int
    certainty: Certainty


class StatementMonths(AnswerModel):
    """Every month of a payee that has something, newest first."""

    account: Account
    items: list[StatementMonth]
    as_of_block: int
    as_of_time: Seconds


class StatementHead(StatementTotals):
    """A statement without its lines."""

    account: Account
    month: str = MONTH_EXAMPLE
    earned_before_units: Units
    """All that was earned before the month."""
    lines: int
    """How many lines the statement has: one a credit."""
    over: bool
    """Whether the month had ended at `as_of_time`."""
    as_of_block: int
    as_of_time: Seconds
    certainty: Certainty
    """`final`: nothing in it can change any more."""


class StatementAnswer(AnswerModel):
    """A statement: what a payee earned in a month, credit by credit, and was paid."""

    statement: StatementHead
    lines: list[Credit]
