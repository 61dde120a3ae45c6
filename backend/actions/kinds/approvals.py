"""Preparing approvals: an operator for all of an owner's licences, and a grant that a platform asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from backend.actions.authorization import check_licensor, known_license
from backend.actions.calls import REGISTRY, SIGNED, Call, hexadecimal
from backend.actions.previews import Preview
from backend.actions.schemas import Given
from backend.actions.store import Draft
from backend.db.head import read_head
from backend.db.index_db import GrantRequest, Platform
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents.wording import TIER_MEANINGS, dollars, tier_title
from obbligato.errors import InputError, NotFound, RefusedError
from obbligato.protocol.constants import Tier
from obbligato.protocol.typed_data import ApproveGrant, ApproveOperator
from obbligato.protocol.types import ZERO_ADDRESS, ZERO_DIGEST, Address


class OperatorGiven(Given):
    """Whom to let act for all of one's licences, or no longer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"operator": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "approved": True}
            ]
        }
    )

    operator: Address
    approved: bool = True


class GrantGiven(Given):
    """A platform's request for a grant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_id": 1}]})

    request_id: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]


def draft_operator(services: Services, caller: Caller, given: OperatorGiven) -> Draft:
    """An operator's approval or its end. Raises InputError, RefusedError, ChainError."""
    if given.operator in (ZERO_ADDRESS, caller.account):
        raise InputError("name another account than your own", field="operator")
    is_so = services.chain.call(REGISTRY, "isApprovedForAll", caller.account, given.operator)
    if is_so == given.approved:
        raise RefusedError(
            f"{given.operator} is {'' if is_so else 'not '}your operator already: nothing to change"
        )
    sentences = (
        [
            f"{given.operator} may mint, change and revoke all of your licences, now and later.",
            "It never receives your money: that goes to the payees of each licence.",
            "You can end this whenever you like.",
        ]
        if given.approved
        else [f"{given.operator} can no longer act for your licences. What it did stays."]
    )
    return Draft(
        kind="operator",
        account=caller.account,
        message=ApproveOperator,
        fields={"operator": given.operator, "approved": given.approved},
        call=Call(REGISTRY, "approveOperatorBySignature", [given.operator, given.approved, SIGNED]),
        direct=Call(REGISTRY, "setApprovalForAll", [given.operator, given.approved]),
        preview=Preview(
            title=f"{'Make' if given.approved else 'End'} {given.operator} as your operator",
            sentences=sentences,
        ),
    )


def draft_grant(services: Services, caller: Caller, given: GrantGiven) -> Draft:
    """The approval of a grant. Raises NotFound, RefusedError, Problem 403, ChainError."""
    with services.index_db.reading() as session:
        asked = session.get(GrantRequest, given.request_id)
        if asked is None:
            raise NotFound(f"there is no request {given.request_id} for a grant")
        known = known_license(session, asked.license_id)
        platform = session.get_one(Platform, asked.platform_id)
        now = read_head(session).head_time
    by_operator = check_licensor(services, caller, known.license_id, known.owner)
    if asked.approved_by is not None:
        raise RefusedError(f"request {given.request_id} is approved already")
    tier = Tier(asked.tier)
    current = known.history.document_at(now) or known.document
    model = (
        "any of its models"
        if asked.model_id == ZERO_DIGEST
        else f"its model 0x{asked.model_id.hex()}"
    )
    return Draft(
        kind="grant",
        account=known.owner,
        message=ApproveGrant,
        fields={
            "license_id": known.license_id,
            "current_document": current,
            "tier": tier,
            "platform_id": asked.platform_id,
            "platform_admin": platform.admin,
            "model_id": asked.model_id,
            "fee": asked.fee_units,
        },
        call=Call("Grants", "approveBySignature", [asked.request_id, hexadecimal(current), SIGNED]),
        direct=Call("Grants", "approve", [asked.request_id]),
        preview=Preview(
            title=f"Grant {tier_title(tier)} of {known.name} to platform {asked.platform_id}",
            sentences=[
                f"Platform {asked.platform_id} may use {known.name} for {tier_title(tier)}: {TIER_MEANINGS[tier]}.",
                f"That is for {model}, and for one term of the licence from when it pays.",
                f"It pays {dollars(asked.fee_units)} once, to the payees of the licence, beside the prices for use.",
                "Your approval holds as long as the licence's document stays the same.",
            ],
        ),
        license_id=known.license_id,
        by_operator=by_operator,
    )
