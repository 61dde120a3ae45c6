"""Requests to prepare acts: each kind with its message, and what its request decides of that message.

A kind is one subclass of `ActRequest`. Routes, typed data, the client's checks and the command line follow from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer

from obbligato.documents.canonical import sha256
from obbligato.documents.cid import digest_from_cid
from obbligato.documents.license import LicenseDocument, Recording, license_document
from obbligato.documents.terms_input import terms_json
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol import typed_data
from obbligato.protocol.constants import UINT64_MAX, Metric, Tier
from obbligato.protocol.eip712 import Message
from obbligato.protocol.splits import Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.types import ZERO_ADDRESS, Address, Bytes32
from obbligato.schemas.act_states import ActKind
from obbligato.schemas.terms import (
    ACCOUNT_EXAMPLE,
    InputModel,
    RecordingInput,
    SplitInput,
    TermsInput,
    TierName,
    number_or_digits,
)

MOST_EVIDENCE: Final = 200_000
"""Characters of evidence that is given as text."""

SIGNATURE_DAYS: Final = 8
"""How many days a signature may be usable: a report that waits for longer would block its stream."""
SPLIT_CHANGE_DAYS: Final = 366
"""How many days the signatures of a split change may be usable: others have to sign, too."""

LicenseNumber = Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]
UInt64Input = Annotated[
    int,
    BeforeValidator(number_or_digits),
    Field(strict=True, ge=0, le=UINT64_MAX),
    PlainSerializer(str, return_type=str, when_used="json"),
]
PAYEES_EXAMPLE: Final[list[JsonValue]] = [
    {"account": ACCOUNT_EXAMPLE, "share_ppm": 1_000_000, "role": "performer"}
]


class ActRequest(InputModel, ABC):
    """A request to prepare an act of one kind: POST /v1/acts/<kind>."""

    kind: ClassVar[ActKind]
    message: ClassVar[type[Message]]
    """What is signed."""
    signature_days: ClassVar[int] = SIGNATURE_DAYS
    """How many days its signature may be usable at most."""

    def body(self) -> dict[str, Any]:
        """The request as JSON: the members that it names."""
        return self.model_dump(mode="json", exclude_unset=True)

    @abstractmethod
    def expected(self, account: str) -> dict[str, Any]:
        """Fields of the message that `account` signs, by name: all that the request decides."""


class MintRequest(ActRequest, RecordingInput, SplitInput):
    """A recording with what AI may do with it, and who is paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recording": {
                        "title": "Aurora",
                        "artists": ["Nadia Vale"],
                        "isrc": "AA6Q72000047",
                        "content_hash": "0x" + "5e" * 32,
                    },
                    "terms": {"preset": "train-dont-imitate"},
                    "payees": PAYEES_EXAMPLE,
                }
            ]
        }
    )
    kind: ClassVar[ActKind] = "mint"
    message: ClassVar[type[Message]] = typed_data.Mint

    terms: TermsInput
    owner: Address | None = Field(
        default=None,
        description="Whose licence it will be, where an operator asks. Default: the caller.",
    )

    @classmethod
    def of(
        cls,
        recording: Recording,
        terms: Terms,
        split: Split | None = None,
        image: str | None = None,
        owner: str | None = None,
    ) -> MintRequest:
        """A request that gives terms and payees by their numbers; without a split the owner alone is paid."""
        optional = {"image": image, "owner": owner, "payees": split and payees_of(split)}
        return cls.model_validate(
            {
                "recording": recording.model_dump(mode="json", exclude_none=True),
                "terms": terms_json(terms),
                **{name: value for name, value in optional.items() if value is not None},
            }
        )

    def covered_recording(self) -> Recording:
        """The recording, with the scope that the preset needs where the request names no scope."""
        preset = self.terms.named_preset()
        if preset is None or "scope" in self.recording.model_fields_set:
            return self.recording
        return self.recording.model_copy(update={"scope": preset.scope})

    def document(self) -> LicenseDocument:
        """The document that the licence will have, to the byte. Raises InputError."""
        return license_document(
            recording=self.covered_recording(), terms=self.terms.terms(), image=self.image
        )

    def expected(self, account: str) -> dict[str, Any]:
        owner = self.owner or account
        return {
            "account": owner,
            "terms": self.terms.terms(),
            "split": self.split(owner),
            "document": self.document().digest(),
            "content": self.recording.content_hash,
        }


class AmendRequest(ActRequest, SplitInput):
    """New terms, or new facts about the recording; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"license_id": 3, "terms": {"preset": "analysis-only"}}]}
    )
    kind: ClassVar[ActKind] = "amend"
    message: ClassVar[type[Message]] = typed_data.Amend

    license_id: LicenseNumber
    terms: TermsInput | None = None
    recording: Recording | None = None
    image: Annotated[str, Field(max_length=2_048)] | None = None

    @classmethod
    def of(
        cls,
        license_id: int,
        document: LicenseDocument,
        *,
        terms: Terms | None = None,
        recording: Recording | None = None,
        image: str | None = None,
    ) -> AmendRequest:
        """An amendment of a licence that has this document now; it names what stays as well."""
        facts = (recording or document.recording).model_dump(mode="json", exclude_none=True)
        return cls.model_validate(
            {
                "license_id": license_id,
                "terms": terms_json(terms or document.terms.terms()),
                "recording": facts,
                "image": image or document.image,
            }
        )

    def document(self) -> LicenseDocument:
        """The document that the licence will have, to the byte. Raises InputError where something is left out."""
        if self.terms is None or self.recording is None:
            raise InputError("name terms and recording: what is left out cannot be compared")
        return license_document(
            recording=self.recording, terms=self.terms.terms(), image=self.image
        )

    def expected(self, account: str) -> dict[str, Any]:
        document = self.document()
        return {
            "account": account,
            "license_id": self.license_id,
            "terms": document.terms.terms(),
            "document": document.digest(),
        }


class LicenseRequest(ActRequest):
    """One licence."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"license_id": 3}]})

    license_id: LicenseNumber

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "license_id": self.license_id}


