"""Terms of a licence: what a tier costs, how long a term runs, under which conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, model_validator

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import (
    ALL_FLAGS,
    DAY_SECONDS,
    MAX_INFLUENCE_CAP_BPS,
    MAX_TERM_DAYS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    Flag,
    Metric,
    Tier,
    tiers_mask,
    tiers_of,
)
from obbligato.protocol.eip712 import TypedStruct
from obbligato.protocol.types import (
    ZERO_DIGEST,
    Bytes32,
    UInt8,
    UInt16,
    UInt64,
    as_tuple,
    member_of,
)

RATE_CARD_TYPE: Final = (
    "RateCard(uint64 trainingRun,uint64 generation,uint64 playback,uint64 grantFee)"
)
TERMS_TYPE: Final = (
    "Terms(uint8 tiers,uint16 termDays,uint16 flags,uint16 influenceCapBps,"
    "RateCard[] rates,bytes32 textDigest)"
)


class RateCard(TypedStruct):
    """What one tier costs, in money units (millionths of a dollar token).

    The first three are the prices of one whole unit of each metric: 0 is free, NOT_OFFERED is not
    sold by the meter. `grant_fee` is paid once for a grant.
    """

    type_string: ClassVar[str] = RATE_CARD_TYPE

    training_run: UInt64
    generation: UInt64
    playback: UInt64
    grant_fee: UInt64

    def rate(self, metric: Metric) -> int:
        """Money units for one whole unit (1 000 000 millionths) of `metric`; may be NOT_OFFERED."""
        return (self.training_run, self.generation, self.playback)[metric - 1]

    def at_most(self, other: RateCard) -> bool:
        """Whether nothing costs more than on the other card."""
        return (
            self.training_run <= other.training_run
            and self.generation <= other.generation
            and self.playback <= other.playback
            and self.grant_fee <= other.grant_fee
        )


class Terms(TypedStruct):
    """An offer. No tiers (mask 0, no rates) is a valid statement: no AI use at all.

    `tiers` is a mask, `rates` holds one card per opted-in tier in ascending order of tier,
    `term_days` is 365..1096, `influence_cap_bps` 0..10000 (10000: no limit), `text_digest` is the
    digest of the legal text, never zero. Raises InputError otherwise.
    """

    type_string: ClassVar[str] = TERMS_TYPE + RATE_CARD_TYPE

    tiers: UInt8
    term_days: Annotated[UInt16, Field(ge=MIN_TERM_DAYS, le=MAX_TERM_DAYS)]
    flags: UInt16
    influence_cap_bps: Annotated[UInt16, Field(le=MAX_INFLUENCE_CAP_BPS)]
    rates: Annotated[tuple[RateCard, ...], BeforeValidator(as_tuple)]
    text_digest: Bytes32

    @model_validator(mode="after")
    def _is_canonical(self) -> Terms:
        opted_in = tiers_of(self.tiers)
        if len(self.rates) != len(opted_in):
            raise InputError(
                f"{len(self.rates)} rate cards for {len(opted_in)} tiers: give one card per "
                "opted-in tier, in ascending order of tier",
                field="rates",
            )
        _check_flags(self.flags)
        if self.text_digest == ZERO_DIGEST:
            raise InputError(
                "is zero: give the digest of the legal text of the licence", field="textDigest"
            )
        return self

    def digest(self) -> bytes:
        """The 32 bytes that identify equal terms: their EIP-712 `hashStruct`."""
        return self.struct_hash()

    @property
    def term_seconds(self) -> int:
        return self.term_days * DAY_SECONDS

    def offers(self, tier: Tier | int) -> bool:
        """Whether `tier` is opted in to."""
        return bool(self.tiers & member_of(Tier)(tier).bit)

    def has(self, flag: Flag) -> bool:
        return bool(self.flags & flag)

    def card(self, tier: Tier | int) -> RateCard:
        """The rate card of an opted-in tier. Raises RefusedError for any other tier."""
        member = member_of(Tier)(tier)
        if not self.offers(member):
            raise RefusedError(f"these terms do not opt in to {member.name}")
        return self.rates[tiers_of(self.tiers).index(member)]

    def rate(self, tier: Tier | int, metric: Metric | int) -> int:
        """Money units for one whole unit; may be NOT_OFFERED. Raises RefusedError as `card`."""
        return self.card(tier).rate(member_of(Metric)(metric))

    def is_milder_than(self, other: Terms) -> bool:
        """Whether a platform may do all that `other` allows, at no higher price."""
        return (
            self.tiers & other.tiers == other.tiers
            and self.term_days == other.term_days
            and self.flags == other.flags
            and self.influence_cap_bps == other.influence_cap_bps
            and self.text_digest == other.text_digest
            and all(self.card(tier).at_most(other.card(tier)) for tier in tiers_of(other.tiers))
        )

    def only_adds_tiers_to(self, other: Terms) -> bool:
        """Whether these terms are `other` with more tiers and nothing else changed.

        Every tier of `other` keeps its rate card; equal terms add nothing, so the answer is False.
        """
        return (
            self.tiers != other.tiers
            and self.tiers & other.tiers == other.tiers
            and self.term_days == other.term_days
            and self.flags == other.flags
            and self.influence_cap_bps == other.influence_cap_bps
            and self.text_digest == other.text_digest
            and all(self.card(tier) == other.card(tier) for tier in tiers_of(other.tiers))
        )


@dataclass(frozen=True, slots=True)
class PeriodTerms:
    """What prices a tier in a period: the terms at its first and at its last moment with consent.

    They differ where terms change inside the period. A use may have happened under either, so a row
    answers to both.
    """

    first: Terms
    last: Terms

    def offers(self, tier: Tier | int) -> bool:
        """Whether both opt in to `tier`."""
        return self.first.offers(tier) and self.last.offers(tier)

    def has(self, flag: Flag) -> bool:
        """Whether a flag holds: one that asks for something if either asks, POOL if both join."""
        either = self.first.has(flag), self.last.has(flag)
        return all(either) if flag is Flag.POOL else any(either)

    def rate(self, tier: Tier | int, metric: Metric | int) -> int:
        """The dearer price of one whole unit; NOT_OFFERED if either does not offer the use."""
        return max(self.first.rate(tier, metric), self.last.rate(tier, metric))

    def reserve(self, tier: Tier | int, metric: Metric | int) -> int:
        """The dearer of the prices that are offered; NOT_OFFERED if neither is."""
        rates = {self.first.rate(tier, metric), self.last.rate(tier, metric)}
        return max(rates - {NOT_OFFERED}, default=NOT_OFFERED)

    @property
    def influence_cap_bps(self) -> int:
        """The lower cap of the two."""
        return min(self.first.influence_cap_bps, self.last.influence_cap_bps)


def terms_of_cards(
    cards: dict[Tier, RateCard],
    *,
    term_days: int,
    flags: Flag,
    text_digest: bytes,
    influence_cap_bps: int = MAX_INFLUENCE_CAP_BPS,
) -> Terms:
    """Terms from one rate card per opted-in tier, in any order. Raises InputError."""
    return Terms(
        tiers=tiers_mask(cards),
        term_days=term_days,
        flags=int(flags),
        influence_cap_bps=influence_cap_bps,
        rates=tuple(cards[tier] for tier in sorted(cards)),
        text_digest=text_digest,
    )


def _check_flags(flags: int) -> None:
    unknown = flags & ~ALL_FLAGS
    if unknown:
        raise InputError(
            f"bits {unknown:#x} name no flag: leave them out (known bits: {ALL_FLAGS:#x})",
            field="flags",
        )
    for flag in (Flag.GRANT_APPROVAL, Flag.MODEL_BOUND):
        if flags & flag and not flags & Flag.GRANT_REQUIRED:
            raise InputError(
                f"{flag.name} says how grants work: add GRANT_REQUIRED or leave it out",
                field="flags",
            )
