"""Acts: prepare, sign, follow. Each is prepared with a preview; nothing happens before it is signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, or_, select
from starlette.convertors import register_url_convertor

from backend.actions.budget import Budget
from backend.actions.kinds.approvals import GrantGiven, OperatorGiven, draft_grant, draft_operator
from backend.actions.kinds.challenge import ChallengeGiven, draft_challenge
from backend.actions.kinds.claims import ClaimGiven, RedirectGiven, draft_claim, draft_redirect
from backend.actions.kinds.mint import AmendGiven, MintGiven, draft_amend, draft_mint
from backend.actions.kinds.revocation import LicenseGiven, draft_reinstate, draft_revoke
from backend.actions.kinds.split_change import ChangeSplitGiven, draft_split_change
from backend.actions.responses import (
    ActKind,
    ActShown,
    ActStateWord,
    InvitationShown,
    shown_act,
    shown_invitation,
)
from backend.actions.sign import accept, invitations_of, sign_act, was_sent
from backend.actions.store import Draft, Idempotency, earlier, keep
from backend.auth.deps import AccountDep
from backend.db.service_db import Act, ActState, Invitation
from backend.http.callers import Caller
from backend.http.deps import IdConvertor, ServicesDep
from backend.http.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.http.schemas import Page, problems
from backend.services import Services
from obbligato.errors import NotFound
from obbligato.server.database import now as wall_clock
from obbligato.server.http import Problem

# `/v1/acts/mint` is no act: it takes POST alone.
register_url_convertor("id32", IdConvertor())

router = APIRouter(prefix="/v1/acts", tags=["acts"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any word of your own: the same request with the same key is prepared once.",
    ),
]
ActId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
SignatureText = Annotated[str, Field(pattern="^0x(?:[0-9a-fA-F]{2}){1,5000}$")]
Given = TypeVar("Given", bound=BaseModel)

PREPARING = problems(401, 403, 404, 409, 422)


class SignatureGiven(BaseModel):
    """The signature of the act's typed data: 65 bytes of a key, or whatever a contract account takes."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"signature": "0x" + "1f" * 64 + "1b"}]}
    )

    signature: SignatureText


class SentGiven(BaseModel):
    """The hash of the transaction that the author's own wallet sent."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"transaction": "0x" + "ab" * 32}]}
    )

    transaction: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]


def _prepared(
    services: Services,
    caller: Caller,
    given: Given,
    key: str | None,
    draft: Callable[[Services, Caller, Given], Draft],
) -> ActShown:
    again = Idempotency.of(key, draft.__name__, given.model_dump(mode="json"))
    act = earlier(services, caller, again)
    if act is None:
        act = keep(services, caller, draft(services, caller, given), again)
    return _act_response(services, act)


def _act_response(services: Services, act: Act) -> ActShown:
    with services.service_db.reading() as session:
        invitations = invitations_of(session, act.id)
    return shown_act(services, act, invitations)


@router.post("/mint", operation_id="prepare_mint", status_code=201, responses=PREPARING)
def prepare_mint(
    given: MintGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare a licence.

    Checks everything, stores the licence document and the legal text and reads them back, and answers with what
    will be granted in plain words and what to sign. Warns where the recording is licensed already. The recording
    itself stays with you: give its sha-256.
    """
    return _prepared(services, caller, given, key, draft_mint)


