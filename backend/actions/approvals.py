"""Preparing approvals: an operator for all of an owner's licences, and a grant that a platform asked for."""

from __future__ import annotations

from typing import Any

from backend.actions.calls import REGISTRY, Call
from backend.actions.license_acts import license_of_caller
from backend.actions.store import PreparedAct
from backend.db import index_db
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents.wording import TIER_MEANINGS, dollars, tier_title
from obbligato.errors import InputError, NotFound, RefusedError
from obbligato.protocol.constants import Tier
from obbligato.protocol.grants import request_digest
from obbligato.protocol.types import ZERO_ADDRESS, ZERO_DIGEST
from obbligato.schemas.acts import GrantRequest, OperatorRequest
from obbligato.schemas.backend import Preview


def prepare_operator(services: Services, caller: Caller, request: OperatorRequest) -> PreparedAct:
    """Prepare to let a society or a label act for all of your licences, or to end that.

    Raises InputError, RefusedError, ChainError.
    """
    if request.operator in (ZERO_ADDRESS, caller.account):
        raise InputError("name another account than your own", field="operator")
    is_operator = services.chain.call(
        REGISTRY, "isApprovedForAll", caller.account, request.operator
    )
    if is_operator == request.approved:
        raise RefusedError(
            f"{request.operator} is {'' if is_operator else 'not '}your operator already: nothing to change"
        )
    sentences = (
        [
            f"{request.operator} may mint, change and revoke all of your licences, now and later.",
            "It never receives your money: that goes to the payees of each licence.",
            "You can end this whenever you like.",
        ]
        if request.approved
        else [f"{request.operator} can no longer act for your licences. What it did stays."]
    )
    return PreparedAct(
        kind="operator",
        account=caller.account,
        fields={"operator": request.operator, "approved": request.approved},
        function="approveOperatorBySignature",
        direct=Call(REGISTRY, "setApprovalForAll", [request.operator, request.approved]),
        preview=Preview(
            title=f"{'Make' if request.approved else 'End'} {request.operator} as your operator",
            sentences=sentences,
        ),
    )


def prepare_grant(services: Services, caller: Caller, request: GrantRequest) -> PreparedAct:
    """Prepare the approval of a grant that a platform asked for.

    Raises NotFound, RefusedError, Problem 403, ChainError.
    """
    with services.index_db.reading() as session:
        row = session.get(index_db.GrantRequest, request.request_id)
        if row is None:
            raise NotFound(f"there is no request {request.request_id} for a grant")
        platform = session.get_one(index_db.Platform, row.platform_id)
    known = license_of_caller(services, caller, row.license_id)
    if row.approved_by is not None:
        raise RefusedError(f"request {request.request_id} is approved already")
    tier = Tier(row.tier)
    model = (
        "any of its models" if row.model_id == ZERO_DIGEST else f"its model 0x{row.model_id.hex()}"
    )
    asked: dict[str, Any] = {
        "license_id": known.license_id,
        "tier": tier,
        "platform_id": row.platform_id,
        "platform_admin": platform.admin,
        "model_id": row.model_id,
        "fee": row.fee_units,
    }
    digest = request_digest(document=known.current_document, **asked)
    return PreparedAct(
        kind="grant",
        account=known.owner,
        fields={"current_document": known.current_document, **asked},
        function="approveBySignature",
        arguments=[row.request_id, known.current_document],
        direct=Call("Grants", "approve", [row.request_id, digest]),
        preview=Preview(
            title=f"Grant {tier_title(tier)} of {known.name} to platform {row.platform_id}",
            sentences=[
                f"Platform {row.platform_id} may use {known.name} for {tier_title(tier)}: {TIER_MEANINGS[tier]}.",
                f"That is for {model}, from when it pays to the end of the licence's term then running.",
                "While it holds one, a payment in the last 30 days of the term is for the whole next term.",
                "A grant that was paid holds until its end, even if you change your terms or revoke the licence.",
                f"It pays {dollars(row.fee_units)} once, to the payees of the licence, beside the prices for use.",
                "Your approval holds as long as the licence's document stays the same, or until you withdraw it.",
            ],
        ),
        license_id=known.license_id,
    )
