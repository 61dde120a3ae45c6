"""Terms, payees and recordings as requests hold them; servers and clients share the models."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from obbligato.documents.license import Recording
from obbligato.documents.presets import Preset, preset_named
from obbligato.documents.split_sheet import read_split_sheet
from obbligato.documents.terms_input import terms_from
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import (
    MAX_INFLUENCE_CAP_BPS,
    MAX_PAYEES,
    MAX_TERM_DAYS,
    MIN_TERM_DAYS,
    NOT_OFFERED,
    PPM,
    Role,
)
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import Address

ACCOUNT_EXAMPLE: Final = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

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


def number_or_digits(value: object) -> object:
    """The number that decimal digits write; any other value unchanged, for the model to validate."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20
    return int(value) if digits and isinstance(value, str) else value


UnitsInput = Annotated[
    int,
    BeforeValidator(number_or_digits),
    Field(strict=True, ge=0, le=NOT_OFFERED - 1),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""Millionths of a dollar."""


class InputModel(BaseModel):
    """The base of requests: members that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PricesInput(InputModel):
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

    training_run_units: UnitsInput | None = None
    generation_units: UnitsInput | None = None
    playback_units: UnitsInput | None = None
    grant_fee_units: UnitsInput = 0


class TermsInput(InputModel):
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
    tiers: dict[TierName, PricesInput | None] = Field(default_factory=dict)
    term_days: Annotated[int | None, Field(strict=True, ge=MIN_TERM_DAYS, le=MAX_TERM_DAYS)] = None
    flags: Annotated[list[FlagName] | None, Field(max_length=7)] = None
    influence_cap_bps: Annotated[int | None, Field(strict=True, ge=0, le=MAX_INFLUENCE_CAP_BPS)] = (
        None
    )

    def named_preset(self) -> Preset | None:
        """The preset that the request names, if any. Raises InputError."""
        return None if self.preset is None else preset_named(self.preset)

    def terms(self) -> Terms:
        """The terms, with the digest of their legal text. Raises InputError."""
        return terms_from(self.model_dump(exclude_unset=True))


class PayeeInput(InputModel):
    """One account that is paid, its share in parts per million, and what for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account": ACCOUNT_EXAMPLE,
                    "share_ppm": 650_000,
                    "role": "performer",
                }
            ]
        }
    )

    account: Address
    share_ppm: Annotated[int, BeforeValidator(number_or_digits), Field(strict=True, ge=1, le=PPM)]
    role: RoleWord


class SplitInput(InputModel):
    """Who is paid: a list of payees, or a split sheet. Neither: the owner alone, as performer."""

    payees: Annotated[list[PayeeInput], Field(min_length=1, max_length=MAX_PAYEES)] | None = None
    split_sheet: Annotated[str, Field(max_length=100_000)] | None = Field(
        default=None,
        description="CSV with the columns party,role,ipi,isni,wallet,pr_bps,mr_bps,master_bps; "
        "master_bps are the shares.",
    )

    def split(self, owner: str | None, *, forbidden: tuple[str, ...] = ()) -> Split:
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


class RecordingInput(InputModel):
    """A recording, and an image for the pages of wallets. The file itself is never sent: its sha-256 is."""

    recording: Recording
    image: Annotated[str, Field(max_length=2_048)] | None = None
