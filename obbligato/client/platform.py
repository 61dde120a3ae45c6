"""A platform's own acts on the chain: register, deposit, and the way of money out again.

Each act is sent, waited for and checked; nothing is sent that the chain would refuse. Amounts are
millionths of a dollar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from obbligato.chain import blocks
from obbligato.chain.abis import DOLLAR
from obbligato.chain.client import Chain
from obbligato.chain.events import events_in
from obbligato.chain.views import EscrowView
from obbligato.errors import NotFound, RefusedError
from obbligato.keys import Signer
from obbligato.protocol.types import ZERO_ADDRESS
from obbligato.times import moment_text

VAULT = "RoyaltyVault"


class Withdrawal(NamedTuple):
    """What asking for money out came to."""

    withdrawn: int
    thawing: int
    ends_at: int | None
    """When what is thawing can be withdrawn."""


def register(
    chain: Chain, signer: Signer, *, reporters: Sequence[str], bond: int | None = None
) -> int:
    """Register a platform with the signer as its admin; its id.

    The bond (default: the minimum) is taken from the admin's dollars. Raises RefusedError where it
    is too small or there are not enough dollars, ContractRefused, ChainError.
    """
    least = chain.minimum_bond_units()
    amount = least if bond is None else bond
    if amount < least:
        raise RefusedError(f"a bond of {amount} is too small: the vault asks for {least}")
    _allow(chain, signer, amount)
    receipt = chain.transact(signer, VAULT, "registerPlatform", list(reporters), amount)
    events = events_in(chain, receipt)
    return int(next(each["platformId"] for each in events if each.name == "PlatformRegistered"))


def deposit(chain: Chain, signer: Signer, platform_id: int, amount: int) -> EscrowView:
    """Add the signer's dollars to a platform's escrow; the escrow then.

    Anyone may deposit for any platform. Raises NotFound, RefusedError, ContractRefused, ChainError.
    """
    admin_of(chain, platform_id)
    if amount < 1:
        raise RefusedError("deposit at least one millionth of a dollar")
    _allow(chain, signer, amount)
    chain.transact(signer, VAULT, "deposit", platform_id, amount)
    return chain.escrow(platform_id)


def withdraw(
    chain: Chain,
    signer: Signer,
    platform_id: int,
    amount: int | None = None,
    *,
    restart: bool = False,
) -> Withdrawal:
    """Take the next step to get money out: start its thaw, or take what has thawed.

    Money that has thawed is withdrawn to the admin, within the vault's withdrawal period; what was not
    taken in time counts as available again. Else `amount` (default: all that is available)
    begins to thaw; while a thaw is running nothing is added, unless `restart`, since its clock would
    begin anew for all of it. Raises RefusedError, NotFound, ContractRefused, ChainError.
    """
    if admin_of(chain, platform_id) != signer.address:
        raise RefusedError(f"{signer.address} is not the admin of platform {platform_id}")
    escrow = chain.escrow(platform_id)
    now = blocks.latest(chain).timestamp
    lapses_at = escrow.thaw_ends_at + chain.call(VAULT, "withdrawalPeriod")
    lapsed = escrow.thawing_units if now >= lapses_at else 0
    running = escrow.thawing_units - lapsed
    if running and now >= escrow.thaw_ends_at:
        _check_free(escrow)
        chain.transact(signer, VAULT, "withdraw", platform_id, signer.address)
        return Withdrawal(escrow.thawing_units, 0, None)
    if running and not restart:
        if amount is None:
            return Withdrawal(0, running, escrow.thaw_ends_at)
        raise RefusedError(
            f"{running} is thawing until {moment_text(escrow.thaw_ends_at)}; adding to it "
            "would begin its time anew: wait, or ask for a restart"
        )
    available = escrow.available_units + lapsed
    thawing = available if amount is None else amount
    if not 0 < thawing <= available:
        raise RefusedError(f"{thawing} cannot thaw: {available} is available")
    chain.transact(signer, VAULT, "thaw", platform_id, thawing)
    after = chain.escrow(platform_id)
    return Withdrawal(0, after.thawing_units, after.thaw_ends_at)


def admin_of(chain: Chain, platform_id: int) -> str:
    """The platform's admin. Raises NotFound where nobody registered it, ChainError."""
    admin = chain.platform(platform_id).admin
    if admin == ZERO_ADDRESS:
        raise NotFound(f"there is no platform {platform_id}: register it first")
    return admin


def _check_free(escrow: EscrowView) -> None:
    if escrow.obligations:
        raise RefusedError(
            f"{escrow.obligations} unfunded reports or rulings in arrears come first: deposit, and "
            "have them paid"
        )


def _allow(chain: Chain, signer: Signer, amount: int) -> None:
    """Let the vault take exactly this much from the signer, who must have it."""
    vault = chain.deployment.address(VAULT)
    held = int(chain.call(DOLLAR, "balanceOf", signer.address))
    if held < amount:
        raise RefusedError(
            f"{signer.address} holds {held} millionths of a dollar, {amount} are needed"
        )
    if int(chain.call(DOLLAR, "allowance", signer.address, vault)) != amount:
        chain.transact(signer, DOLLAR, "approve", vault, amount)
