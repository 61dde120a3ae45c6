"""What a platform asks the oracle to report: one model, one period, and files of events or ready rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME, UINT64_MAX, Pricing
from obbligato.protocol.rows import Row
from obbligato.protocol.streams import check_length
from obbligato.protocol.types import checked_bytes32, whole_number

CHUNK_BYTES = 1_048_576
MOST_NAME = 200

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes are done, and of how many."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of usage on this machine: its sha-256 in hexadecimal, its size in bytes."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that the oracle has; `format` is jsonl, csv or parquet, or None to go by the name."""

    sha256: str
    name: str
    format: str | None = None

    def as_json(self) -> dict[str, str]:
        formatted = {} if self.format is None else {"format": self.format}
        return {"sha256": self.sha256, "name": self.name, **formatted}


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of one model in `[start, end)`, seconds; neither files nor rows make a zero statement.

    `total` is what a POOL shares, in millionths of a dollar. `skip_invalid` leaves wrong lines out
    instead of refusing them all. Raises InputError for what no oracle takes.
    """

    model_id: bytes
    start: int
    end: int
    pricing: Pricing = Pricing.METERED
    total: int | None = None
    files: tuple[UploadedFile, ...] = ()
    rows: tuple[Row, ...] = ()
    skip_invalid: bool = False

    def __post_init__(self) -> None:
        checked_bytes32(self.model_id)
        whole_number(self.start, field="start", least=1, most=MAX_TIME)
        whole_number(self.end, field="end", most=MAX_TIME)
        check_length(self.start, self.end, field="end")
        if self.files and self.rows:
            raise InputError("give files of events or ready rows, not both", field="rows")
        if (self.pricing is Pricing.POOL) != (self.total is not None):
            raise InputError(
                "is what a POOL shares: give it with POOL, and only then", field="total"
            )
        if self.total is not None:
            whole_number(self.total, field="total", most=UINT64_MAX)

    def body(self) -> bytes:
        """The request's body: the same bytes for the same usage."""
        data: dict[str, Any] = {
            "model_id": "0x" + self.model_id.hex(),
            "period": {"start": self.start, "end": self.end},
            "pricing": self.pricing.name,
            "skip_invalid": self.skip_invalid,
        }
        if self.total is not None:
            data["total"] = str(self.total)
        if self.rows:
            data["rows"] = [_row(row) for row in self.rows]
        else:
            data["files"] = [file.as_json() for file in self.files]
        return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()

    def key(self) -> str:
        """An idempotency key of this usage: sent twice, it is one submission."""
        return hashlib.sha256(self.body()).hexdigest()


def local_file(path: Path, progress: Progress | None = None) -> LocalFile:
    """Hash a file, block by block. Raises InputError where it cannot be read or is empty."""
    hashed, done = hashlib.sha256(), 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                hashed.update(block)
                done += len(block)
                if progress is not None:
                    progress(f"read {path.name}", done, size)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", field="file") from error
    if not done:
        raise InputError(f"{path} is empty: report no use with a zero statement", field="file")
    return LocalFile(path, hashed.hexdigest(), done)


def _row(row: Row) -> dict[str, Any]:
    return {
        "license_id": row.license_id,
        "tier": row.tier.name,
        "metric": row.metric.name,
        "quantity": str(row.quantity),
    }