class RevokeRequest(LicenseRequest):
    """The end of a licence with its running term."""

    kind: ClassVar[ActKind] = "revoke"
    message: ClassVar[type[Message]] = typed_data.Revoke


class ReinstateRequest(LicenseRequest):
    """A revocation taken back."""

    kind: ClassVar[ActKind] = "reinstate"
    message: ClassVar[type[Message]] = typed_data.Reinstate


class ChangeSplitRequest(ActRequest, SplitInput):
    """Who is paid from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"license_id": 3, "payees": PAYEES_EXAMPLE}]}
    )
    kind: ClassVar[ActKind] = "change-split"
    message: ClassVar[type[Message]] = typed_data.ChangeSplit
    signature_days: ClassVar[int] = SPLIT_CHANGE_DAYS

    license_id: LicenseNumber

    @classmethod
    def of(cls, license_id: int, split: Split) -> ChangeSplitRequest:
        """A change to this split."""
        return cls.model_validate({"license_id": license_id, "payees": payees_of(split)})

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": account,
            "license_id": self.license_id,
            "to_split": self.split(None),
        }


class OperatorRequest(ActRequest):
    """Whom to let act for all of one's licences, or no longer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operator": ACCOUNT_EXAMPLE, "approved": True}]}
    )
    kind: ClassVar[ActKind] = "operator"
    message: ClassVar[type[Message]] = typed_data.ApproveOperator

    operator: Address
    approved: bool = True

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "operator": self.operator, "approved": self.approved}


class GrantRequest(ActRequest):
    """A platform's request for a grant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_id": 1}]})
    kind: ClassVar[ActKind] = "grant"
    message: ClassVar[type[Message]] = typed_data.ApproveGrant

    request_id: LicenseNumber

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account}


class ClaimRequest(ActRequest):
    """Take what is claimable. `minimum_units`: not if it is less, millionths of a dollar."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"minimum_units": "1000000"}]})
    kind: ClassVar[ActKind] = "claim"
    message: ClassVar[type[Message]] = typed_data.Claim

    to: Address | None = Field(default=None, description="Where to; default: the payee itself.")
    minimum_units: UInt64Input = 1

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "to": self.to or account, "minimum": self.minimum_units}


class RedirectRequest(ActRequest):
    """Where later claims are paid. The payee's own account undoes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": ACCOUNT_EXAMPLE}]})
    kind: ClassVar[ActKind] = "redirect"
    message: ClassVar[type[Message]] = typed_data.Redirect

    to: Address

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "to": ZERO_ADDRESS if self.to == account else self.to}


class GuardClaimsRequest(ActRequest):
    """Whether nobody else may claim for one. What is owed can then pay the bond of a challenge for sure."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"guarded": True}]})
    kind: ClassVar[ActKind] = "guard-claims"
    message: ClassVar[type[Message]] = typed_data.GuardClaims

    guarded: bool = True

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "guarded": self.guarded}


class ChallengeRequest(ActRequest):
    """A row of a report and what its quantity should be, in millionths of a unit; and the evidence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "report_id": "0x" + "ab" * 32,
                    "license_id": 3,
                    "tier": "GENERATIVE",
                    "metric": "GENERATION",
                    "claimed_quantity": "15000000000",
                    "evidence_text": "A list of outputs that name the recording.",
                }
            ]
        }
    )
    kind: ClassVar[ActKind] = "challenge"
    message: ClassVar[type[Message]] = typed_data.Challenge

    report_id: Bytes32
    license_id: LicenseNumber
    tier: TierName
    metric: Annotated[str, Field(pattern="^(TRAINING_RUN|GENERATION|PLAYBACK)$")]
    claimed_quantity: UInt64Input
    evidence: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="The CID of a public document that shows it."
    )
    evidence_text: Annotated[str, Field(min_length=1, max_length=MOST_EVIDENCE)] | None = Field(
        default=None,
        description="Or the evidence itself, as text. It becomes public for ever: nothing personal.",
    )

    def body(self) -> dict[str, Any]:
        self.evidence_digest()
        return super().body()

    def evidence_digest(self) -> bytes:
        """The sha-256 of the evidence. Raises InputError where it is missing or is no CID."""
        if (self.evidence is None) == (self.evidence_text is None):
            raise InputError("give the evidence: its CID, or its text", field="evidence")
        if self.evidence is None:
            return sha256((self.evidence_text or "").encode())
        try:
            return digest_from_cid(self.evidence)
        except InputError as error:
            raise InputError(error.reason, field="evidence") from None

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": account,
            "report_id": self.report_id,
            "license_id": self.license_id,
            "tier": Tier[self.tier],
            "metric": Metric[self.metric],
            "claimed_quantity": self.claimed_quantity,
            "evidence": self.evidence_digest(),
        }


REQUESTS: Final[Mapping[str, type[ActRequest]]] = {
    request.kind: request
    for request in (
        MintRequest,
        AmendRequest,
        RevokeRequest,
        ReinstateRequest,
        ChangeSplitRequest,
        OperatorRequest,
        GrantRequest,
        ClaimRequest,
        RedirectRequest,
        GuardClaimsRequest,
        ChallengeRequest,
    )
}
"""Every kind of act, by its name."""


def payees_of(split: Split) -> list[dict[str, Any]]:
    """Payees as requests hold them."""
    return [
        {"account": payee.account, "share_ppm": payee.share, "role": role_word(payee.role)}
        for payee in split.payees
    ]
