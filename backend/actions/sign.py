"""Taking signatures: verified, tried on the chain, then left to the relay.

The node and the store are asked before the unit of work begins, so that a slow one holds up no other writer. The
unit of work reads the act again, locked: what changed meanwhile counts.
"""

from __future__ import annotations

from hexbytes import HexBytes
from sqlalchemy import select
from sqlalchemy.orm import Session
from web3.exceptions import TransactionNotFound

from backend.actions.budget import Budget
from backend.actions.calls import Call, Prerequisite
from backend.actions.registry import late_arguments
from backend.actions.store import chain_time, digest_of, missing_block
from backend.db.service_db import Act, Invitation
from backend.http.callers import Caller
from backend.services import Services
from obbligato.chain.client import Chain, answered
from obbligato.chain.signatures import is_signed_by
from obbligato.errors import ContractRefused, InputError, NotFound
from obbligato.schemas.act_states import ActState, InvitationState
from obbligato.server.database import now as wall_clock
from obbligato.server.http import Problem
from obbligato.store import StoreError


def act_of(session: Session, act_id: str, *, lock: bool = False) -> Act:
    """The act with this id. Raises NotFound."""
    act = session.get(Act, act_id, with_for_update=lock or None)
    if act is None:
        raise NotFound("there is no such act")
    return act


def invitation_of(
    session: Session, invitation_id: str, *, lock: bool = False
) -> tuple[Invitation, Act]:
    """The invitation with this id, and its act. Raises NotFound.

    `lock` is the act's: the invitation is read after it, as the last unit of work left it.
    """
    query = (
        select(Act)
        .join(Invitation, Invitation.act_id == Act.id)
        .where(Invitation.id == invitation_id)
    )
    act = session.scalars(query.with_for_update(of=Act) if lock else query).one_or_none()
    if act is None:
        raise NotFound("there is no such invitation")
    return session.get_one(Invitation, invitation_id), act


def sign_act(services: Services, act_id: str, signature: bytes) -> Act:
    """Take the author's signature of an act. The same signature again changes nothing.

    Raises NotFound, Problem 409 where the act is over or has another signature, Problem 429 where the account has
    no act left today, InputError for a signature that is not the account's, StoreError, ContractRefused where the
    chain would refuse it, ChainError.
    """
    budget = Budget(services.settings)
    with services.service_db.reading() as session:
        act = act_of(session, act_id)
        if act.signature is None:
            budget.check(session, act.account, wall_clock())
    if act.signature is not None and act.state != ActState.FAILED:
        if act.signature != signature:
            raise Problem(409, "Signed already", "This act was signed before: look at its state.")
        return act
    if act.state != ActState.PREPARED:
        raise _over(act)
    _check_deadline(services, act)
    _check_signature(services.chain, act.account, digest_of(services.chain, act), signature)
    reason = missing_block(services.store, act.material["blocks"])
    if reason is not None:
        raise StoreError(f"nothing was sent, try again: {reason}")
    act.signature = signature
    if _all_agree(act):
        try_on_chain(services, act)
    with services.service_db.work() as session:
        act = act_of(session, act_id, lock=True)
        if act.state != ActState.PREPARED:
            raise _over(act)
        budget.take(session, act.account, wall_clock())
        act.signature, act.signed_at = signature, services.now()
        act.state = ActState.SIGNED if _all_agree(act) else ActState.INVITING
        session.flush()
        return act


def accept(services: Services, invitation_id: str, signature: bytes) -> tuple[Invitation, Act]:
    """Take a payee's signature that it agrees. The same again changes nothing. Raises as `sign_act` does."""
    with services.service_db.reading() as session:
        invitation, act = invitation_of(session, invitation_id)
    if invitation.state == InvitationState.AGREED:
        return invitation, act
    _check_open(act)
    _check_deadline(services, act)
    digest = digest_of(services.chain, invitation)
    _check_signature(services.chain, invitation.account, digest, signature)
    with services.service_db.work() as session:
        invitation, act = invitation_of(session, invitation_id, lock=True)
        _check_open(act)
        if invitation.state != InvitationState.AGREED:
            invitation.agree(signature, services.now())
        if act.state == ActState.INVITING and _all_agree(act):
            act.state = ActState.SIGNED
        return invitation, act


