"""Licences to measure with: one set of terms for all, minted in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from obbligato.chain.client import Chain
from obbligato.documents.wording import terms_with_legal_text
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import RateCard
from scripts.demo.cast import SOCIETY
from scripts.demo.steps import intern_split, intern_terms

MINTED_AT_ONCE: Final = 125
TERMS: Final = terms_with_legal_text(
    {Tier.GENERATIVE: RateCard(training_run=0, generation=2_400, playback=40, grant_fee=0)},
    term_days=365,
    flags=Flag.POOL,
)


def mint(chain: Chain, splits: Iterable[Split], items: Sequence[tuple[Any, ...]]) -> None:
    """Store TERMS and the splits on the chain, and mint the items of `mintBatch` to the society."""
    intern_terms(chain, TERMS)
    for split in splits:
        intern_split(chain, split)
    for first in range(0, len(items), MINTED_AT_ONCE):
        batch = items[first : first + MINTED_AT_ONCE]
        chain.transact(SOCIETY, "LicenseRegistry", "mintBatch", batch)
