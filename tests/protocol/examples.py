"""Valid terms, accounts and rows to start a test from, and hypothesis strategies for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from obbligato.protocol.constants import Flag, Metric, Tier, tiers_mask
from obbligato.protocol.rows import Row
from obbligato.protocol.terms import RateCard, Terms

YEAR = 365 * 86_400
TEXT = bytes(31) + b"\1"

CARD = {"trainingRun": 3_000_000, "generation": 20_000, "playback": 100, "grantFee": 0}


def terms_with(*tiers: Tier, generation: int = 20_000, **changes: Any) -> Terms:
    """Terms that opt in to `tiers`, each with the same card, changed as named."""
    fields: dict[str, Any] = {
        "tiers": tiers_mask(tiers),
        "termDays": 365,
        "flags": 0,
        "influenceCapBps": 10_000,
        "rates": [{**CARD, "generation": generation} for _ in tiers],
        "textDigest": TEXT,
    }
    return Terms.read({**fields, **changes})


def account(number: int) -> str:
    return f"0x{number:040x}"


tiers = st.sampled_from(list(Tier))
metrics = st.sampled_from(list(Metric))
uint32 = st.integers(min_value=0, max_value=2**32 - 1)
uint64 = st.integers(min_value=0, max_value=2**64 - 1)
quantities = st.integers(min_value=1, max_value=2**64 - 1)
rate_cards = st.builds(
    RateCard, training_run=uint64, generation=uint64, playback=uint64, grant_fee=uint64
)
flags = st.sampled_from(
    [Flag(0), Flag.COMMERCIAL, Flag.POOL, Flag.GRANT_REQUIRED, Flag.GRANT_REQUIRED | Flag.POOL]
)


@st.composite
def row_lists(draw: Any, max_size: int = 30) -> list[Row]:
    """Rows of a report in their order."""
    keys = draw(st.sets(st.tuples(uint32, tiers, metrics), max_size=max_size))
    return [
        Row(license_id, tier, metric, draw(quantities)) for license_id, tier, metric in sorted(keys)
    ]
