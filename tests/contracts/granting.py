"""What the tests of grants share: an offer by grant, its price, how it is bought, what it covers."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.moments import ask_all, next_at
from tests.contracts.protocol import (
    ARTIST,
    DAY,
    DOLLAR,
    LABEL,
    MODEL,
    PLATFORM_ADMIN,
    DeployedProtocol,
    split,
    terms,
)

ADMIN = {"from": PLATFORM_ADMIN}
OWNER = {"from": ARTIST}
GENERATIVE = int(Tier.GENERATIVE)
YEAR = 365 * DAY
START = 2_000_000_000
ANY = bytes(32)
"""Any model of the platform."""
OTHER = keccak(b"model two")
FEE = 3 * DOLLAR
PAYS = split((ARTIST, 600_000), (LABEL, 400_000))


def offer(flags: int = 0, *, fee: int = FEE, **members: Any) -> Terms:
    """GENERATIVE by grant, a thousandth of a dollar a generation."""
    card = RateCard(training_run=0, generation=1_000, playback=0, grant_fee=fee)
    return terms({Tier.GENERATIVE: card}, flags=int(Flag.GRANT_REQUIRED | flags), **members)


def buy(
    protocol: DeployedProtocol,
    platform: int,
    license_id: int,
    *,
    model: bytes = MODEL,
    at: int | None = None,
    tier: int = GENERATIVE,
    maximum: int = FEE,
    sender: dict[str, str] = ADMIN,
) -> Any:
    if at is not None:
        next_at(at)
    return protocol.grants.buy(platform, license_id, tier, model, maximum, sender)


def covered(
    protocol: DeployedProtocol,
    platform: int,
    license_id: int,
    *periods: tuple[int, int],
    model: bytes = MODEL,
    tier: int = GENERATIVE,
) -> list[bool]:
    """Whether each of the periods overlaps a grant."""
    key = (license_id, tier, platform, model)
    return ask_all([(protocol.grants.covers, (*key, *period)) for period in periods])
