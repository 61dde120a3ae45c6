"""Preparing claims and redirections: a payee takes what its splits have earned, or says where to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.actions.calls import VAULT, Call
from backend.actions.store import PreparedAct
from backend.db.index_db import Split, SplitPayee
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents.wording import dollars
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.splits import entitlement
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.schemas.acts import ClaimRequest, RedirectRequest
from obbligato.schemas.backend import Preview

MOST_SPLITS: Final = 1_000
"""In one claim: each costs up to 9 000 gas of the 16 777 216 that a transaction may use."""


def prepare_claim(services: Services, caller: Caller, request: ClaimRequest) -> PreparedAct:
    """Prepare to take all that your splits have earned, in one transaction.

    Raises InputError, RefusedError where nothing is claimable, ChainError.
    """
    to = request.to or caller.account
    _check_recipient(services, to)
    with services.index_db.reading() as session:
        split_ids = owed_splits(session, caller.account)
    due = int(services.chain.call(VAULT, "claimable", caller.account, split_ids))
    least = max(request.minimum_units, 1)
    if due < least:
        raise RefusedError(f"{dollars(due)} can be claimed right now, less than {dollars(least)}")
    return PreparedAct(
        kind="claim",
        account=caller.account,
        fields={"to": to, "minimum": request.minimum_units},
        function="claimBySignature",
        direct=None if to != caller.account else Call(VAULT, "claim", [caller.account, split_ids]),
        preview=Preview(
            title=f"Claim {dollars(due)}",
            sentences=[
                f"{dollars(due)} can be claimed right now, out of {len(split_ids)} splits.",
                (
                    f"All that is due when the transaction is mined is sent to {to}, at least "
                    f"{dollars(request.minimum_units)}."
                ),
            ],
        ),
        warnings=[]
        if to == caller.account
        else [f"The money goes to another account than yours: {to}. Check every digit."],
    )


def prepare_redirect(services: Services, caller: Caller, request: RedirectRequest) -> PreparedAct:
    """Prepare to have your claims sent to another account.

    Raises InputError, RefusedError, ChainError.
    """
    to_own_account = request.to == caller.account
    to = ZERO_ADDRESS if to_own_account else request.to
    if not to_own_account:
        _check_recipient(services, to)
    recipient = services.chain.call(VAULT, "recipientOf", caller.account)
    if recipient == request.to:
        raise RefusedError(f"your claims go to {request.to} already: nothing to change")
    sentence = (
        "Your later claims come to your own account again."
        if to_own_account
        else f"Your later claims are sent to {to}, whoever starts them, until you change it again."
    )
    return PreparedAct(
        kind="redirect",
        account=caller.account,
        fields={"to": to},
        function="redirectBySignature",
        direct=Call(VAULT, "redirect", [to]),
        preview=Preview(
            title=f"Send my claims to {request.to}",
            sentences=[sentence, "What you are owed does not change."],
        ),
        warnings=[]
        if to_own_account
        else [f"Whoever holds {to} gets your money. Check every digit."],
    )


def owed_splits(session: Session, account: str) -> list[int]:
    """The splits that owe an account something, those that owe most first, as many as one claim takes."""
    rows = session.execute(
        select(
            SplitPayee.split_id,
            Split.received_units,
            SplitPayee.share_ppm,
            SplitPayee.claimed_units,
        )
        .join(Split, Split.split_id == SplitPayee.split_id)
        .where(SplitPayee.account == account)
    ).all()
    owed = [
        (entitlement(received, share) - claimed, split_id)
        for split_id, received, share, claimed in rows
    ]
    most = sorted((each for each in owed if each[0] > 0), reverse=True)[:MOST_SPLITS]
    return sorted(split_id for _, split_id in most)


def _check_recipient(services: Services, to: str) -> None:
    deployment = services.chain.deployment
    if to in (ZERO_ADDRESS, deployment.address("RoyaltyVault"), deployment.token):
        raise InputError(f"{to} could never spend it: name another account", field="to")
