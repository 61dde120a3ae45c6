"""Grants: a platform's right to a tier of a licence for a time, for one model or for any."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME, Tier
from obbligato.protocol.types import ZERO_DIGEST, Bytes32, Strict, TierField, UInt32

Moment = Annotated[int, Field(ge=0, le=MAX_TIME)]


class Grant(Strict):
    """A right in force in `[start, end)`, seconds since 1970. Raises InputError if it is empty.

    `model_id` zero: for any model of the platform (terms with MODEL_BOUND sell no such grant).
    """

    license_id: UInt32
    tier: TierField
    platform_id: UInt32
    model_id: Bytes32
    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _has_time(self) -> Self:
        if self.end <= self.start:
            raise InputError("ends before it starts: end must come after start", field="end")
        return self

    def overlaps(self, start: int, end: int) -> bool:
        """Whether some moment of `[start, end)` lies in the grant."""
        return max(self.start, start) < min(self.end, end)

    def covers(
        self,
        *,
        license_id: int,
        tier: Tier,
        platform_id: int,
        model_id: bytes,
        start: int,
        end: int,
    ) -> bool:
        """Whether it serves a row of this licence and tier in a report of this period."""
        return (
            self.license_id == license_id
            and self.tier == tier
            and self.platform_id == platform_id
            and self.model_id in (model_id, ZERO_DIGEST)
            and self.overlaps(start, end)
        )
