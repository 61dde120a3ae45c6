"""The words that answers and questions use for the numbers of the chain."""

from __future__ import annotations

from typing import Final, Literal, cast

from obbligato.documents.wording import role_word
from obbligato.protocol.constants import ALL_TIERS, Flag, Metric, Pricing, Role, Tier, tiers_of

TierName = Literal["ANALYSIS", "TRAINING", "GENERATIVE", "STYLE", "STEMS", "VOICE"]
MetricName = Literal["TRAINING_RUN", "GENERATION", "PLAYBACK"]
PricingName = Literal["METERED", "POOL"]
FlagName = Literal[
    "ATTRIBUTION_REQUIRED",
    "COMMERCIAL",
    "EXPORT_ALLOWED",
    "GRANT_REQUIRED",
    "GRANT_APPROVAL",
    "POOL",
    "MODEL_BOUND",
]
RoleName = Literal[
    "composer",
    "lyricist",
    "arranger",
    "performer",
    "session musician",
    "producer",
    "publisher",
    "label",
    "society",
]
LicenseState = Literal["in_force", "ending", "ended", "not_yet"]
DocumentWord = Literal["read", "missing", "invalid"]


_TIERS_OF: Final = [
    [cast("TierName", tier.name) for tier in tiers_of(mask)] for mask in range(ALL_TIERS + 1)
]
"""By mask: lists name the tiers of every licence that they show."""

_TIERS: Final = {int(tier): cast("TierName", tier.name) for tier in Tier}
_METRICS: Final = {int(metric): cast("MetricName", metric.name) for metric in Metric}
_ROLES: Final = {int(role): cast("RoleName", role_word(role)) for role in Role}


def tier_names(mask: int) -> list[TierName]:
    """The tiers of a mask by name, ascending."""
    return list(_TIERS_OF[mask])


def flag_names(flags: int) -> list[FlagName]:
    """The flags of a mask by name, ascending."""
    return [cast("FlagName", flag.name) for flag in Flag if flags & flag]


def role_name(role: int) -> RoleName:
    """`session musician`, as split sheets spell it."""
    return _ROLES[role]


def tier_name(tier: int) -> TierName:
    """The name of a tier."""
    return _TIERS[tier]


def metric_name(metric: int) -> MetricName:
    """The name of a metric."""
    return _METRICS[metric]


def pricing_name(pricing: int) -> PricingName:
    """The name of a way of pricing."""
    return cast("PricingName", Pricing(pricing).name)


def license_state(minted_at: int, ends_at: int | None, at: int) -> LicenseState:
    """Where a licence is at a moment, by all that is known of it now."""
    if at < minted_at:
        return "not_yet"
    if ends_at is None:
        return "in_force"
    return "ending" if at < ends_at else "ended"
