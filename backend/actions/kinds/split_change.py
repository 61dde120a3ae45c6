"""Preparing a split change: whoever's share shrinks is invited to sign."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from backend.actions.authorization import check_licensor, forbidden_payees, known_license
from backend.actions.calls import ACCEPTANCES, REGISTRY, SIGNED, Call, hexadecimal, raw_payees
from backend.actions.previews import split_preview
from backend.actions.schemas import SplitGiven
from backend.actions.store import Ask, Draft
from backend.db.head import read_head
from backend.http.callers import Caller
from backend.services import Services
from obbligato.errors import RefusedError
from obbligato.protocol.typed_data import AcceptSplit, ChangeSplit


class ChangeSplitGiven(SplitGiven):
    """Who is paid from now on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "license_id": 3,
                    "payees": [
                        {
                            "account": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                            "share_ppm": 1_000_000,
                            "role": "performer",
                        }
                    ],
                }
            ]
        }
    )

    license_id: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]


def draft_split_change(services: Services, caller: Caller, given: ChangeSplitGiven) -> Draft:
    """A split change. Raises InputError, RefusedError, NotFound, Problem 403, ChainError."""
    with services.index_db.reading() as session:
        known = known_license(session, given.license_id)
        now = read_head(session).head_time
    by_operator = check_licensor(services, caller, known.license_id, known.owner)
    before = known.split
    after = given.split(None, forbidden=forbidden_payees(services))
    if after == before:
        raise RefusedError(f"{known.name} has this split already: there is nothing to change")
    current = known.history.document_at(now) or known.document
    fields = {
        "license_id": known.license_id,
        "current_document": current,
        "from_split": before.digest(),
        "to_split": after.digest(),
    }
    # Ascending by account, as the contract asks for; whoever acts has agreed by acting.
    asks = [
        Ask(
            account=payee.account,
            share_before_ppm=payee.share,
            share_after_ppm=after.share_of(payee.account),
            message=AcceptSplit,
            fields=fields,
        )
        for payee in before.payees
        if after.share_of(payee.account) < payee.share and payee.account != known.owner
    ]
    return Draft(
        kind="change-split",
        account=known.owner,
        message=ChangeSplit,
        fields=fields,
        call=Call(
            REGISTRY,
            "changeSplitBySignature",
            [
                known.license_id,
                hexadecimal(current),
                raw_payees(before),
                raw_payees(after),
                ACCEPTANCES,
                SIGNED,
            ],
        ),
        # An operator's own transaction would need the owner's acceptance too: the owner signs instead.
        direct=None
        if by_operator
        else Call(
            REGISTRY,
            "changeSplit",
            [known.license_id, raw_payees(before), raw_payees(after), ACCEPTANCES],
        ),
        preview=split_preview(known.name, before, after, {ask.account: ask for ask in asks}),
        license_id=known.license_id,
        by_operator=by_operator,
        seconds=services.settings.inviting_seconds,
        asks=asks,
    )
