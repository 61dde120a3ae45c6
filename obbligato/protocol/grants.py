"""Grants: a platform's right to a tier of a licence for a time, for one model or for any."""

from __future__ import annotations

from typing import Annotated, Self

from eth_hash.auto import keccak
from pydantic import Field, model_validator

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import MAX_TIME, NOTICE_SECONDS, Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.types import ZERO_DIGEST, Bytes32, Strict, TierField, UInt32

Moment = Annotated[int, Field(ge=0, le=MAX_TIME)]


class Grant(Strict):
    """A right in force in `[start, end)`, seconds since 1970. Raises InputError if it is empty.

    `model_id` zero: for any model of the platform, where the terms of the use bind it to none.
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

    def is_for_same_use_as(self, other: Grant) -> bool:
        """Whether only their times differ."""
        return (self.license_id, self.tier, self.platform_id, self.model_id) == (
            other.license_id,
            other.tier,
            other.platform_id,
            other.model_id,
        )

    def serves_model(self, model_id: bytes, *, bound: bool) -> bool:
        """Whether it serves a model; `bound`: the terms of the use have MODEL_BOUND."""
        return not bound if self.model_id == ZERO_DIGEST else self.model_id == model_id

    def covers(
        self,
        *,
        license_id: int,
        tier: Tier,
        platform_id: int,
        model_id: bytes,
        start: int,
        end: int,
        bound: bool = False,
    ) -> bool:
        """Whether it serves a row of this licence and tier in a report of this period."""
        return (
            self.license_id == license_id
            and self.tier == tier
            and self.platform_id == platform_id
            and self.serves_model(model_id, bound=bound)
            and self.overlaps(start, end)
        )


def span_for_sale(history: LicenseHistory, *, held_until: int, now: int) -> tuple[int, int]:
    """What a grant bought at `now` runs for, `[start, end)`: the rest of the running term, or the next term.

    `held_until` is the end of the grant for the same use that the platform holds, 0 for none. While it
    runs, the next term is for sale: in the last 30 days of this one. Raises RefusedError otherwise.
    """
    term_end = history.term_end(now)
    if held_until <= now:
        return now, term_end
    if held_until > term_end or history.ends_at == term_end:
        raise RefusedError(f"the grant before it ends at {held_until}: there is nothing to grant")
    opens_at = term_end - NOTICE_SECONDS + 1
    if now < opens_at:
        raise RefusedError(f"a grant that runs is renewed from {opens_at} on")
    pending = history.pending_at(now)
    if pending is not None and pending.start == term_end:
        raise RefusedError(f"the next term has other terms: buy a grant for it from {term_end} on")
    following = history.version_at(now)
    assert following is not None  # a term runs
    return term_end, following.term_end(term_end)


def request_digest(
    *,
    license_id: int,
    document: bytes,
    tier: Tier,
    platform_id: int,
    platform_admin: str,
    model_id: bytes,
    fee: int,
) -> bytes:
    """What approving a request means: keccak-256 of these seven as words of 32 bytes, as the ABI has them."""
    admin = int(platform_admin, 16).to_bytes(32, "big")
    first, third, fourth, last = (
        value.to_bytes(32, "big") for value in (license_id, int(tier), platform_id, fee)
    )
    return keccak(first + document + third + fourth + admin + model_id + last)
