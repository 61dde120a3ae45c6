"""The row that a challenge is about: quantities, amounts and splits worked by hand.

METERED at 0.05 dollars a generation: two rows of 10 and 4 generations, which cost 0.50 and 0.20.
"""

from __future__ import annotations

import pytest

from obbligato.errors import RefusedError
from obbligato.protocol.constants import Flag, Metric, Pricing, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.rows import Credit, Row
from obbligato.protocol.rulings import (
    ContestedRow,
    MeteredPrice,
    RowKey,
    contested_row,
    position_of,
)
from obbligato.protocol.terms import RateCard, terms_of_cards
from obbligato.protocol.typed_data import UsageReport

UNIT = 1_000_000
RATE = 50_000
TODAYS_SPLIT = 9
FIRST: RowKey = (1, int(Tier.GENERATIVE), int(Metric.GENERATION))
SECOND: RowKey = (2, int(Tier.GENERATIVE), int(Metric.GENERATION))
LEFT_OUT: RowKey = (3, int(Tier.GENERATIVE), int(Metric.GENERATION))
ROWS = [
    Row(license_id, Tier.GENERATIVE, Metric.GENERATION, n * UNIT)
    for license_id, n in ((1, 10), (2, 4))
]
CREDITS = [Credit(split_id=5, amount=500_000), Credit(split_id=6, amount=200_000)]
REPORT = UsageReport(
    platform_id=1,
    model_id=bytes(32),
    sequence=1,
    attempt=1,
    previous=bytes(32),
    period_start=1_000,
    period_end=2_000,
    pricing=Pricing.METERED,
    row_count=2,
    rows_digest=bytes(32),
    total=700_000,
    evidence=bytes(32),
    deadline=9_999,
)


def history(minted_at: int = 500) -> LicenseHistory:
    card = RateCard(training_run=0, generation=RATE, playback=0, grant_fee=0)
    terms = terms_of_cards(
        {Tier.GENERATIVE: card}, term_days=365, flags=Flag(0), text_digest=b"\1" * 32
    )
    return LicenseHistory.mint(terms_id=1, terms=terms, document=bytes(32), now=minted_at)


@pytest.mark.parametrize(
    ("key", "claimed", "reduced", "ruled", "expected"),
    [
        # As reported.
        (FIRST, 12, False, None, (10, 500_000, 5)),
        (SECOND, 1, False, None, (4, 200_000, 6)),
        # A claim of more is about what a ruling left; a claim of less about the report.
        (FIRST, 20, False, (12 * UNIT, 600_000), (12, 600_000, 5)),
        (FIRST, 8, False, (12 * UNIT, 600_000), (10, 500_000, 5)),
        # A row whose reduction has ended is what the ruling made of it, whatever is claimed.
        (FIRST, 8, True, (7 * UNIT, 350_000), (7, 350_000, 5)),
        # Left out: nothing, for the split of today; then what a ruling gave it.
        (LEFT_OUT, 3, False, None, (0, 0, TODAYS_SPLIT)),
        (LEFT_OUT, 6, False, (3 * UNIT, 150_000), (3, 150_000, TODAYS_SPLIT)),
    ],
)
def test_the_row_is_as_reported_or_as_ruled(
    key: RowKey,
    claimed: int,
    reduced: bool,
    ruled: tuple[int, int] | None,
    expected: tuple[int, int, int],
) -> None:
    quantity, amount, split_id = expected
    assert contested_row(
        REPORT,
        ROWS,
        CREDITS,
        key,
        claimed=claimed * UNIT,
        history=history(),
        split_id=TODAYS_SPLIT,
        reduced=reduced,
        ruled=ruled,
    ) == (ContestedRow(quantity * UNIT, amount, MeteredPrice(RATE)), split_id)


def test_a_licence_without_consent_in_the_period_has_nothing_to_rule_on() -> None:
    with pytest.raises(RefusedError, match="licence 1 gave no consent"):
        contested_row(
            REPORT,
            ROWS,
            CREDITS,
            FIRST,
            claimed=0,
            history=history(minted_at=2_000),
            split_id=TODAYS_SPLIT,
            reduced=False,
            ruled=None,
        )


def test_a_row_is_where_its_key_is() -> None:
    assert [position_of(ROWS, key) for key in (FIRST, SECOND, LEFT_OUT)] == [0, 1, None]
