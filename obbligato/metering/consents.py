"""What licences allow in one period: the input by which metering judges every event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from obbligato.documents.evidence import Period
from obbligato.words import Metric, Tier

Reason = Literal["no licence", "no consent", "no grant", "not offered", "no pool"]


@dataclass(frozen=True, slots=True)
class ConsentInterval:
    """A licence consents to a tier in [start, end), seconds, clipped to the period."""

    license_id: int
    tier: Tier
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Consents:
    """What licences allow in one period, for one platform, model and pricing.

    `licenses_of` gives, by canonical ISRC, the licences in force at some moment of the period whose
    document names it; licence ids are 1 to `license_count`. `intervals` holds every (licence, tier)
    with consent in the period, disjoint and ascending. `withheld` says why a use that has consent
    makes no row all the same: "no grant", "not offered" (the metered rate is NOT_OFFERED) or
    "no pool" (the report is a pool, and the terms join none).
    """

    period: Period
    licenses_of: Mapping[str, tuple[int, ...]]
    license_count: int
    intervals: Sequence[ConsentInterval]
    withheld: Mapping[tuple[int, Tier, Metric], Reason]
