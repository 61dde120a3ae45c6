"""What responses are made of: names of the chain's numbers, field types as JSON spells them, pages, problems."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from backend.db.head import Certainty
from obbligato.documents.wording import role_word
from obbligato.protocol.constants import ALL_TIERS, Flag, Metric, Pricing, Role, Tier, tiers_of
from obbligato.schemas.backend import Account, Cid, Seconds
from obbligato.schemas.terms import FlagName, RoleWord, TierName
from obbligato.server import http

__all__ = [
    "Account",
    "AnswerModel",
    "Certainty",
    "Cid",
    "Hex32",
    "Page",
    "Quantity",
    "Seconds",
    "Units",
    "problems",
]

Item = TypeVar("Item")


def _digits(example: str, description: str) -> Any:
    return WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9]+$",
            "examples": [example],
            "description": description,
        }
    )


_as_text = PlainSerializer(str, return_type=str, when_used="json")

Units = Annotated[
    int, Field(ge=0), _as_text, _digits("2400000", "Millionths of a dollar, as digits.")
]
Quantity = Annotated[
    int, Field(ge=0), _as_text, _digits("5000000", "Millionths of one unit of use, as digits.")
]
Hex32 = Annotated[
    bytes,
    PlainSerializer(lambda value: "0x" + value.hex(), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-f]{64}$"}),
]


class AnswerModel(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Page(AnswerModel, Generic[Item]):
    """Some items of a list. `next` is the cursor of the following page, null on the last one."""

    items: list[Item]
    next: str | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these problems, and those that any route may answer with."""
    return http.problems(*statuses, 429, 503)


MetricName = Literal["TRAINING_RUN", "GENERATION", "PLAYBACK"]
PricingName = Literal["METERED", "POOL"]
LicenseState = Literal["in_force", "ending", "ended", "not_yet"]
DocumentWord = Literal["read", "missing", "invalid"]


_TIERS_OF: Final = [
    [cast("TierName", tier.name) for tier in tiers_of(mask)] for mask in range(ALL_TIERS + 1)
]
"""By mask: lists name the tiers of every licence that they show."""

_TIERS: Final = {int(tier): cast("TierName", tier.name) for tier in Tier}
_METRICS: Final = {int(metric): cast("MetricName", metric.name) for metric in Metric}
_ROLES: Final = {int(role): cast("RoleWord", role_word(role)) for role in Role}


def tier_names(mask: int) -> list[TierName]:
    """The tiers of a mask by name, ascending."""
    return list(_TIERS_OF[mask])


def flag_names(flags: int) -> list[FlagName]:
    """The flags of a mask by name, ascending."""
    return [cast("FlagName", flag.name) for flag in Flag if flags & flag]


def role_name(role: int) -> RoleWord:
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
