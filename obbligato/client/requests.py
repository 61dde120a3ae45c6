"""Requests of which the asker knows more than the backend is told: what it knows is compared before it signs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from obbligato.protocol.constants import UINT64_MAX, Tier
from obbligato.schemas.acts import ChallengeRequest, GrantRequest


class KnownGrantRequest(GrantRequest):
    """The approval of a platform's request for a grant; members that are named have to be those that are signed."""

    license_id: int | None = Field(default=None, exclude=True)
    tier: Tier | None = Field(default=None, exclude=True)
    platform_id: int | None = Field(default=None, exclude=True)
    fee_units: int | None = Field(default=None, exclude=True)

    def expected(self, account: str) -> dict[str, Any]:
        known = {
            "account": account,
            "license_id": self.license_id,
            "tier": self.tier,
            "platform_id": self.platform_id,
            "fee": self.fee_units,
        }
        return {name: value for name, value in known.items() if value is not None}


class BoundedChallengeRequest(ChallengeRequest):
    """A challenge whose bond is at most `most_bond_units` millionths of a dollar."""

    most_bond_units: int = Field(default=UINT64_MAX, exclude=True)
