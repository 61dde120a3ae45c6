"""The numbered words and fixed numbers of the protocol, as docs/rules.md states them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag, StrEnum
from typing import Final, Self

from obbligato.errors import InputError

FORMULA_VERSION: Final = 1
"""Version of the pricing formula, its tier weights included."""

PPM: Final = 1_000_000
"""Parts in a whole: of a split's shares, and of one unit of usage in millionths."""

NOT_OFFERED: Final = 2**64 - 1
"""As a rate: the meter does not sell this. In a pool it sets no reserve price."""

UINT64_MAX: Final = 2**64 - 1
MAX_ROWS: Final = 1_000
MAX_PAYEES: Final = 64
DAY_SECONDS: Final = 86_400
MIN_TERM_DAYS: Final = 365
MAX_TERM_DAYS: Final = 1_096
MAX_INFLUENCE_CAP_BPS: Final = 10_000
MAX_PERIOD_SECONDS: Final = 31 * DAY_SECONDS
"""The longest period of one report."""
MAX_AGE_SECONDS: Final = 92 * DAY_SECONDS
"""How long ago a report may begin that does not continue its stream."""
NOTICE_SECONDS: Final = 30 * DAY_SECONDS
"""Dearer terms are announced so long before a term ends, or they wait for the end of the next."""
MAX_TIME: Final = 2**40 - 1
"""The last second storage can hold (uint40)."""


class Tier(IntEnum):
    """A purpose of use. Each is opted in to by itself; tier n is bit `1 << (n - 1)` of a mask."""

    ANALYSIS = 1
    TRAINING = 2
    GENERATIVE = 3
    STYLE = 4
    STEMS = 5
    VOICE = 6

    @property
    def bit(self) -> int:
        return 1 << (self.value - 1)


class Metric(IntEnum):
    """What is counted. Impressions count as PLAYBACK."""

    TRAINING_RUN = 1
    GENERATION = 2
    PLAYBACK = 3


class Flag(IntFlag):
    """Conditions that terms may carry."""

    ATTRIBUTION_REQUIRED = 1
    COMMERCIAL = 2
    EXPORT_ALLOWED = 4
    GRANT_REQUIRED = 8
    GRANT_APPROVAL = 16
    POOL = 32
    MODEL_BOUND = 64


class Role(IntEnum):
    """What a payee is paid for."""

    COMPOSER = 1
    LYRICIST = 2
    ARRANGER = 3
    PERFORMER = 4
    SESSION_MUSICIAN = 5
    PRODUCER = 6
    PUBLISHER = 7
    LABEL = 8
    SOCIETY = 9


class Pricing(IntEnum):
    """How a report is priced."""

    METERED = 1
    POOL = 2


class _Numbered(StrEnum):
    """Words in the order in which the contracts number them, from 0 on (contracts/Types.sol)."""

    @classmethod
    def numbered(cls, number: int) -> Self:
        """The word of a number that a contract answered."""
        return tuple(cls)[number]


class ReportState(_Numbered):
    """What the chain has done with a report."""

    NONE = "none"
    UNFUNDED = "unfunded"
    PENDING = "pending"
    SETTLED = "settled"


class ChallengeState(_Numbered):
    """What became of a challenge of a row, or of a claim on a recording."""

    NONE = "none"
    OPEN = "open"
    RULED = "ruled"
    LAPSED = "lapsed"


ALL_TIERS: Final = sum(tier.bit for tier in Tier)
ALL_FLAGS: Final = sum(flag.value for flag in Flag)

TIER_WEIGHTS: Final[dict[Tier, int]] = {
    Tier.ANALYSIS: 1,
    Tier.TRAINING: 2,
    Tier.GENERATIVE: 4,
    Tier.STYLE: 6,
    Tier.STEMS: 8,
    Tier.VOICE: 10,
}
"""Weight of one millionth of a unit in a pool, by tier."""


def tiers_mask(tiers: Iterable[Tier]) -> int:
    """The uint8 mask of a set of tiers; 0 for none."""
    mask = 0
    for tier in tiers:
        mask |= Tier(tier).bit
    return mask


def tiers_of(mask: int) -> tuple[Tier, ...]:
    """The tiers of a mask, ascending. Raises InputError where a bit names no tier."""
    if type(mask) is not int or not 0 <= mask <= ALL_TIERS:
        raise InputError(
            f"{mask!r} is not a set of tiers: use a whole number from 0 to {ALL_TIERS}",
            field="tiers",
        )
    return tuple(tier for tier in Tier if mask & tier.bit)
