"""Usage rows and credits, and the packed bytes in which the chain carries them.

A row packs into 14 bytes, big-endian: `licenseId 4 | tier 1 | metric 1 | quantity 8`.
A credit packs into 12: `splitId 4 | amount 8`. Credit i belongs to row i.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_ROWS, UINT64_MAX, Metric, Tier
from obbligato.protocol.types import member_of, whole_number

_ROW: Final = struct.Struct(">IBBQ")
_CREDIT: Final = struct.Struct(">IQ")
ROW_BYTES: Final = _ROW.size
CREDIT_BYTES: Final = _CREDIT.size

_UINT32_MAX: Final = 2**32 - 1
_tier = member_of(Tier)
_metric = member_of(Metric)


@dataclass(frozen=True, slots=True)
class Row:
    """Usage of one licence. `quantity` is in millionths of a unit at full influence, never 0.

    Tier and metric may be given by their number. Raises InputError.
    """

    license_id: int
    tier: Tier
    metric: Metric
    quantity: int

    def __post_init__(self) -> None:
        whole_number(self.license_id, field="licenseId", most=_UINT32_MAX)
        whole_number(self.quantity, field="quantity", least=1, most=UINT64_MAX)
        object.__setattr__(self, "tier", _tier(self.tier))
        object.__setattr__(self, "metric", _metric(self.metric))

    @property
    def key(self) -> tuple[int, int, int]:
        """What a report is ordered by: (licenseId, tier, metric)."""
        return (self.license_id, self.tier, self.metric)


@dataclass(frozen=True, slots=True)
class Credit:
    """Money units credited to a split for one row. Raises InputError."""

    split_id: int
    amount: int

    def __post_init__(self) -> None:
        whole_number(self.split_id, field="splitId", least=1, most=_UINT32_MAX)
        whole_number(self.amount, field="amount", most=UINT64_MAX)


def check_rows(rows: Sequence[Row]) -> None:
    """Raises InputError naming the first row out of order, or if there are over 1 000."""
    if len(rows) > MAX_ROWS:
        raise InputError(
            f"{len(rows)} rows: divide them into reports of at most {MAX_ROWS}", field="rows"
        )
    before = None
    for number, row in enumerate(rows):
        if before is not None and row.key <= before:
            raise InputError(
                "add its quantity to the row before it: they have the same key"
                if row.key == before
                else "out of order: sort rows by (licenseId, tier, metric)",
                row=number,
            )
        before = row.key


def pack_rows(rows: Sequence[Row]) -> bytes:
    """14 bytes a row. Raises InputError as `check_rows`."""
    check_rows(rows)
    return b"".join(_ROW.pack(row.license_id, row.tier, row.metric, row.quantity) for row in rows)


def unpack_rows(packed: bytes) -> list[Row]:
    """The rows of packed bytes. Raises InputError naming the first row that is not valid."""
    _check_length(packed, each=ROW_BYTES, what="row")
    rows = []
    for number, values in enumerate(_ROW.iter_unpack(packed)):
        try:
            rows.append(Row(*values))
        except InputError as error:
            raise InputError(error.reason, field=error.field, row=number) from error
    check_rows(rows)
    return rows


def rows_digest(rows: Sequence[Row]) -> bytes:
    """`rowsDigest` of a report: keccak256 of the packed rows, of nothing for no rows."""
    return keccak(pack_rows(rows))


def pack_credits(credits_: Iterable[Credit]) -> bytes:
    """12 bytes a credit."""
    return b"".join(_CREDIT.pack(credit.split_id, credit.amount) for credit in credits_)


def unpack_credits(packed: bytes) -> list[Credit]:
    """The credits of packed bytes. Raises InputError naming the first that is not valid."""
    _check_length(packed, each=CREDIT_BYTES, what="credit")
    unpacked = []
    for number, (split_id, amount) in enumerate(_CREDIT.iter_unpack(packed)):
        try:
            unpacked.append(Credit(split_id=split_id, amount=amount))
        except InputError as error:
            raise InputError(error.reason, field=error.field, row=number) from error
    return unpacked


def credits_digest(credits_: Iterable[Credit]) -> bytes:
    """`creditsDigest` of a report: keccak256 of the packed credits."""
    return keccak(pack_credits(credits_))


def _check_length(packed: bytes, *, each: int, what: str) -> None:
    if len(packed) % each:
        raise InputError(
            f"{len(packed)} bytes are not a whole number of {what}s of {each} bytes: "
            "check that nothing was cut off"
        )