@router.post("/amend", operation_id="prepare_amend", status_code=201, responses=PREPARING)
def prepare_amend(
    given: AmendGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare new terms or new facts for a licence.

    A tier that is only added counts at once, anything else from the next term; the preview says which.
    """
    return _prepared(services, caller, given, key, draft_amend)


@router.post("/revoke", operation_id="prepare_revoke", status_code=201, responses=PREPARING)
def prepare_revoke(
    given: LicenseGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare the end of a licence with its running term."""
    return _prepared(services, caller, given, key, draft_revoke)


@router.post("/reinstate", operation_id="prepare_reinstate", status_code=201, responses=PREPARING)
def prepare_reinstate(
    given: LicenseGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare to take a revocation back, before it takes effect."""
    return _prepared(services, caller, given, key, draft_reinstate)


@router.post(
    "/change-split", operation_id="prepare_split_change", status_code=201, responses=PREPARING
)
def prepare_split_change(
    given: ChangeSplitGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare other payees or shares.

    Every payee whose share shrinks is invited to sign; the change is sent once all of them and you have.
    """
    return _prepared(services, caller, given, key, draft_split_change)


@router.post("/operator", operation_id="prepare_operator", status_code=201, responses=PREPARING)
def prepare_operator(
    given: OperatorGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare to let a society or a label act for all of your licences, or to end that."""
    return _prepared(services, caller, given, key, draft_operator)


@router.post("/grant", operation_id="prepare_grant", status_code=201, responses=PREPARING)
def prepare_grant(
    given: GrantGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare the approval of a grant that a platform asked for."""
    return _prepared(services, caller, given, key, draft_grant)


@router.post("/claim", operation_id="prepare_claim", status_code=201, responses=PREPARING)
def prepare_claim(
    given: ClaimGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare to take all that your splits have earned, in one transaction."""
    return _prepared(services, caller, given, key, draft_claim)


@router.post("/redirect", operation_id="prepare_redirect", status_code=201, responses=PREPARING)
def prepare_redirect(
    given: RedirectGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare to have your claims sent to another account."""
    return _prepared(services, caller, given, key, draft_redirect)


@router.post("/challenge", operation_id="prepare_challenge", status_code=201, responses=PREPARING)
def prepare_challenge(
    given: ChallengeGiven, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
) -> ActShown:
    """Prepare to contest one row of a report.

    The bond comes out of what you have earned: it takes neither gas nor cash.
    """
    return _prepared(services, caller, given, key, draft_challenge)


@router.get("", operation_id="list_acts", responses=problems(401, 403, 422))
def list_acts(
    services: ServicesDep,
    caller: AccountDep,
    kind: ActKind | None = None,
    state: ActStateWord | None = None,
    license_id: Annotated[int | None, Query(ge=1, le=2**32 - 1)] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ActShown]:
    """Your acts, and those you prepared for others; newest first."""
    query = select(Act).where(or_(Act.account == caller.account, Act.made_by == caller.account))
    if kind is not None:
        query = query.where(Act.kind == kind)
    if state is not None:
        query = query.where(Act.state == state)
    if license_id is not None:
        query = query.where(Act.license_id == license_id)
    if cursor is not None:
        at, identity = decode_cursor(cursor, int, str)
        query = query.where(or_(Act.created_at < at, and_(Act.created_at == at, Act.id < identity)))
    with services.service_db.reading() as session:
        acts = session.scalars(
            query.order_by(Act.created_at.desc(), Act.id.desc()).limit(limit + 1)
        ).all()
        asked: dict[str, list[Invitation]] = {act.id: [] for act in acts}
        for each in session.scalars(select(Invitation).where(Invitation.act_id.in_(asked))):
            asked[each.act_id].append(each)
    return page(
        acts,
        limit,
        lambda act: (act.created_at, act.id),
        lambda act: shown_act(services, act, asked[act.id]),
    )


@router.get("/{act_id:id32}", operation_id="get_act", responses=problems(404, 422))
def get_act(act_id: ActId, services: ServicesDep) -> ActShown:
    """One act.

    Whoever knows its id may look: it says what will be on the public chain, and waits for a signature.
    """
    return _act_response(services, _found(services, act_id))


@router.post("/{act_id:id32}/signature", operation_id="sign_act", responses=problems(404, 409, 422))
def post_signature(act_id: ActId, given: SignatureGiven, services: ServicesDep) -> ActShown:
    """Hand in the signature of an act.

    It is checked, tried on the chain and then sent for you. The signature says who you are: no sign-in is needed.
    The same signature again changes nothing.
    """
    act = _found(services, act_id)
    if act.signature is None:
        # Counted before it is checked by the chain: trying costs something, too.
        with services.service_db.work() as session:
            Budget(services.settings).check(session, act.account, wall_clock())
    signed = sign_act(services, act_id, bytes.fromhex(given.signature[2:]))
    if act.signature is None:
        with services.service_db.work() as session:
            Budget(services.settings).take(session, act.account, wall_clock())
    return _act_response(services, signed)


@router.post(
    "/{act_id:id32}/sent", operation_id="act_was_sent", responses=problems(401, 403, 404, 409, 422)
)
def post_sent(
    act_id: ActId, given: SentGiven, services: ServicesDep, caller: AccountDep
) -> ActShown:
    """Say that your own wallet sent the act's transaction, to have it followed."""
    return _act_response(services, was_sent(services, caller, act_id, given.transaction))


@router.delete(
    "/{act_id:id32}",
    operation_id="withdraw_act",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
def withdraw_act(act_id: ActId, services: ServicesDep, caller: AccountDep) -> Response:
    """Withdraw an act that was not sent yet."""
    with services.service_db.work() as session:
        act = session.get(Act, act_id, with_for_update=True)
        if act is None:
            raise NotFound("there is no such act")
        if caller.account not in (act.account, act.made_by):
            raise Problem(
                403, "Not your act", "Only its author or who prepared it can withdraw it."
            )
        if act.state == ActState.WITHDRAWN:
            return Response(status_code=204)
        if act.state not in (ActState.PREPARED, ActState.INVITING):
            raise Problem(409, "Not any more", f"This act is {act.state}.")
        act.state = ActState.WITHDRAWN
    return Response(status_code=204)


def _found(services: Services, act_id: str) -> Act:
    with services.service_db.reading() as session:
        act = session.get(Act, act_id)
    if act is None:
        raise NotFound("there is no such act")
    return act


invitations_router = APIRouter(prefix="/v1/invitations", tags=["acts"])

InvitationId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@invitations_router.get("", operation_id="list_invitations", responses=problems(401, 403, 422))
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
    with services.service_db.reading() as session:
        rows = session.execute(query.order_by(Invitation.id).limit(limit + 1)).all()
    return page(
        rows,
        limit,
        lambda row: (row[0].id,),
        lambda row: shown_invitation(services, row[0], row[1]),
    )


@invitations_router.get(
    "/{invitation_id}", operation_id="get_invitation", responses=problems(404, 422)
)
def get_invitation(invitation_id: InvitationId, services: ServicesDep) -> InvitationShown:
    """One invitation. Whoever was sent its link may look."""
    return _invitation_response(services, invitation_id)


@invitations_router.post(
    "/{invitation_id}/signature",
    operation_id="accept_invitation",
    responses=problems(404, 409, 422),
)
def accept_invitation(
    invitation_id: InvitationId, given: SignatureGiven, services: ServicesDep
) -> InvitationShown:
    """Agree to a smaller share, with your signature. The signature says who you are: no sign-in is needed."""
    accept(services, invitation_id, bytes.fromhex(given.signature[2:]))
    return _invitation_response(services, invitation_id)


@invitations_router.post(
    "/{invitation_id}/decline",
    operation_id="decline_invitation",
    responses=problems(401, 403, 404, 409, 422),
)
def decline_invitation(
    invitation_id: InvitationId, services: ServicesDep, caller: AccountDep
) -> InvitationShown:
    """Say no. The change is then not made, unless you agree later."""
    with services.service_db.work() as session:
        invitation = session.get(Invitation, invitation_id)
        if invitation is None:
            raise NotFound("there is no such invitation")
        if invitation.account != caller.account:
            raise Problem(403, "Not your invitation", f"It was sent to {invitation.account}.")
        if invitation.signature is not None:
            raise Problem(409, "Agreed already", "You have agreed: the change may be on its way.")
        invitation.declined_at = services.now()
    return _invitation_response(services, invitation_id)


def _invitation_response(services: Services, invitation_id: str) -> InvitationShown:
    with services.service_db.reading() as session:
        invitation = session.get(Invitation, invitation_id)
        if invitation is None:
            raise NotFound("there is no such invitation")
        act = session.get_one(Act, invitation.act_id)
    return shown_invitation(services, invitation, act)
