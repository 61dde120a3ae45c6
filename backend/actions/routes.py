"""Acts: prepare, sign, follow. Each is prepared with a preview; nothing happens before it is signed."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, or_, select
from starlette.convertors import register_url_convertor

from backend.actions.previews import allowed_uses, refused_uses, renewal_sentence
from backend.actions.registry import KINDS, ActHandler
from backend.actions.sign import (
    accept,
    act_of,
    decline,
    invitation_of,
    sign_act,
    was_sent,
    withdraw,
)
from backend.actions.store import Idempotency, act_response, invitation_response, store_act
from backend.auth.deps import AccountDep
from backend.db.service_db import Act, Invitation
from backend.http.deps import IdConvertor, ServicesDep
from backend.http.paging import CursorQuery, LimitQuery, decode_cursor, page
from backend.http.schemas import AnswerModel, Page, problems
from obbligato.documents.presets import PRESETS, Preset
from obbligato.documents.wording import condition_sentences, terms_with_legal_text
from obbligato.protocol.constants import Flag
from obbligato.schemas.act_states import ActKind, ActState
from obbligato.schemas.backend import ActResponse, AllowedUse, InvitationResponse

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


class SignatureRequest(BaseModel):
    """The signature of the act's typed data: 65 bytes of a key, or whatever a contract account takes."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"signature": "0x" + "1f" * 64 + "1b"}]}
    )

    signature: SignatureText


class SentRequest(BaseModel):
    """The hash of the transaction that the author's own wallet sent."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"transaction": "0x" + "ab" * 32}]}
    )

    transaction: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]


def _add_prepare_route(kind: ActHandler) -> None:
    """POST /v1/acts/<kind>: named after the function that prepares, described by its docstring."""
    name = kind.prepare.__name__

    def prepare(
        request: Any, services: ServicesDep, caller: AccountDep, key: IdempotencyKey = None
    ) -> ActResponse:
        idempotency = Idempotency.of(key, kind.request.kind, request.model_dump(mode="json"))
        act = None
        if idempotency is not None:
            with services.service_db.reading() as session:
                act = idempotency.earlier_act(session, caller)
        if act is None:
            prepared = kind.prepare(services, caller, request)
            act = store_act(services, caller, prepared, idempotency)
        return act_response(services.chain, act)

    prepare.__annotations__["request"] = kind.request
    router.post(
        f"/{kind.request.kind}",
        operation_id=name,
        name=name,
        description=(inspect.getdoc(kind.prepare) or "").split("\n\nRaises ")[0],
        status_code=201,
        responses=problems(401, 403, 404, 409, 422),
    )(prepare)


for _kind in KINDS.values():
    _add_prepare_route(_kind)


@router.get("", operation_id="list_acts", responses=problems(401, 403, 422))
def list_acts(
    services: ServicesDep,
    caller: AccountDep,
    kind: ActKind | None = None,
    state: ActState | None = None,
    license_id: Annotated[int | None, Query(ge=1, le=2**32 - 1)] = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> Page[ActResponse]:
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
    return page(
        acts,
        limit,
        lambda act: (act.created_at, act.id),
        lambda act: act_response(services.chain, act),
    )


@router.get("/{act_id:id32}", operation_id="get_act", responses=problems(404, 422))
def get_act(act_id: ActId, services: ServicesDep) -> ActResponse:
    """One act.

    Whoever knows its id may look: it says what will be on the public chain, and waits for a signature.
    """
    with services.service_db.reading() as session:
        return act_response(services.chain, act_of(session, act_id))


@router.post("/{act_id:id32}/signature", operation_id="sign_act", responses=problems(404, 409, 422))
def post_signature(act_id: ActId, request: SignatureRequest, services: ServicesDep) -> ActResponse:
    """Hand in the signature of an act.

    It is checked, tried on the chain and then sent for you. The signature says who you are: no sign-in is needed.
    The same signature again changes nothing.
    """
    act = sign_act(services, act_id, bytes.fromhex(request.signature[2:]))
    return act_response(services.chain, act)


@router.post(
    "/{act_id:id32}/sent", operation_id="act_was_sent", responses=problems(401, 403, 404, 409, 422)
)
def post_sent(
    act_id: ActId, request: SentRequest, services: ServicesDep, caller: AccountDep
) -> ActResponse:
    """Say that your own wallet sent the act's transaction, to have it followed."""
    act = was_sent(services, caller, act_id, request.transaction)
    return act_response(services.chain, act)


@router.delete(
    "/{act_id:id32}",
    operation_id="withdraw_act",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
def withdraw_act(act_id: ActId, services: ServicesDep, caller: AccountDep) -> Response:
    """Withdraw an act that was not sent yet."""
    withdraw(services, caller, act_id)
    return Response(status_code=204)


invitations_router = APIRouter(prefix="/v1/invitations", tags=["acts"])

InvitationId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@invitations_router.get("", operation_id="list_invitations", responses=problems(401, 403, 422))
def list_invitations(
    services: ServicesDep, caller: AccountDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> Page[InvitationResponse]:
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
        lambda row: invitation_response(services.chain, row[0], row[1]),
    )


@invitations_router.get(
    "/{invitation_id}", operation_id="get_invitation", responses=problems(404, 422)
)
def get_invitation(invitation_id: InvitationId, services: ServicesDep) -> InvitationResponse:
    """One invitation. Whoever was sent its link may look."""
    with services.service_db.reading() as session:
        return invitation_response(services.chain, *invitation_of(session, invitation_id))


@invitations_router.post(
    "/{invitation_id}/signature",
    operation_id="accept_invitation",
    responses=problems(404, 409, 422),
)
def accept_invitation(
    invitation_id: InvitationId, request: SignatureRequest, services: ServicesDep
) -> InvitationResponse:
    """Agree to a smaller share, with your signature. The signature says who you are: no sign-in is needed."""
    agreed = accept(services, invitation_id, bytes.fromhex(request.signature[2:]))
    return invitation_response(services.chain, *agreed)


@invitations_router.post(
    "/{invitation_id}/decline",
    operation_id="decline_invitation",
    responses=problems(401, 403, 404, 409, 422),
)
def decline_invitation(
    invitation_id: InvitationId, services: ServicesDep, caller: AccountDep
) -> InvitationResponse:
    """Say no. The change is then not made, unless you agree later."""
    return invitation_response(services.chain, *decline(services, caller, invitation_id))


presets_router = APIRouter(prefix="/v1/presets", tags=["acts"])


class PresetResponse(AnswerModel):
    """An offer in plain words."""

    name: str
    title: str
    words: str
    allows: list[AllowedUse]
    refuses: list[str]
    conditions: list[str]
    until: str
    term_days: int
    flags: list[str]
    influence_cap_bps: int


@presets_router.get("", operation_id="list_presets", responses=problems())
def list_presets() -> list[PresetResponse]:
    """Five offers to begin with.

    Name one in the terms of a mint, and change what you want to be different.
    """
    return [_response(preset) for preset in PRESETS]


def _response(preset: Preset) -> PresetResponse:
    terms = terms_with_legal_text(
        preset.cards,
        term_days=preset.term_days,
        flags=preset.flags,
        influence_cap_bps=preset.influence_cap_bps,
    )
    return PresetResponse(
        name=preset.name,
        title=preset.title,
        words=preset.words,
        allows=allowed_uses(terms),
        refuses=refused_uses(terms),
        conditions=list(condition_sentences(terms)),
        until=renewal_sentence(terms),
        term_days=preset.term_days,
        flags=[str(flag.name) for flag in Flag if terms.has(flag)],
        influence_cap_bps=preset.influence_cap_bps,
    )
