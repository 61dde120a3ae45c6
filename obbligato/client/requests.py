"""What somebody asks the backend to prepare, and what has to be in the message that is then signed.

Each class knows its request, and the fields that the message must have, computed from the request alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from obbligato.documents import (
    LicenseDocument,
    Recording,
    digest_from_cid,
    license_document,
    sha256,
)
from obbligato.documents.terms_input import terms_json
from obbligato.documents.wording import role_word
from obbligato.errors import InputError
from obbligato.protocol.constants import PPM, UINT64_MAX, Metric, Role, Tier
from obbligato.protocol.eip712 import Message
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import (
    Amend,
    ApproveGrant,
    ApproveOperator,
    Challenge,
    ChangeSplit,
    Claim,
    Mint,
    Redirect,
    Reinstate,
    Revoke,
)
from obbligato.protocol.types import ZERO_ADDRESS


class Asked(Protocol):
    """A request to prepare an act."""

    @property
    def kind(self) -> str:
        """The act's kind: the last word of the path."""
        ...

    @property
    def message(self) -> type[Message]:
        """What will be signed."""
        ...

    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        ...

    def expected(self, account: str) -> dict[str, Any]:
        """Fields of the message that `account` will sign, by name: all that the request decides."""
        ...


@dataclass(frozen=True, slots=True)
class MintAsked:
    """A licence: a recording, what AI may do with it, who is paid (nobody named: the owner alone)."""

    recording: Recording
    terms: Terms
    split: Split | None = None
    image: str | None = None
    owner: str | None = None

    kind: ClassVar[str] = "mint"
    message: ClassVar[type[Message]] = Mint

    def document(self) -> LicenseDocument:
        """The document that the licence will have, to the byte. Raises InputError."""
        return license_document(recording=self.recording, terms=self.terms, image=self.image)

    def split_for(self, account: str) -> Split:
        """Who is paid where `account` is the owner."""
        alone = Payee(account=account, share=PPM, role=Role.PERFORMER)
        return self.split or Split.of([alone])

    def body(self) -> dict[str, Any]:
        owned = {} if self.owner is None else {"owner": self.owner}
        paid = {} if self.split is None else {"payees": payees_json(self.split)}
        return {
            "recording": self.recording.model_dump(mode="json", exclude_none=True),
            "image": self.image,
            "terms": terms_json(self.terms),
            **paid,
            **owned,
        }

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": self.owner or account,
            "terms": self.terms.digest(),
            "split": self.split_for(self.owner or account).digest(),
            "document": self.document().digest(),
            "content": self.recording.content_hash,
        }


@dataclass(frozen=True, slots=True)
class AmendAsked:
    """New terms or new facts. What is not to change is given as it is: `of` makes it from the document."""

    license_id: int
    recording: Recording
    terms: Terms
    image: str | None = None

    kind: ClassVar[str] = "amend"
    message: ClassVar[type[Message]] = Amend

    @classmethod
    def of(
        cls,
        license_id: int,
        document: LicenseDocument,
        *,
        terms: Terms | None = None,
        recording: Recording | None = None,
        image: str | None = None,
    ) -> AmendAsked:
        """An amendment of a licence that has this document now."""
        return cls(
            license_id,
            recording or document.recording,
            terms or document.terms.terms(),
            image or document.image,
        )

    def document(self) -> LicenseDocument:
        """The document that the licence will have, to the byte. Raises InputError."""
        return license_document(recording=self.recording, terms=self.terms, image=self.image)

    def body(self) -> dict[str, Any]:
        return {
            "license_id": self.license_id,
            "terms": terms_json(self.terms),
            "recording": self.recording.model_dump(mode="json", exclude_none=True),
            "image": self.image,
        }

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": account,
            "license_id": self.license_id,
            "terms": self.terms.digest(),
            "document": self.document().digest(),
        }


@dataclass(frozen=True, slots=True)
class RevokeAsked:
    """The end of a licence with its running term."""

    license_id: int

    kind: ClassVar[str] = "revoke"
    message: ClassVar[type[Message]] = Revoke

    def body(self) -> dict[str, Any]:
        return {"license_id": self.license_id}

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "license_id": self.license_id}


@dataclass(frozen=True, slots=True)
class ReinstateAsked:
    """A revocation taken back."""

    license_id: int

    kind: ClassVar[str] = "reinstate"
    message: ClassVar[type[Message]] = Reinstate

    def body(self) -> dict[str, Any]:
        return {"license_id": self.license_id}

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "license_id": self.license_id}


