"""Preparing a revocation and its undoing."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from backend.actions.authorization import check_licensor, known_license
from backend.actions.calls import REGISTRY, SIGNED, Call, hexadecimal
from backend.actions.previews import Preview
from backend.actions.schemas import Given
from backend.actions.store import Draft
from backend.db.head import read_head
from backend.http.callers import Caller
from backend.services import Services
from obbligato.protocol.typed_data import Reinstate, Revoke
from obbligato.times import shown_moment


class LicenseGiven(Given):
    """One licence."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"license_id": 3}]})

    license_id: Annotated[int, Field(strict=True, ge=1, le=2**32 - 1)]


def draft_revoke(services: Services, caller: Caller, given: LicenseGiven) -> Draft:
    """A revocation. Raises RefusedError, NotFound, Problem 403, ChainError."""
    with services.index_db.reading() as session:
        known = known_license(session, given.license_id)
        now = read_head(session).head_time
    by_operator = check_licensor(services, caller, known.license_id, known.owner)
    ends_at = known.history.revoke(now=now).ends_at
    assert ends_at is not None
    current = known.history.document_at(now) or known.document
    ends = shown_moment(ends_at)
    return Draft(
        kind="revoke",
        account=known.owner,
        message=Revoke,
        fields={"license_id": known.license_id, "current_document": current},
        call=Call(REGISTRY, "revokeBySignature", [known.license_id, hexadecimal(current), SIGNED]),
        direct=Call(REGISTRY, "revoke", [known.license_id]),
        preview=Preview(
            title=f"Revoke {known.name}",
            sentences=[
                f"Consent to every use of {known.name} ends on {ends}, with the running term.",
                "Until then use stays allowed and paid for at the same prices.",
                "You can take it back until then. Money already earned stays yours.",
            ],
            until=f"It ends on {ends}.",
        ),
        license_id=known.license_id,
        by_operator=by_operator,
    )


def draft_reinstate(services: Services, caller: Caller, given: LicenseGiven) -> Draft:
    """The undoing of a revocation. Raises as `draft_revoke` does."""
    with services.index_db.reading() as session:
        known = known_license(session, given.license_id)
        now = read_head(session).head_time
    by_operator = check_licensor(services, caller, known.license_id, known.owner)
    known.history.reinstate(now=now)
    current = known.history.document_at(now) or known.document
    return Draft(
        kind="reinstate",
        account=known.owner,
        message=Reinstate,
        fields={"license_id": known.license_id, "current_document": current},
        call=Call(
            REGISTRY, "reinstateBySignature", [known.license_id, hexadecimal(current), SIGNED]
        ),
        direct=Call(REGISTRY, "reinstate", [known.license_id]),
        preview=Preview(
            title=f"Take back the revocation of {known.name}",
            sentences=[
                f"{known.name} goes on as before: same terms, same prices, same payees.",
                "It renews with every term until you revoke it again.",
            ],
        ),
        license_id=known.license_id,
        by_operator=by_operator,
    )
