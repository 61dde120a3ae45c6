"""Who may act for a licence or an owner, as the chain says right now."""

from __future__ import annotations

from backend.services import Services
from backend.sessions.callers import Caller
from obbligato.service.http import Problem


def check_licensor(services: Services, caller: Caller, license_id: int, owner: str) -> bool:
    """Whether the caller is the owner's operator, and not the owner. Raises Problem 403, ChainError."""
    if caller.account == owner:
        return False
    if services.chain.call("LicenseRegistry", "isLicensor", license_id, caller.account):
        return True
    raise Problem(
        403,
        "Not your licence",
        f"Licence {license_id} is of {owner}, and {caller.account} is no operator of that account.",
        field="license_id",
    )


def check_owner(services: Services, caller: Caller, owner: str) -> bool:
    """The same for a licence that does not exist yet."""
    if caller.account == owner:
        return False
    if services.chain.call("LicenseRegistry", "isApprovedForAll", owner, caller.account):
        return True
    raise Problem(
        403,
        "Not for this account",
        f"{owner} has not made {caller.account} its operator: ask for its signature first.",
        field="owner",
    )


def forbidden_payees(services: Services) -> tuple[str, ...]:
    """Accounts that nothing credited to could ever be taken out of."""
    deployment = services.chain.deployment
    return deployment.address("RoyaltyVault"), deployment.token
