"""Licences of real recordings: the first of the repository's extract, named by their ISRCs."""

from __future__ import annotations

import csv
import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text, terms_with_legal_text
from obbligato.protocol.constants import Flag, Metric, Tier
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import RateCard, Terms
from tests.onchain import ARTIST, DAY, DUO, LABEL, Acts, raw_terms, split
from tests.scenario import OPEN

EXTRACT = Path(__file__).parents[2] / "data" / "catalogue" / "recordings.csv"
WIDE_LICENSES = 57
"""Times 18 uses: 1 026 rows, more than one report holds."""
NARROW_LICENSES = 3

RATES = {
    (tier, metric): price
    for tier in Tier
    for metric, price in (
        (Metric.TRAINING_RUN, 900_001 + 7 * tier),
        (Metric.GENERATION, 2_000 + 311 * tier),
        (Metric.PLAYBACK, 2 + tier),
    )
}
"""Millionths of a dollar for a unit, under `WIDE`."""

WIDE = terms_with_legal_text(
    {
        tier: RateCard(
            training_run=RATES[tier, Metric.TRAINING_RUN],
            generation=RATES[tier, Metric.GENERATION],
            playback=RATES[tier, Metric.PLAYBACK],
            grant_fee=0,
        )
        for tier in Tier
    },
    term_days=365,
    flags=Flag.POOL,
)
"""Every use of every tier is for sale."""


def extract() -> list[dict[str, str]]:
    """The lines of the extract, as text."""
    with EXTRACT.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Licensed:
    """The licence of each ISRC, in the extract's order: `WIDE` ones first, then those with `OPEN`."""

    wide: dict[str, int]
    narrow: dict[str, int]
    period: tuple[int, int]
    """A day that is over and in which all of them were in force."""


def license_recordings(acts: Acts) -> Licensed:
    """Mint a licence for each of the first recordings."""
    facts = extract()[: WIDE_LICENSES + NARROW_LICENSES]
    found: dict[str, int] = {}
    splits = split((ARTIST, 1_000_000)), split((DUO, 650_000), (LABEL, 350_000))
    for number, each in enumerate(facts):
        terms = WIDE if number < WIDE_LICENSES else OPEN
        found[each["isrc"]] = _mint(acts, each, terms, splits[number % 2])
    end = acts.wait(2)
    ordered = list(found.items())
    return Licensed(dict(ordered[:WIDE_LICENSES]), dict(ordered[WIDE_LICENSES:]), (end - DAY, end))


def _mint(acts: Acts, facts: dict[str, str], terms: Terms, pays: Split) -> int:
    content = hashlib.sha256(facts["isrc"].encode()).digest()
    document = license_document(
        recording=Recording(
            isrc=facts["isrc"],
            title=facts["title"],
            artists=(facts["artist"] or "Somebody",),
            content_hash=content,
            scope=("recording", "stems", "voice"),
        ),
        terms=terms,
    )
    for data in (document.to_bytes(), legal_text(terms)):
        acts.protocol.store.put(data)
    acts.chain.transact(
        ARTIST,
        "LicenseRegistry",
        "mintWith",
        ARTIST.address,
        raw_terms(terms),
        [(payee.account, payee.share, int(payee.role)) for payee in pays.payees],
        document.digest(),
        content,
    )
    return int(acts.chain.call("LicenseRegistry", "licenseCount"))


def every_use(licensed: Licensed, model: bytes) -> list[dict[str, Any]]:
    """Two events of every licence, tier and metric, with units and influence that differ."""
    kinds = itertools.product(licensed.wide.values(), Tier, Metric, (1, 2))
    return [
        {
            "event_id": f"use {number}",
            "occurred_at": licensed.period[0] + number,
            "license_id": license_id,
            "tier": tier.name,
            "metric": metric.name,
            "units": 1 + number % 17 * nth,
            "influence_ppm": 1_000_000 if nth == 1 else 333_333 + number,
            "model_id": "0x" + model.hex(),
        }
        for number, (license_id, tier, metric, nth) in enumerate(kinds)
    ]
