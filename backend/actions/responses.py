"""Responses about acts and invitations, made from what is stored."""

from __future__ import annotations

from backend.actions.calls import Call
from backend.actions.messages import typed_data
from backend.db.service_db import Act, Invitation
from obbligato.chain.client import Chain
from obbligato.documents.cid import cid_from_digest
from obbligato.schemas.act_states import ActState, InvitationState
from obbligato.schemas.backend import (
    ActFailure,
    ActResponse,
    CallResponse,
    InvitationResponse,
    Preview,
)


def act_response(chain: Chain, act: Act) -> ActResponse:
    """One act."""
    is_prepared = act.state == ActState.PREPARED
    direct = act.material["direct"] if is_prepared and not act.invitations else None
    return ActResponse(
        id=act.id,
        kind=act.kind,
        state=ActState(act.state),
        account=act.account,
        made_by=act.made_by,
        license_id=act.license_id or (act.result or {}).get("license_id"),
        document=None if act.document is None else cid_from_digest(act.document),
        preview=Preview.model_validate(act.preview),
        warnings=act.warnings,
        deadline=act.deadline,
        typed_data=typed_data(chain, act) if is_prepared else None,
        transaction_to_send=None
        if direct is None
        else call_response(chain, Call.from_json(direct)),
        invitations=[each.id for each in act.invitations],
        waiting=act.waiting,
        problem=None if act.problem is None else ActFailure.model_validate(act.problem),
        result=act.result,
        transaction=act.transaction,
        created_at=act.created_at,
        updated_at=act.updated_at,
    )


def invitation_response(chain: Chain, invitation: Invitation, act: Act) -> InvitationResponse:
    """One invitation of an act."""
    return InvitationResponse(
        id=invitation.id,
        act_id=act.id,
        account=invitation.account,
        share_before_ppm=invitation.share_before_ppm,
        share_after_ppm=invitation.share_after_ppm,
        state=invitation.state,
        deadline=act.deadline,
        preview=Preview.model_validate(act.preview),
        typed_data=typed_data(chain, invitation)
        if invitation.state == InvitationState.WAITING
        else None,
    )


def call_response(chain: Chain, call: Call) -> CallResponse:
    """A transaction for somebody's own wallet."""
    return CallResponse(
        to=chain.deployment.address(call.contract), data="0x" + call.data(chain).hex()
    )
