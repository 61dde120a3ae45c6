"""Terms and payees as people give them in a request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from obbligato.documents import Recording, terms_with_legal_text
from obbligato.documents.presets import Preset, preset_named
from obbligato.documents.split_sheet import read_split_sheet
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    MAX_PAYEES,
    MAX_TERM_DAYS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    PPM,
    Flag,
    Role,
    Tier,
)
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.types import Address

TierName = Literal["ANALYSIS", "TRAINING", "GENERATIVE", "STYLE", "STEMS", "VOICE"]
FlagName = Literal[
    "ATTRIBUTION_REQUIRED",
    "COMMERCIAL",
    "EXPORT_ALLOWED",
    "GRANT_REQUIRED",
    "GRANT_APPROVAL",
    "POOL",
    "MODEL_BOUND",
]
RoleWord = Literal[
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
_ROLES = {role_word(role): role for role in Role}


def whole(value: object) -> object:
    """A whole number, also as its decimal digits; anything else as it is, for the model to judge."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20
    return int(value) if digits and isinstance(value, str) else value


UnitsGiven = Annotated[int, BeforeValidator(whole), Field(strict=True, ge=0, le=NOT_OFFERED - 1)]
"""Millionths of a dollar."""


class Given(BaseModel):
    """The base of what requests hold: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PricesGiven(Given):
    """Prices of one tier, each for one whole use, in millionths of a dollar; null: not offered by the meter."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "training_run_units": "5000000",
                    "generation_units": "2400",
                    "playback_units": "40",
                    "grant_fee_units": "0",
                }
            ]
        }
    )

    training_run_units: UnitsGiven | None = None
    generation_units: UnitsGiven | None = None
    playback_units: UnitsGiven | None = None
    grant_fee_units: UnitsGiven = 0

    def card(self) -> RateCard:
        """The rate card."""
        training, generation, playback = (
            NOT_OFFERED if units is None else units
            for units in (self.training_run_units, self.generation_units, self.playback_units)
        )
        return RateCard(
            training_run=training,
            generation=generation,
            playback=playback,
            grant_fee=self.grant_fee_units,
        )


class TermsGiven(Given):
    """What AI may do, at what price, for how long. A preset to begin with, and what differs from it.

    With a preset, `tiers` replaces the prices of the tiers that it names and adds those the preset
    has not; null takes a tier out. Without one, `tiers` is all that is allowed.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"preset": "train-dont-imitate"},
                {
                    "tiers": {"GENERATIVE": {"generation_units": "2400", "playback_units": "40"}},
                    "term_days": 365,
                    "flags": ["COMMERCIAL", "POOL"],
                },
            ]
        }
    )

    preset: Annotated[str | None, Field(max_length=40)] = None
    tiers: dict[TierName, PricesGiven | None] = Field(default_factory=dict)
    term_days: Annotated[int | None, Field(strict=True, ge=MIN_TERM_DAYS, le=MAX_TERM_DAYS)] = None
    flags: Annotated[list[FlagName] | None, Field(max_length=7)] = None
    influence_cap_bps: Annotated[int | None, Field(strict=True, ge=0, le=MAX_INFLUENCE_CAP_BPS)] = (
        None
    )

    def chosen(self) -> Preset | None:
        """The preset that was named. Raises InputError."""
        return None if self.preset is None else preset_named(self.preset)

    def terms(self) -> Terms:
        """The terms, with the digest of their legal text. Raises InputError."""
        preset = self.chosen()
        cards = dict(preset.cards) if preset else {}
        for name, prices in self.tiers.items():
            if prices is None:
                cards.pop(Tier[name], None)
            else:
                cards[Tier[name]] = prices.card()
        flags = preset.flags if preset else Flag(0)
        if self.flags is not None:
            flags = Flag(0)
            for flag in self.flags:
                flags |= Flag[flag]
        cap = MAX_INFLUENCE_CAP_BPS if preset is None else preset.influence_cap_bps
        return terms_with_legal_text(
            cards,
            term_days=self.term_days or (preset.term_days if preset else MIN_TERM_DAYS),
            flags=flags,
            influence_cap_bps=cap if self.influence_cap_bps is None else self.influence_cap_bps,
        )


class PayeeGiven(Given):
    """One account that is paid, its share in parts per million, and what for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "share_ppm": 650_000,
                    "role": "performer",
                }
            ]
        }
    )

    account: Address
    share_ppm: Annotated[int, BeforeValidator(whole), Field(strict=True, ge=1, le=PPM)]
    role: RoleWord


class SplitGiven(Given):
    """Who is paid: a list of payees, or a split sheet. Neither: the owner alone, as performer."""

    payees: Annotated[list[PayeeGiven], Field(min_length=1, max_length=MAX_PAYEES)] | None = None
    split_sheet: Annotated[str, Field(max_length=100_000)] | None = Field(
        default=None,
        description="CSV with the columns party,role,ipi,isni,wallet,pr_bps,mr_bps,master_bps; "
        "master_bps are the shares.",
    )

    def split(self, owner: str | None, *, forbidden: tuple[str, ...]) -> Split:
        """The split. Raises InputError naming the payee or the line."""
        if self.payees is not None and self.split_sheet is not None:
            raise InputError("give payees or a split sheet, not both", field="split_sheet")
        if self.split_sheet is not None:
            return Split.of(read_split_sheet(self.split_sheet).payees(), forbidden=forbidden)
        if self.payees is None:
            if owner is None:
                raise InputError("name who is paid from now on", field="payees")
            alone = Payee(account=owner, share=PPM, role=Role.PERFORMER)
            return Split.of([alone], forbidden=forbidden)
        return Split.of(
            [
                Payee(account=each.account, share=each.share_ppm, role=_ROLES[each.role])
                for each in self.payees
            ],
            forbidden=forbidden,
        )


class RecordingGiven(Given):
    """A recording, and an image for the pages of wallets. The file itself is never sent: its sha-256 is."""

    recording: Recording
    image: Annotated[str, Field(max_length=2_048)] | None = None
