"""The kinds of acts as the server carries them out; `obbligato.schemas.acts` has what clients know of them too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from backend.actions.approvals import prepare_grant, prepare_operator
from backend.actions.license_acts import (
    prepare_amend,
    prepare_mint,
    prepare_reinstate,
    prepare_revoke,
    prepare_split_change,
)
from backend.actions.payee_acts import (
    owed_splits,
    prepare_challenge,
    prepare_claim,
    prepare_guard,
    prepare_redirect,
)
from backend.actions.store import PreparedAct, signed_words
from backend.db.service_db import Act
from backend.http.callers import Caller
from backend.services import Services
from obbligato.schemas import acts
from obbligato.schemas.acts import ActRequest

Prepare = Callable[[Services, Caller, Any], PreparedAct]


class ResultEvent(NamedTuple):
    """The event that says what came of an act, and its arguments by their names in the act's result."""

    contract: str
    event: str
    members: dict[str, str]


@dataclass(frozen=True, slots=True)
class ActHandler:
    """One kind of act. The route is named after `prepare` and described by its docstring."""

    request: type[ActRequest]
    prepare: Prepare
    late: Callable[[Services, Act], list[Any]] = lambda services, act: []
    """Arguments of the call that are known only when it is sent; the signature follows them."""
    result: ResultEvent | None = None


def _acceptances(services: Services, act: Act) -> list[Any]:
    """What the payees signed, ascending by account as the contract takes them."""
    ordered = sorted(act.invitations, key=lambda each: int(each.account, 16))
    return [[signed_words(each) for each in ordered]]


def _owed(services: Services, act: Act) -> list[Any]:
    with services.index_db.reading() as session:
        return [owed_splits(session, act.account)]


KINDS: Final[dict[str, ActHandler]] = {
    kind.request.kind: kind
    for kind in (
        ActHandler(
            acts.MintRequest,
            prepare_mint,
            result=ResultEvent("LicenseRegistry", "LicenseMinted", {"license_id": "licenseId"}),
        ),
        ActHandler(acts.AmendRequest, prepare_amend),
        ActHandler(acts.RevokeRequest, prepare_revoke),
        ActHandler(acts.ReinstateRequest, prepare_reinstate),
        ActHandler(acts.ChangeSplitRequest, prepare_split_change, late=_acceptances),
        ActHandler(acts.OperatorRequest, prepare_operator),
        ActHandler(acts.GrantRequest, prepare_grant),
        ActHandler(
            acts.ClaimRequest,
            prepare_claim,
            late=_owed,
            result=ResultEvent("RoyaltyVault", "Claimed", {"amount_units": "amount"}),
        ),
        ActHandler(acts.RedirectRequest, prepare_redirect),
        ActHandler(acts.GuardClaimsRequest, prepare_guard),
        ActHandler(
            acts.ChallengeRequest,
            prepare_challenge,
            late=_owed,
            result=ResultEvent("Disputes", "Challenged", {"challenge_id": "challengeId"}),
        ),
    )
}


def late_arguments(services: Services, act: Act) -> list[Any]:
    """The last arguments of a signed act's call: what its kind adds, and the author's signature."""
    return [*KINDS[act.kind].late(services, act), signed_words(act)]