def decline(services: Services, caller: Caller, invitation_id: str) -> tuple[Invitation, Act]:
    """Take note that a payee does not agree. Raises NotFound, Problem 403 and 409."""
    with services.service_db.work() as session:
        invitation, act = invitation_of(session, invitation_id, lock=True)
        if invitation.account != caller.account:
            raise Problem(403, "Not your invitation", f"It was sent to {invitation.account}.")
        if invitation.state == InvitationState.AGREED:
            raise Problem(409, "Agreed already", "You have agreed: the change may be on its way.")
        invitation.decline(services.now())
        return invitation, act


def try_on_chain(services: Services, act: Act) -> None:
    """Ask the chain whether it would take the act now. Raises ContractRefused, ChainError.

    Nothing is asked where something has to be on the chain first: the relay finds out.
    """
    steps = [Prerequisite.from_json(each) for each in act.material["steps"]]
    if any(not step.is_done(services.chain) for step in steps):
        return
    call = Call.from_json(act.material["call"])
    data = call.data(services.chain, late_arguments(services, act))
    address = services.chain.deployment.address(call.contract)
    answered(lambda: services.chain.web3.eth.call({"to": address, "data": "0x" + data.hex()}))  # type: ignore[typeddict-item]  # checksummed by the manifest


def withdraw(services: Services, caller: Caller, act_id: str) -> None:
    """Withdraw an act that was not sent yet. Raises NotFound, Problem 403 and 409."""
    with services.service_db.work() as session:
        act = act_of(session, act_id, lock=True)
        if caller.account not in (act.account, act.made_by):
            raise Problem(
                403, "Not your act", "Only its author or who prepared it can withdraw it."
            )
        if act.state not in (ActState.PREPARED, ActState.INVITING, ActState.WITHDRAWN):
            raise Problem(409, "Too late", f"This act is {act.state}.")
        act.state = ActState.WITHDRAWN


def was_sent(services: Services, caller: Caller, act_id: str, transaction: str) -> Act:
    """Take note of the transaction of an act. Raises NotFound, Problem 403 and 409, InputError, ChainError."""
    with services.service_db.reading() as session:
        act = act_of(session, act_id)
    if caller.account not in (act.account, act.made_by):
        raise Problem(403, "Not your act", "Only who prepared it can say that it was sent.")
    if act.transaction == transaction:
        return act
    if act.state != ActState.PREPARED or act.material["direct"] is None:
        raise Problem(409, "Too late", f"This act is {act.state}: it takes no transaction.")
    call = Call.from_json(act.material["direct"])
    try:
        sent = answered(lambda: services.chain.web3.eth.get_transaction(HexBytes(transaction)))
    except TransactionNotFound:
        raise InputError(
            "the node does not know it yet: try again in a moment", field="transaction"
        ) from None
    address = services.chain.deployment.address(call.contract)
    if sent["to"] != address or bytes(sent["input"]) != call.data(services.chain):
        raise InputError("is another transaction than the one prepared here", field="transaction")
    with services.service_db.work() as session:
        act = act_of(session, act_id, lock=True)
        if act.state != ActState.PREPARED:
            raise _over(act)
        act.state, act.transaction = ActState.SENT, transaction
        session.flush()
        return act


def _all_agree(act: Act) -> bool:
    return all(each.state == InvitationState.AGREED for each in act.invitations)


def _over(act: Act) -> Problem:
    return Problem(409, "Too late", f"This act is {act.state}: prepare it again.")


def _check_open(act: Act) -> None:
    if not ActState(act.state).waits_for_people:
        raise Problem(409, "Too late", f"The change that you were asked about is {act.state}.")


def _check_deadline(services: Services, act: Act) -> None:
    if max(services.now(), chain_time(services.chain)) > act.deadline:
        raise Problem(409, "Too late", "The time to sign it is over: prepare it again.")


def _check_signature(chain: Chain, account: str, digest: bytes, signature: bytes) -> None:
    try:
        is_valid = is_signed_by(chain, account, digest, signature)
    except ContractRefused:
        is_valid = False
    if not is_valid:
        raise InputError(
            f"is not {account}'s signature of this act: sign its typed data with that account",
            field="signature",
        )
