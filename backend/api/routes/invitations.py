"""Split invitations: payees whose share shrinks say yes with a signature, or no."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select

from backend.acts.shown import InvitationShown, shown_invitation
from backend.acts.signing import accept
from backend.api.answers import Page, problems
from backend.api.context import AccountDep, ServicesDep
from backend.api.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.api.routes.acts import SignatureGiven
from backend.records import Act, ActState, Invitation
from backend.services import Services
from obbligato.errors import NotFound
from obbligato.service.http import Problem

router = APIRouter(prefix="/v1/invitations", tags=["acts"])

InvitationId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@router.get("", operation_id="list_invitations", responses=problems(401, 403, 422))
def list_invitations(
    services: ServicesDep, caller: AccountDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[InvitationShown]:
    """What you are asked to agree to, in the order of their ids."""
    query = (
        select(Invitation, Act)
        .join(Act, Act.id == Invitation.act_id)
        .where(
            Invitation.account == caller.account,
            Act.state.in_((ActState.PREPARED, ActState.INVITING)),
        )
    )
    if cursor is not None:
        query = query.where(Invitation.id > decode_cursor(cursor, str)[0])
    with services.records.reading() as session:
        rows = session.execute(query.order_by(Invitation.id).limit(limit + 1)).all()
    return page(
        rows,
        limit,
        lambda row: (row[0].id,),
        lambda row: shown_invitation(services, row[0], row[1]),
    )


@router.get("/{invitation_id}", operation_id="get_invitation", responses=problems(404, 422))
def get_invitation(invitation_id: InvitationId, services: ServicesDep) -> InvitationShown:
    """One invitation. Whoever was sent its link may look."""
    return _shown(services, invitation_id)


@router.post(
    "/{invitation_id}/signature",
    operation_id="accept_invitation",
    responses=problems(404, 409, 422),
)
def accept_invitation(
    invitation_id: InvitationId, given: SignatureGiven, services: ServicesDep
) -> InvitationShown:
    """Agree to a smaller share, with your signature. The signature says who you are: no sign-in is needed."""
    accept(services, invitation_id, bytes.fromhex(given.signature[2:]))
    return _shown(services, invitation_id)


@router.post(
    "/{invitation_id}/decline",
    operation_id="decline_invitation",
    responses=problems(401, 403, 404, 409, 422),
)
def decline_invitation(
    invitation_id: InvitationId, services: ServicesDep, caller: AccountDep
) -> InvitationShown:
    """Say no. The change is then not made, unless you agree later."""
    with services.records.work() as session:
        invitation = session.get(Invitation, invitation_id)
        if invitation is None:
            raise NotFound("there is no such invitation")
        if invitation.account != caller.account:
            raise Problem(403, "Not your invitation", f"It was sent to {invitation.account}.")
        if invitation.signature is not None:
            raise Problem(409, "Agreed already", "You have agreed: the change may be on its way.")
        invitation.declined_at = services.now()
    return _shown(services, invitation_id)


def _shown(services: Services, invitation_id: str) -> InvitationShown:
    with services.records.reading() as session:
        invitation = session.get(Invitation, invitation_id)
        if invitation is None:
            raise NotFound("there is no such invitation")
        act = session.get_one(Act, invitation.act_id)
    return shown_invitation(services, invitation, act)
