"""Taking signatures: checked against the account, tried on the chain, then handed to the relay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hexbytes import HexBytes
from sqlalchemy import select
from sqlalchemy.orm import Session
from web3.exceptions import TransactionNotFound

from backend.actions.calls import ACCEPTANCES, OWED_SPLITS, SIGNED, Call, Step
from backend.actions.kinds.claims import owed_splits
from backend.actions.messages import digest_of, signed_words
from backend.actions.store import chain_time, missing_block
from backend.db.service_db import Act, ActState, Invitation
from backend.http.callers import Caller
from backend.services import Services
from obbligato.chain.client import Chain, answered
from obbligato.chain.signatures import is_signed_by
from obbligato.errors import ContractRefused, InputError, NotFound
from obbligato.server.http import Problem
from obbligato.store import StoreError


def sign_act(services: Services, act_id: str, signature: bytes) -> Act:
    """Take the author's signature of an act. The same again changes nothing.

    Raises NotFound, Problem 409 where it is over or another signature was taken, InputError for a signature
    that is not the account's, StoreError, ContractRefused where the chain would refuse it, ChainError.
    """
    with services.service_db.reading() as session:
        act = _found(session, act_id)
        invitations = invitations_of(session, act_id)
    if act.signature is not None and act.state != ActState.FAILED:
        if act.signature != signature:
            raise Problem(409, "Signed already", "This act was signed before: look at its state.")
        return act
    _check_open(services, act)
    _check_signature(services.chain, act.account, digest_of(services.chain, act), signature)
    reason = missing_block(services.store, act.material["blocks"])
    if reason is not None:
        raise StoreError(f"nothing was sent, try again: {reason}")
    act.signature = signature
    ready = all(each.signature is not None for each in invitations)
    if ready:
        try_on_chain(services, act, invitations)
    with services.service_db.work() as session:
        kept = session.get_one(Act, act_id, with_for_update=True)
        if kept.state != ActState.PREPARED:
            raise Problem(409, "Not any more", f"This act is {kept.state}: prepare it again.")
        kept.signature, kept.signed_at = signature, services.now()
        # Whoever agreed meanwhile counts: look again in this unit of work.
        agreed = all(each.signature is not None for each in invitations_of(session, act_id))
        kept.state = ActState.SIGNED if agreed else ActState.INVITING
        return kept


def accept(services: Services, invitation_id: str, signature: bytes) -> Invitation:
    """Take a payee's signature that it agrees. The same again changes nothing. Raises as `sign_act` does."""
    with services.service_db.reading() as session:
        invitation = session.get(Invitation, invitation_id)
        if invitation is None:
            raise NotFound("there is no such invitation")
        act = _found(session, invitation.act_id)
    if invitation.signature is not None:
        return invitation
    if act.state not in (ActState.PREPARED, ActState.INVITING):
        raise Problem(409, "Not any more", f"The change that you were asked about is {act.state}.")
    _check_deadline(services, act)
    digest = digest_of(services.chain, invitation)
    _check_signature(services.chain, invitation.account, digest, signature)
    with services.service_db.work() as session:
        kept = session.get_one(Act, act.id, with_for_update=True)
        mine = session.get_one(Invitation, invitation_id)
        mine.signature, mine.signed_at, mine.declined_at = signature, services.now(), None
        session.flush()
        agreed = all(each.signature is not None for each in invitations_of(session, act.id))
        if agreed and kept.state == ActState.INVITING:
            kept.state = ActState.SIGNED
        return mine


def try_on_chain(services: Services, act: Act, invitations: list[Invitation]) -> None:
    """Ask the chain whether it would take the act now. Raises ContractRefused, ChainError.

    Nothing is asked where something has to be on the chain first: the relay finds out.
    """
    steps = [Step.from_json(each) for each in act.material["steps"]]
    if any(not step.is_done(services.chain) for step in steps):
        return
    call = Call.from_json(act.material["call"])
    data = call.data(services.chain, filled(services, act, invitations))
    address = services.chain.deployment.address(call.contract)
    answered(lambda: services.chain.web3.eth.call({"to": address, "data": "0x" + data.hex()}))  # type: ignore[typeddict-item]  # checksummed by the manifest


def filled(services: Services, act: Act, invitations: list[Invitation]) -> Mapping[str, Any]:
    """What was left open in the act's call."""
    known: dict[str, Any] = {SIGNED: signed_words(act)}
    if invitations or act.kind == "change-split":
        known[ACCEPTANCES] = [signed_words(each) for each in invitations]
    if act.kind in ("claim", "challenge"):
        with services.index_db.reading() as session:
            known[OWED_SPLITS] = owed_splits(session, act.account)
    return known


def invitations_of(session: Session, act_id: str) -> list[Invitation]:
    """Who has to agree, ascending by account as the contract takes them."""
    found = session.scalars(select(Invitation).where(Invitation.act_id == act_id))
    return sorted(found, key=lambda each: int(each.account, 16))


def _found(session: Session, act_id: str) -> Act:
    act = session.get(Act, act_id)
    if act is None:
        raise NotFound("there is no such act")
    return act


def _check_open(services: Services, act: Act) -> None:
    if act.state != ActState.PREPARED:
        raise Problem(409, "Not any more", f"This act is {act.state}: prepare it again.")
    _check_deadline(services, act)


def _check_deadline(services: Services, act: Act) -> None:
    if max(services.now(), chain_time(services.chain)) > act.deadline:
        raise Problem(409, "Too late", "The time to sign it is over: prepare it again.")


def _check_signature(chain: Chain, account: str, digest: bytes, signature: bytes) -> None:
    try:
        good = is_signed_by(chain, account, digest, signature)
    except ContractRefused:
        good = False
    if not good:
        raise InputError(
            f"is not {account}'s signature of this act: sign its typed data with that account",
            field="signature",
        )


def was_sent(services: Services, caller: Caller, act_id: str, transaction: str) -> Act:
    """Take note of the transaction of an act. Raises NotFound, Problem 403 and 409, InputError, ChainError."""
    with services.service_db.reading() as session:
        act = session.get(Act, act_id)
    if act is None:
        raise NotFound("there is no such act")
    if caller.account not in (act.account, act.made_by):
        raise Problem(403, "Not your act", "Only who prepared it can say that it was sent.")
    if act.transaction == transaction:
        return act
    if act.state != ActState.PREPARED or act.material["direct"] is None:
        raise Problem(409, "Not any more", f"This act is {act.state}: it takes no transaction.")
    call = Call.from_json(act.material["direct"])
    try:
        found = answered(lambda: services.chain.web3.eth.get_transaction(HexBytes(transaction)))
    except TransactionNotFound:
        raise InputError(
            "the node does not know it yet: try again in a moment", field="transaction"
        ) from None
    data = call.data(services.chain, {ACCEPTANCES: []})
    if (
        found["to"] != services.chain.deployment.address(call.contract)
        or bytes(found["input"]) != data
    ):
        raise InputError("is another transaction than the one prepared here", field="transaction")
    with services.service_db.work() as session:
        kept = session.get_one(Act, act_id, with_for_update=True)
        if kept.state != ActState.PREPARED:
            raise Problem(409, "Not any more", f"This act is {kept.state}.")
        kept.state, kept.transaction = ActState.SENT, transaction
        return kept
