"""Preparing claims and redirections: a payee takes what its splits have earned, or says where to."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.actions.calls import OWED_SPLITS, SIGNED, VAULT, Call
from backend.actions.previews import Preview
from backend.actions.schemas import Given, whole
from backend.actions.store import Draft
from backend.db.index_db import Split, SplitPayee
from backend.http.callers import Caller
from backend.services import Services
from obbligato.documents.wording import dollars
from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import UINT64_MAX
from obbligato.protocol.splits import entitlement
from obbligato.protocol.typed_data import Claim, Redirect
from obbligato.protocol.types import ZERO_ADDRESS, Address

MOST_SPLITS: Final = 1_000
"""In one claim: each costs up to 9 000 gas of the 16 777 216 that a transaction may use."""


class ClaimGiven(Given):
    """Take what is claimable. `minimum_units`: not if it is less, millionths of a dollar."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"minimum_units": "1000000"}]})

    to: Address | None = Field(default=None, description="Where to; default: the payee itself.")
    minimum_units: Annotated[
        int, BeforeValidator(whole), Field(strict=True, ge=0, le=UINT64_MAX)
    ] = 1


class RedirectGiven(Given):
    """Where later claims are paid. The payee's own account undoes it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}]}
    )

    to: Address


def draft_claim(services: Services, caller: Caller, given: ClaimGiven) -> Draft:
    """A claim. Raises InputError, RefusedError where nothing is claimable, ChainError."""
    to = given.to or caller.account
    _check_recipient(services, to)
    with services.index_db.reading() as session:
        split_ids = owed_splits(session, caller.account)
    due = int(services.chain.call(VAULT, "claimable", caller.account, split_ids))
    if due < max(given.minimum_units, 1):
        raise RefusedError(
            f"{dollars(due)} can be claimed right now, less than {dollars(max(given.minimum_units, 1))}"
        )
    return Draft(
        kind="claim",
        account=caller.account,
        message=Claim,
        fields={"to": to, "minimum": given.minimum_units},
        call=Call(VAULT, "claimBySignature", [to, given.minimum_units, OWED_SPLITS, SIGNED]),
        direct=None if to != caller.account else Call(VAULT, "claim", [caller.account, split_ids]),
        preview=Preview(
            title=f"Claim {dollars(due)}",
            sentences=[
                f"{dollars(due)} can be claimed right now, out of {len(split_ids)} splits.",
                (
                    f"All that is due when the transaction is mined is sent to {to}, at least "
                    f"{dollars(given.minimum_units)}."
                ),
            ],
        ),
        warnings=[]
        if to == caller.account
        else [f"The money goes to another account than yours: {to}. Check every digit."],
    )


def draft_redirect(services: Services, caller: Caller, given: RedirectGiven) -> Draft:
    """A redirection. Raises InputError, RefusedError, ChainError."""
    undone = given.to == caller.account
    to = ZERO_ADDRESS if undone else given.to
    if not undone:
        _check_recipient(services, to)
    now = services.chain.call(VAULT, "recipientOf", caller.account)
    if now == given.to:
        raise RefusedError(f"your claims go to {given.to} already: nothing to change")
    sentence = (
        "Your later claims come to your own account again."
        if undone
        else f"Your later claims are sent to {to}, whoever starts them, until you change it again."
    )
    return Draft(
        kind="redirect",
        account=caller.account,
        message=Redirect,
        fields={"to": to},
        call=Call(VAULT, "redirectBySignature", [to, SIGNED]),
        direct=Call(VAULT, "redirect", [to]),
        preview=Preview(
            title=f"Send my claims to {given.to}",
            sentences=[sentence, "What you are owed does not change."],
        ),
        warnings=[] if undone else [f"Whoever holds {to} gets your money. Check every digit."],
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
