"""What is compared before a key is used: nobody who runs a backend can have something else signed.

The digest that is signed is computed here, from message classes and a manifest that the client brought along.
Of what the backend sends only values that the request leaves open are taken: nonce, deadline, the digest of the
document that a licence has now. The contract compares those itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import Field

from obbligato.chain.deployment import Deployment
from obbligato.client.errors import ActRefused
from obbligato.documents.cid import check_block, cid_from_digest
from obbligato.documents.license import LicenseDocument
from obbligato.documents.wording import role_word
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.protocol.constants import UINT64_MAX, Role, Tier
from obbligato.protocol.eip712 import Contract, Domain, Message, TypedStruct
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.typed_data import AcceptSplit, Challenge
from obbligato.schemas.acts import (
    ActRequest,
    AmendRequest,
    ChallengeRequest,
    GrantRequest,
    MintRequest,
)
from obbligato.schemas.backend import ActResponse, InvitationResponse
from obbligato.store import ContentStore, StoreError
from obbligato.times import moment_text


class KnownGrantRequest(GrantRequest):
    """The approval of a platform's request for a grant; members that are named have to be those that are signed."""

    license_id: int | None = Field(default=None, exclude=True)
    tier: Tier | None = Field(default=None, exclude=True)
    platform_id: int | None = Field(default=None, exclude=True)
    fee_units: int | None = Field(default=None, exclude=True)

    def expected(self, account: str) -> dict[str, Any]:
        known = {
            "account": account,
            "license_id": self.license_id,
            "tier": self.tier,
            "platform_id": self.platform_id,
            "fee": self.fee_units,
        }
        return {name: value for name, value in known.items() if value is not None}


class BoundedChallengeRequest(ChallengeRequest):
    """A challenge whose bond is at most `most_bond_units` millionths of a dollar."""

    most_bond_units: int = Field(default=UINT64_MAX, exclude=True)


_ROLES = {role_word(role): role for role in Role}
AnyMessage = TypeVar("AnyMessage", bound=Message)


class Agreement(NamedTuple):
    """An invitation that was checked: what is signed, and who would be paid."""

    message: AcceptSplit
    split: Split


def domain_of(deployment: Deployment, contract: Contract) -> Domain:
    """Where signatures for a contract of this deployment count."""
    return Domain(
        contract=contract,
        chain_id=deployment.chain_id,
        address=deployment.address(contract.value.removeprefix("Obbligato ")),
    )


def verify_act(
    act: ActResponse,
    request: ActRequest,
    account: str,
    deployment: Deployment,
    documents: ContentStore,
    latest_deadline: int | None = None,
) -> Message:
    """The message of a prepared act, once it is certain that it says what was requested.

    `documents` is where the licence document has to be found: it must already be there, and say what was requested.
    `latest_deadline` bounds how long the signature may be used. Raises ActRefused.
    """
    if act.kind != request.kind:
        raise ActRefused(f"it prepared {act.kind}, requested was {request.kind}", field="kind")
    message = _message(act.typed_data, request.message, deployment, latest_deadline)
    for name, due in request.expected(account).items():
        value = getattr(message, name)
        if value != due:
            raise ActRefused(f"it says {_text(value)}, requested was {_text(due)}", field=name)
    if isinstance(request, BoundedChallengeRequest):
        assert isinstance(message, Challenge)
        bond = message.maximum_bond
        if bond > request.most_bond_units:
            raise ActRefused(
                f"{bond} millionths of a dollar, more than the {request.most_bond_units} allowed",
                field="maximum_bond",
            )
    if isinstance(request, MintRequest | AmendRequest):
        verify_document(documents, request.document())
    return message


def verify_document(documents: ContentStore, due: LicenseDocument) -> None:
    """Make sure that everybody can read the document. Raises ActRefused."""
    if _document(documents, due.digest()) != due:
        raise ActRefused(f"{due.cid()} is another document", field="document")


def document_of_digest(documents: ContentStore, digest: bytes) -> LicenseDocument:
    """The licence document of a digest, which it is compared with.

    Raises NotFound, StoreError, DigestMismatch, InputError.
    """
    cid = cid_from_digest(digest)
    return LicenseDocument.from_bytes(check_block(cid, documents.get(cid)))


def verify_invitation(
    invitation: InvitationResponse,
    account: str,
    deployment: Deployment,
    latest_deadline: int | None = None,
) -> Agreement:
    """The message of an invitation, once it is certain that it means the payees that it lists.

    Raises ActRefused.
    """
    message = _message(invitation.typed_data, AcceptSplit, deployment, latest_deadline)
    if message.account != account:
        raise ActRefused(f"it is for {message.account}, not for {account}", field="account")
    try:
        split = Split.of(
            [
                Payee(account=each.account, share=each.share_ppm, role=_ROLES[each.role])
                for each in invitation.preview.paid_to
            ]
        )
    except (InputError, KeyError) as error:
        raise ActRefused(f"the payees that are shown are no split: {error}") from error
    if split != message.to_split:
        raise ActRefused("the payees that are shown are not those to be signed", field="to_split")
    if split.share_of(account) != invitation.share_after_ppm:
        raise ActRefused("the share that is shown is not the one to be signed", field="to_split")
    return Agreement(message, split)


def _message(
    typed_data: Mapping[str, Any] | None,
    kind: type[AnyMessage],
    deployment: Deployment,
    latest_deadline: int | None,
) -> AnyMessage:
    if typed_data is None:
        raise ActRefused("it waits for no signature: look at its state")
    due = domain_of(deployment, kind.contract).as_json()
    if typed_data.get("domain") != due:
        raise ActRefused(
            f"it is for {_text(typed_data.get('domain'))}, the manifest names {_text(due)}",
            field="domain",
        )
    if typed_data.get("primaryType") != kind.primary_type():
        raise ActRefused(
            f"it is a {typed_data.get('primaryType')}, requested was a {kind.primary_type()}",
            field="primaryType",
        )
    try:
        message = kind.from_json(typed_data.get("message"))
    except InputError as error:
        raise ActRefused(error.reason, field=error.field) from error
    deadline: int = message.deadline  # type: ignore[attr-defined]  # every act has one
    if latest_deadline is not None and deadline > latest_deadline:
        raise ActRefused(
            f"it could be used until {moment_text(deadline)}, {moment_text(latest_deadline)} is the latest",
            field="deadline",
        )
    return message


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, TypedStruct):
        return f"those of digest 0x{value.struct_hash().hex()}"
    if isinstance(value, dict):
        return f"{value.get('name')} at {value.get('verifyingContract')} on chain {value.get('chainId')}"
    return str(getattr(value, "name", value))


def _document(documents: ContentStore, digest: bytes) -> LicenseDocument:
    try:
        return document_of_digest(documents, digest)
    except (NotFound, StoreError, DigestMismatch, InputError) as error:
        raise ActRefused(
            f"{cid_from_digest(digest)} cannot be read, and nothing is licensed before it can: {error}",
            field="document",
        ) from error