@dataclass(frozen=True, slots=True)
class SplitChangeAsked:
    """Who is paid from now on."""

    license_id: int
    split: Split

    kind: ClassVar[str] = "change-split"
    message: ClassVar[type[Message]] = ChangeSplit

    def body(self) -> dict[str, Any]:
        return {"license_id": self.license_id, "payees": payees_json(self.split)}

    def expected(self, account: str) -> dict[str, Any]:
        return {
            "account": account,
            "license_id": self.license_id,
            "to_split": self.split.digest(),
        }


@dataclass(frozen=True, slots=True)
class OperatorAsked:
    """Somebody who may act for all of one's licences, or no longer."""

    operator: str
    approved: bool = True

    kind: ClassVar[str] = "operator"
    message: ClassVar[type[Message]] = ApproveOperator

    def body(self) -> dict[str, Any]:
        return {"operator": self.operator, "approved": self.approved}

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "operator": self.operator, "approved": self.approved}


@dataclass(frozen=True, slots=True)
class GrantAsked:
    """The approval of a platform's request; what is known of the request is compared with what is signed."""

    request_id: int
    license_id: int | None = None
    tier: Tier | None = None
    platform_id: int | None = None
    fee_units: int | None = None

    kind: ClassVar[str] = "grant"
    message: ClassVar[type[Message]] = ApproveGrant

    def body(self) -> dict[str, Any]:
        return {"request_id": self.request_id}

    def expected(self, account: str) -> dict[str, Any]:
        known = {
            "license_id": self.license_id,
            "tier": self.tier,
            "platform_id": self.platform_id,
            "fee": self.fee_units,
        }
        return {
            "account": account,
            **{name: value for name, value in known.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class ClaimAsked:
    """All that the splits have earned, at least `minimum_units`, sent to `to` (default: the payee)."""

    to: str | None = None
    minimum_units: int = 1

    kind: ClassVar[str] = "claim"
    message: ClassVar[type[Message]] = Claim

    def body(self) -> dict[str, Any]:
        return {"to": self.to, "minimum_units": str(self.minimum_units)}

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "to": self.to or account, "minimum": self.minimum_units}


@dataclass(frozen=True, slots=True)
class RedirectAsked:
    """Where later claims go; the payee's own account undoes it."""

    to: str

    kind: ClassVar[str] = "redirect"
    message: ClassVar[type[Message]] = Redirect

    def body(self) -> dict[str, Any]:
        return {"to": self.to}

    def expected(self, account: str) -> dict[str, Any]:
        return {"account": account, "to": ZERO_ADDRESS if self.to == account else self.to}


@dataclass(frozen=True, slots=True)
class ChallengeAsked:
    """What a row's quantity should be, in millionths of a unit, with evidence: a CID, or public text.

    `most_bond_units` bounds the bond that is signed for, in millionths of a dollar.
    """

    report_id: bytes
    license_id: int
    tier: Tier
    metric: Metric
    claimed_quantity: int
    evidence: str | None = None
    evidence_text: str | None = None
    most_bond_units: int = UINT64_MAX

    kind: ClassVar[str] = "challenge"
    message: ClassVar[type[Message]] = Challenge

    def __post_init__(self) -> None:
        if (self.evidence is None) == (self.evidence_text is None):
            raise InputError("give the evidence: its CID, or its text", field="evidence")

    def body(self) -> dict[str, Any]:
        return {
            "report_id": "0x" + self.report_id.hex(),
            "license_id": self.license_id,
            "tier": self.tier.name,
            "metric": self.metric.name,
            "claimed_quantity": str(self.claimed_quantity),
            "evidence": self.evidence,
            "evidence_text": self.evidence_text,
        }

    def expected(self, account: str) -> dict[str, Any]:
        evidence = (
            digest_from_cid(self.evidence)
            if self.evidence is not None
            else sha256((self.evidence_text or "").encode())
        )
        return {
            "account": account,
            "report_id": self.report_id,
            "license_id": self.license_id,
            "tier": self.tier,
            "metric": self.metric,
            "claimed_quantity": self.claimed_quantity,
            "evidence": evidence,
        }


def payees_json(split: Split) -> list[Mapping[str, Any]]:
    """Payees as the backend takes them."""
    return [
        {
            "account": payee.account,
            "share_ppm": payee.share,
            "role": role_word(payee.role),
        }
        for payee in split.payees
    ]
