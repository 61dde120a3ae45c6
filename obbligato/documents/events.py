"""Usage events: the private form, the public form, chunks of lines, and the rows they sum to.

An event counts `units * influence_ppm` millionths of a unit: whole numbers only. Chunks are JSONL
(https://jsonlines.org), every line canonical JSON, at most 1 MiB so that one block holds one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import Field, model_validator

from obbligato.documents.canonical import LARGEST_JSON_INTEGER, sha256
from obbligato.documents.cid import cid_from_digest
from obbligato.documents.identifiers import Isrc
from obbligato.documents.model import Record, Text
from obbligato.errors import InputError
from obbligato.protocol.constants import MAX_TIME, PPM, UINT64_MAX, Metric, Tier
from obbligato.protocol.rows import Row
from obbligato.protocol.types import Bytes32, MetricField, TierField, UInt32

MAX_CHUNK_BYTES: Final = 1_048_576
HOUR_SECONDS: Final = 3_600
MIN_SALT_BYTES: Final = 16
JSONL_MEDIA_TYPE: Final = "application/x-ndjson"
PARQUET_MEDIA_TYPE: Final = "application/vnd.apache.parquet"

Key = Annotated[Text, Field(max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=MAX_TIME)]
PositiveId = Annotated[UInt32, Field(ge=1)]


class _Counted(Record):
    """What both forms of an event share.

    `occurred_at` is in seconds since 1970, UTC; `influence_ppm` in parts per million, 1 000 000 for
    full influence; `model_id` is the 32-byte identifier of the model in reports.
    """

    occurred_at: Seconds
    tier: TierField
    metric: MetricField
    units: Annotated[int, Field(ge=1, le=LARGEST_JSON_INTEGER)]
    influence_ppm: Annotated[int, Field(ge=1, le=PPM)]
    model_id: Bytes32
    attribution_provider: Key | None = None

    @property
    def quantity_millionths(self) -> int:
        """What the event adds to its row."""
        return self.units * self.influence_ppm

    @model_validator(mode="after")
    def _quantity_fits(self) -> Self:
        if self.quantity_millionths > UINT64_MAX:
            raise InputError("units * influence_ppm is beyond 2^64 - 1", field="units")
        return self


class UsageEvent(_Counted):
    """One thing that happened, as a platform knows it. It stays with the platform and the oracle.

    It names its recording by `license_id` or by `isrc`, never by both. `output_id` names what was
    generated or played, where there is such a thing.
    """

    event_id: Key
    license_id: PositiveId | None = None
    isrc: Isrc | None = None
    output_id: Key | None = None

    @model_validator(mode="after")
    def _one_recording(self) -> Self:
        if (self.license_id is None) == (self.isrc is None):
            raise InputError("name the recording by license_id or by isrc, by one of them")
        return self


class PublicUsageEvent(_Counted):
    """One event as evidence shows it to all: identifiers as salted hashes, time made coarse."""

    event_hash: Bytes32
    license_id: PositiveId
    output_hash: Bytes32 | None = None


class Chunk(NamedTuple):
    """Some lines of events: one block. `events` is how many."""

    data: bytes
    events: int

    @property
    def digest(self) -> bytes:
        return sha256(self.data)

    @property
    def cid(self) -> str:
        return cid_from_digest(self.digest)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def license_of_event(event: UsageEvent, license_of: Mapping[str, int]) -> int:
    """The licence an event counts for; `license_of` gives the licence of an ISRC.

    Raises InputError where there is none.
    """
    if event.license_id is not None:
        return event.license_id
    isrc = str(event.isrc)
    if isrc not in license_of:
        raise InputError(f"no licence is known for {isrc}: declare it as unlicensed", field="isrc")
    return license_of[isrc]


def public_form(
    event: UsageEvent,
    *,
    salt: bytes,
    license_of: Mapping[str, int] | None = None,
    boundaries: Sequence[int] = (),
) -> PublicUsageEvent:
    """The event as evidence shows it.

    Identifiers become `HMAC-SHA256(salt, domain || id)` with a salt of at least 16 bytes that is
    the report's own. The time is rounded down to the hour, but never across one of `boundaries`
    (seconds: where the period starts and where consent changes), so that it stays on its side.
    Raises InputError.
    """
    hour = event.occurred_at - event.occurred_at % HOUR_SECONDS
    passed = [moment for moment in boundaries if hour < moment <= event.occurred_at]
    return PublicUsageEvent(
        event_hash=salted_hash("event", event.event_id, salt=salt),
        occurred_at=max([hour, *passed]),
        license_id=license_of_event(event, license_of or {}),
        tier=event.tier,
        metric=event.metric,
        units=event.units,
        influence_ppm=event.influence_ppm,
        model_id=event.model_id,
        output_hash=None
        if event.output_id is None
        else salted_hash("output", event.output_id, salt=salt),
        attribution_provider=event.attribution_provider,
    )


def salted_hash(domain: Literal["event", "output"], identifier: str, *, salt: bytes) -> bytes:
    """32 bytes that only who knows the salt can tie to the identifier. Raises InputError."""
    if len(salt) < MIN_SALT_BYTES:
        raise InputError(f"a salt has at least {MIN_SALT_BYTES} random bytes", field="salt")
    return hmac.digest(salt, f"{domain}:{identifier}".encode(), hashlib.sha256)


def write_chunks(events: Iterable[Record], *, most: int = MAX_CHUNK_BYTES) -> Iterator[Chunk]:
    """The events (or other records) as chunks of at most `most` bytes, in the order given; no events, no chunks."""
    lines: list[bytes] = []
    size = 0
    for number, event in enumerate(events):
        line = event.to_bytes() + b"\n"
        if len(line) > most:
            raise InputError(f"is longer than a chunk of {most} bytes", row=number)
        if size + len(line) > most:
            yield Chunk(b"".join(lines), len(lines))
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield Chunk(b"".join(lines), len(lines))


def read_chunk(data: bytes, form: type[AnyRecord]) -> Iterator[AnyRecord]:
    """The events (or other records) of a chunk, each of class `form`.

    Raises InputError naming the line (row, from 0) and field of the first that is wrong; an empty
    chunk, a missing line end and a line that is not canonical are wrong.
    """
    if len(data) > MAX_CHUNK_BYTES:
        raise InputError(f"{len(data)} bytes are more than a chunk holds ({MAX_CHUNK_BYTES})")
    if not data.endswith(b"\n"):
        raise InputError("a chunk ends with the end of a line: something was cut off")
    for number, line in enumerate(data[:-1].split(b"\n")):
        try:
            yield form.from_bytes(line)
        except InputError as error:
            raise InputError(error.reason, field=error.field, row=number) from error


def aggregate(
    events: Iterable[UsageEvent | PublicUsageEvent],
    *,
    license_of: Mapping[str, int] | None = None,
) -> list[Row]:
    """The rows of a report: quantities summed by (licence, tier, metric), in ascending order.

    This is the reference that faster implementations must equal. `license_of` gives the licence of
    an ISRC. Raises InputError naming the event (row, from 0) that repeats an earlier one or has no
    licence, and where a sum is beyond 2^64 - 1.
    """
    sums: defaultdict[tuple[int, Tier, Metric], int] = defaultdict(int)
    seen: set[str | bytes] = set()
    for number, event in enumerate(events):
        identity: str | bytes
        if isinstance(event, UsageEvent):
            identity = event.event_id
            try:
                license_id = license_of_event(event, license_of or {})
            except InputError as error:
                raise InputError(error.reason, field=error.field, row=number) from error
        else:
            identity, license_id = event.event_hash, event.license_id
        if identity in seen:
            raise InputError("this event was counted before: send it once", row=number)
        seen.add(identity)
        sums[license_id, event.tier, event.metric] += event.quantity_millionths
    return [Row(*key, quantity) for key, quantity in sorted(sums.items())]
