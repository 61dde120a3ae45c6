"""Preparing a split change: whoever's share shrinks is invited to sign."""

from __future__ import annotations

from backend.actions.authorization import forbidden_payees, license_of_caller
from backend.actions.calls import REGISTRY, Call, raw_payees
from backend.actions.previews import split_preview
from backend.actions.store import Invitee, PreparedAct
from backend.http.callers import Caller
from backend.licenses.terms import split_of
from backend.services import Services
from obbligato.errors import RefusedError
from obbligato.schemas.acts import ChangeSplitRequest


def prepare_split_change(
    services: Services, caller: Caller, request: ChangeSplitRequest
) -> PreparedAct:
    """Prepare other payees or shares.

    Every payee whose share shrinks is invited to sign; the change is sent once all of them and you have.

    Raises InputError, RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    with services.index_db.reading() as session:
        before = split_of(session, known.split_id)
    after = request.split(None, forbidden=forbidden_payees(services))
    if after == before:
        raise RefusedError(f"{known.name} has this split already: there is nothing to change")
    # The owner agrees by signing the change itself.
    invitees = [
        Invitee(payee.account, payee.share, after.share_of(payee.account))
        for payee in before.payees
        if after.share_of(payee.account) < payee.share and payee.account != known.owner
    ]
    fixed = [known.license_id, known.current_document, raw_payees(before), raw_payees(after)]
    return PreparedAct(
        kind="change-split",
        account=known.owner,
        fields={
            "license_id": known.license_id,
            "current_document": known.current_document,
            "from_split": before.digest(),
            "to_split": after.digest(),
        },
        function="changeSplitBySignature",
        arguments=fixed,
        # An operator's own transaction would need the owner's acceptance too: the owner signs instead.
        direct=Call(REGISTRY, "changeSplit", [fixed[0], *fixed[2:], []])
        if caller.account == known.owner
        else None,
        preview=split_preview(known.name, before, after, [each.account for each in invitees]),
        license_id=known.license_id,
        seconds=services.settings.inviting_seconds,
        invitees=invitees,
    )
