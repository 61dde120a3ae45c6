"""Preparing a revocation and its undoing."""

from __future__ import annotations

from backend.actions.authorization import license_of_caller
from backend.actions.calls import REGISTRY, Call
from backend.actions.store import PreparedAct
from backend.http.callers import Caller
from backend.services import Services
from obbligato.schemas.acts import ReinstateRequest, RevokeRequest
from obbligato.schemas.backend import Preview
from obbligato.times import shown_moment


def prepare_revoke(services: Services, caller: Caller, request: RevokeRequest) -> PreparedAct:
    """Prepare the end of a licence with its running term.

    Raises RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    ends_at = known.history.revoke(now=known.now).ends_at
    assert ends_at is not None
    ends = shown_moment(ends_at)
    return PreparedAct(
        kind="revoke",
        account=known.owner,
        fields={"license_id": known.license_id, "current_document": known.current_document},
        function="revokeBySignature",
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
    )


def prepare_reinstate(services: Services, caller: Caller, request: ReinstateRequest) -> PreparedAct:
    """Prepare to take a revocation back, before it takes effect.

    Raises RefusedError, NotFound, Problem 403, ChainError.
    """
    known = license_of_caller(services, caller, request.license_id)
    known.history.reinstate(now=known.now)
    return PreparedAct(
        kind="reinstate",
        account=known.owner,
        fields={"license_id": known.license_id, "current_document": known.current_document},
        function="reinstateBySignature",
        direct=Call(REGISTRY, "reinstate", [known.license_id]),
        preview=Preview(
            title=f"Take back the revocation of {known.name}",
            sentences=[
                f"{known.name} goes on as before: same terms, same prices, same payees.",
                "It renews with every term until you revoke it again.",
            ],
        ),
        license_id=known.license_id,
    )
