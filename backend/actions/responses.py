"""Acts and invitations as people are shown them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from backend.actions.calls import ACCEPTANCES, Call
from backend.actions.messages import typed_data
from backend.actions.previews import Preview
from backend.db.service_db import Act, ActState, Invitation
from backend.http.schemas import Account, AnswerModel, Cid, Seconds
from backend.services import Services
from obbligato.documents import cid_from_digest

ActKind = Literal[
    "mint",
    "amend",
    "revoke",
    "reinstate",
    "change-split",
    "operator",
    "grant",
    "claim",
    "redirect",
    "challenge",
]
ActStateWord = Literal[
    "prepared", "inviting", "signed", "sent", "confirmed", "final", "failed", "withdrawn"
]


class CallShown(AnswerModel):
    """A transaction for the author's own wallet, with gas of its own."""

    to: Account
    data: Annotated[str, Field(pattern="^0x[0-9a-f]*$")]
    value: Literal["0"] = "0"


class ActProblem(AnswerModel):
    """Why an act failed."""

    title: str
    detail: str
    error: str | None = None


class InvitationShown(AnswerModel):
    """A payee that has to agree."""

    id: str
    act_id: str
    account: Account
    share_before_ppm: int
    share_after_ppm: int
    state: Literal["waiting", "agreed", "declined"]
    deadline: Seconds
    preview: Preview
    typed_data: Annotated[dict[str, Any] | None, Field(description="For eth_signTypedData_v4.")]


class ActShown(AnswerModel):
    """An act: what it does in plain words, what to sign, and how far it has come."""

    id: str
    kind: ActKind
    state: ActStateWord
    account: Annotated[Account, Field(description="Whose signature it takes.")]
    made_by: Account
    license_id: int | None
    document: Cid | None
    preview: Preview
    warnings: list[str]
    deadline: Annotated[Seconds, Field(description="Until when it can be signed and relayed.")]
    typed_data: Annotated[
        dict[str, Any] | None,
        Field(description="For eth_signTypedData_v4, while it waits for that."),
    ]
    transaction_to_send: Annotated[
        CallShown | None,
        Field(description="The same as a transaction of your own, instead of a signature."),
    ]
    invitations: list[str]
    waiting: str | None
    problem: ActProblem | None
    result: dict[str, Any] | None
    transaction: str | None
    created_at: Seconds
    updated_at: Seconds


def shown_act(services: Services, act: Act, invitations: list[Invitation]) -> ActShown:
    """One act."""
    open_ = act.state == ActState.PREPARED
    direct = act.material["direct"] if open_ and not invitations else None
    return ActShown(
        id=act.id,
        kind=act.kind,
        state=act.state,
        account=act.account,
        made_by=act.made_by,
        license_id=act.license_id or (act.result or {}).get("license_id"),
        document=None if act.document is None else cid_from_digest(act.document),
        preview=Preview.model_validate(act.preview),
        warnings=act.warnings,
        deadline=act.deadline,
        typed_data=typed_data(services.chain, act) if open_ else None,
        transaction_to_send=None if direct is None else _call(services, direct),
        invitations=[each.id for each in invitations],
        waiting=act.waiting,
        problem=None if act.problem is None else ActProblem.model_validate(act.problem),
        result=act.result,
        transaction=act.transaction,
        created_at=act.created_at,
        updated_at=act.updated_at,
    )


def shown_invitation(services: Services, invitation: Invitation, act: Act) -> InvitationShown:
    """One invitation."""
    state = (
        "declined" if invitation.declined_at else "agreed" if invitation.signature else "waiting"
    )
    return InvitationShown(
        id=invitation.id,
        act_id=act.id,
        account=invitation.account,
        share_before_ppm=invitation.share_before_ppm,
        share_after_ppm=invitation.share_after_ppm,
        state=state,
        deadline=act.deadline,
        preview=Preview.model_validate(act.preview),
        typed_data=typed_data(services.chain, invitation) if state == "waiting" else None,
    )


def _call(services: Services, direct: dict[str, Any]) -> CallShown:
    call = Call.from_json(direct)
    known: dict[str, Any] = {ACCEPTANCES: []}
    return CallShown(
        to=services.chain.deployment.address(call.contract),
        data="0x" + call.data(services.chain, known).hex(),
    )
