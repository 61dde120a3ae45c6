"""What the model keeps: constants, rows and their bytes, refusals, and the records of money, consent and usage."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from obbligato.protocol.constants import Tier
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.rulings import challenge_digest, row_digest
from obbligato.protocol.terms import Terms
from obbligato.protocol.typed_data import UsageReport

PPM = 1_000_000
NOT_OFFERED = U64 = 2**64 - 1
DAY = 86_400
METERED, POOL = 1, 2
GRANT_REQUIRED, GRANT_APPROVAL, POOL_FLAG, MODEL_BOUND = 8, 16, 32, 64
WEIGHTS = {1: 1, 2: 2, 3: 4, 4: 6, 5: 8, 6: 10}
ZERO = "0x" + "00" * 20
ANY_MODEL = bytes(32)
DEAD = "0x000000000000000000000000000000000000dEaD"
PAUSE_LENGTH, PAUSE_SPACING = 14 * DAY, 90 * DAY
WITHDRAWAL_PERIOD = 3 * DAY

Key = tuple[int, int, int]
"""licenseId, tier, metric."""
Row = tuple[int, int, int, int]
"""A key and a quantity."""
Credit = tuple[int, int]
"""splitId, amount."""


class Refused(Exception):  # noqa: N818 - the protocol's word
    """The contracts must refuse with the custom error of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def refuse(name: str, *, when: bool) -> None:
    if when:
        raise Refused(name)


def unpack_rows(packed: bytes) -> list[Row]:
    return list(struct.iter_unpack(">IBBQ", packed))


def pack_rows(rows: Iterable[Row]) -> bytes:
    """Without any check, so that bad rows can be packed too."""
    return b"".join(struct.pack(">IBBQ", *row) for row in rows)


def pack_credits(credits_: Iterable[Credit]) -> bytes:
    return b"".join(struct.pack(">IQ", *credit) for credit in credits_)


@dataclass(frozen=True)
class Addresses:
    token: str
    vault: str
    registry: str
    grants: str
    oracle: str
    disputes: str
    governor: str
    guardian: str
    arbiter: str


@dataclass
class Platform:
    admin: str
    reporters: set[str]
    available: int = 0
    thawing: int = 0
    bond: int = 0
    thaw_ends_at: int = 0
    obligations: int = 0
    closes_at: int = 0
    enabled: set[str] = field(default_factory=set)


@dataclass
class Split:
    shares: dict[str, int]
    received: int = 0
    claimed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def entitlement(self, account: str) -> int:
        return self.received * self.shares[account] // PPM

    def due(self, account: str) -> int:
        return self.entitlement(account) - self.claimed[account]


@dataclass
class License:
    owner: str
    split_id: int
    history: LicenseHistory
    renewed_until: int = 0


@dataclass
class Stream:
    last: bytes = bytes(32)
    sequence: int = 0
    covered_until: int = 0


@dataclass
class Report:
    header: UsageReport
    rows: list[Row]
    credits: list[Credit]
    version: int
    state: str
    end: int = 0
    held: set[int] = field(default_factory=set)
    taken: int = 0
    """What left the platform's own money for this report and its rulings, less what came back."""
    paid: int = 0
    """What splits got by it."""
    penalties: int = 0

    @property
    def platform_id(self) -> int:
        return self.header.platform_id

    @property
    def packed_rows(self) -> bytes:
        return pack_rows(self.rows)

    @property
    def packed_credits(self) -> bytes:
        return pack_credits(self.credits)

    def find(self, key: Key) -> int | None:
        return next((i for i, row in enumerate(self.rows) if row[:3] == key), None)


@dataclass
class Record:
    quantity: int = 0
    amount: int = 0
    reopen_until: int = 0
    open_challenge: int = 0
    open_reduction: int = 0
    ruled: bool = False


@dataclass
class Challenge:
    report_id: bytes
    key: Key
    challenger: str
    opened_at: int
    platform_id: int
    reported: int
    claimed: int
    amount: int
    numerator: int
    denominator: int
    split_id: int
    disputed_since: int
    bond: int = 0
    state: str = "open"
    worth: int = 0
    """What a ruling made of the row."""

    @property
    def reduces(self) -> bool:
        return self.claimed < self.reported

    @property
    def digest(self) -> bytes:
        row = row_digest(self.report_id, self.key)
        return challenge_digest(
            row, challenger=self.challenger, reported=self.reported, claimed=self.claimed
        )


@dataclass
class Arrears:
    platform_id: int
    split_id: int
    owed: int
    penalty: int
    challenger: str


@dataclass
class RivalClaim:
    claimant: str
    opened_at: int
    license_id: int
    bond: int
    state: str = "open"


@dataclass
class Request:
    license_id: int
    tier: int
    platform_id: int
    fee: int
    model_id: bytes
    document: bytes | None = None
    closed: bool = False


@dataclass(frozen=True)
class Attestations:
    """Who signed a report, and whether the bytes are whole signatures."""

    version: int
    signers: tuple[str, ...]
    whole: bool = True


class PeriodOffer(NamedTuple):
    """What a licence asks of one key in a period: the dearer of its terms at the first and last moment of consent."""

    rate: int
    reserve: int
    flags: int


def period_offer(both: Sequence[Terms], key: Key) -> PeriodOffer:
    """`both`: the terms at the first moment with consent in the period, and those at the last."""
    cards = [terms.card(Tier(key[1])) for terms in both]
    rates = [(card.training_run, card.generation, card.playback)[key[2] - 1] for card in cards]
    offered = [rate for rate in rates if rate != NOT_OFFERED]
    pools = all(terms.flags & POOL_FLAG for terms in both)
    flags = (both[0].flags | both[1].flags) & ~POOL_FLAG | (POOL_FLAG if pools else 0)
    return PeriodOffer(max(rates), max(offered, default=NOT_OFFERED), flags)
