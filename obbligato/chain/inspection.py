"""Checking a deployment against its manifest: links, clocks, bonds and roles, asked of the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from obbligato.chain.abis import DOLLAR, GOVERNOR
from obbligato.chain.client import Chain

TOKEN_DECIMALS: Final = 6


class Verdict(StrEnum):
    """What one check came to."""

    OK = "ok"
    CHANGED = "changed"
    """A role that governance has moved since the deployment: allowed, and worth knowing."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """`what` is `found` and should be `expected`."""

    what: str
    expected: str
    found: str
    verdict: Verdict


_LINKS: Final = (
    ("RoyaltyVault", "registry", "LicenseRegistry"),
    ("RoyaltyVault", "grants", "Grants"),
    ("RoyaltyVault", "usageOracle", "UsageOracle"),
    ("RoyaltyVault", "disputes", "Disputes"),
    ("LicenseRegistry", "vault", "RoyaltyVault"),
    ("LicenseRegistry", "disputes", "Disputes"),
    ("Grants", "vault", "RoyaltyVault"),
    ("Grants", "registry", "LicenseRegistry"),
    ("UsageOracle", "vault", "RoyaltyVault"),
    ("UsageOracle", "registry", "LicenseRegistry"),
    ("UsageOracle", "grants", "Grants"),
    ("UsageOracle", "disputes", "Disputes"),
    ("Disputes", "usageOracle", "UsageOracle"),
    ("Disputes", "vault", "RoyaltyVault"),
    ("Disputes", "registry", "LicenseRegistry"),
)
"""(contract, function, the contract it must name); fixed at construction."""

_PARAMETERS: Final = (
    ("RoyaltyVault", "minimumBond", "minimum_bond"),
    ("RoyaltyVault", "settlementPeriod", "settlement_period"),
    ("RoyaltyVault", "thawPeriod", "thaw_period"),
    ("RoyaltyVault", "closePeriod", "close_period"),
    ("RoyaltyVault", "moduleDelay", "module_delay"),
    ("UsageOracle", "challengeWindow", "challenge_window"),
    ("Disputes", "minimumChallengeBond", "minimum_challenge_bond"),
    ("Disputes", "arbitrationPeriod", "arbitration_period"),
    ("Disputes", "claimPeriod", "claim_period"),
)


def inspect(chain: Chain) -> Iterator[Check]:
    """Every check of a connected deployment. `Chain.connect` has compared chain id and code.

    Raises ChainError.
    """
    deployment = chain.deployment
    roles = deployment.roles
    yield _same("RoyaltyVault.token", deployment.token, chain.call("RoyaltyVault", "token"))
    decimals = chain.call(DOLLAR, "decimals")
    yield _same("decimals of the token", TOKEN_DECIMALS, decimals)
    for contract, function, named in _LINKS:
        found = chain.call(contract, function)
        yield _same(f"{contract}.{function}", deployment.address(named), found)
    for contract in ("RoyaltyVault", "UsageOracle", "Disputes"):
        yield _same(f"{contract}.governor", roles.governor, chain.call(contract, "governor"))
    for contract, function, parameter in _PARAMETERS:
        expected = deployment.parameters.get(parameter)
        yield _same(f"{contract}.{function}", expected, chain.call(contract, function))
    yield from _inspect_roles(chain)
    if roles.proposer is not None:
        delay, thaw = chain.call(GOVERNOR, "getMinDelay"), chain.call("RoyaltyVault", "thawPeriod")
        what = "delay of the governor, longer than the thaw"
        verdict = Verdict.OK if delay > thaw else Verdict.WRONG
        yield Check(what, f"above {thaw}", str(delay), verdict)


def _inspect_roles(chain: Chain) -> Iterator[Check]:
    """Roles may move, but two of them never share a key."""
    roles = chain.deployment.roles
    guardian, arbiter = chain.call("UsageOracle", "guardian"), chain.call("Disputes", "arbiter")
    attesters = chain.attesters().members
    yield _may_change("guardian", roles.guardian, guardian)
    yield _may_change("arbiter", roles.arbiter, arbiter)
    for account in dict.fromkeys((*roles.attesters, *attesters)):
        expected = account if account in roles.attesters else "none"
        yield _may_change("attester", expected, account if account in attesters else "none")
    holders = [roles.governor, guardian, arbiter, *attesters]
    if roles.proposer is not None:
        holders.append(roles.proposer)
    shared = sorted({account for account in holders if holders.count(account) > 1})
    verdict = Verdict.WRONG if shared else Verdict.OK
    yield Check("accounts with two roles", "none", ", ".join(shared) or "none", verdict)


def _same(what: str, expected: Any, found: Any) -> Check:
    verdict = Verdict.OK if expected == found else Verdict.WRONG
    return Check(what, str(expected), str(found), verdict)


def _may_change(what: str, expected: str, found: str) -> Check:
    verdict = Verdict.OK if expected == found else Verdict.CHANGED
    return Check(what, expected, found, verdict)
