"""Usage files as they are given: their format, their decompression, their lines by the block."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from obbligato.errors import InputError
from obbligato.metering.line_parsing import MAX_LINE_BYTES

MAX_REJECTIONS: Final = 1_000
"""How many wrong lines are listed, here and by the oracle; the others are counted."""

MAX_BAD_LINES: Final = 100_000
"""After as many the file is something else than usage: reading stops."""


class Rejection(NamedTuple):
    """One bad line: counted from 1 as editors do, in Parquet the row from 1."""

    file: str
    line: int
    field: str | None
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}"
        return f"{where}, {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"


class RejectedLines(InputError):  # noqa: N818 -- says what happened
    """Some lines are wrong: the first 1 000 by file and line in `rejections`, all counted in `total`."""

    def __init__(self, rejections: Sequence[Rejection], total: int) -> None:
        count = "one line is" if total == 1 else f"{total} lines are"
        super().__init__(
            f"{count} wrong, first {rejections[0]}: put them right, or leave them out on purpose",
            field=rejections[0].field,
        )
        self.rejections = tuple(rejections)
        self.total = total


Format = Literal["jsonl", "csv", "parquet"]

BLOCK_BYTES: Final = 8 * 1_048_576
MAX_INPUT_BYTES: Final = 8 * 1_073_741_824
"""Of one metering, decompressed."""
MAX_RATIO: Final = 200
FREE_RATIO_BYTES: Final = 16 * 1_048_576
"""A file of repetitions may shrink further than 200 times, as long as it is small."""

_ENDINGS: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class UsageFile:
    """A file of usage events. `name` is what messages call it; no format: told by name or content."""

    path: Path
    name: str
    format: Format | None = None


@dataclass(slots=True)
class Allowance:
    """How many bytes may still be read, over all files of one metering."""

    left: int = MAX_INPUT_BYTES

    def spend(self, size: int, *, name: str) -> None:
        """Raises InputError where it is used up."""
        self.left -= size
        if self.left < 0:
            raise InputError(
                f"{name}: more usage than is taken at once: send it in several reports"
            )


class Lines(NamedTuple):
    """Some lines of a file. `first` is the number of the first one, counted from 1.

    `texts` are the lines without their ends, null where `faults` says why a line cannot be read.
    """

    first: int
    texts: pa.Array
    faults: dict[int, str]


def format_of(file: UsageFile) -> Format:
    """The format of a file: as stated, else by its name, else by its first bytes.

    Raises InputError where the content is in no known format, or where the file cannot be read.
    """
    if file.format is not None:
        return file.format
    endings = [ending.lower() for ending in Path(file.name).suffixes]
    if endings and endings[-1] == ".gz":
        endings.pop()
    if endings and endings[-1] in _ENDINGS:
        return _ENDINGS[endings[-1]]
    with opened(file) as stream, _readable(file.name):
        start = stream.read(64).removeprefix(_BOM).lstrip()
    if start.startswith(_PARQUET):
        return "parquet"
    return "jsonl" if start.startswith(b"{") else "csv"


@contextmanager
def opened(file: UsageFile) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where they begin as gzip does. Raises InputError."""
    try:
        raw = file.path.open("rb")
    except OSError as error:
        raise InputError(f"{file.name}: cannot be opened ({error.strerror})") from error
    with raw:
        compressed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        if not compressed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
            yield _Guarded(stream, raw, file.name)  # type: ignore[misc]  # has read, which is used


class _Guarded:
    """A decompressed stream that refuses to be a bomb."""

    def __init__(self, stream: gzip.GzipFile, raw: BinaryIO, name: str) -> None:
        self._stream, self._raw, self._name, self._size = stream, raw, name, 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._size += len(data)
        if self._size > max(FREE_RATIO_BYTES, MAX_RATIO * self._raw.tell()):
            raise InputError(
                f"{self._name}: a compressed bomb: it grows more than {MAX_RATIO} times"
            )
        return data


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{name}: cannot be read to its end ({error}): send it again") from error


def blocks_of_lines(
    file: UsageFile, allowance: Allowance, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[Lines]:
    """The lines of a file, some MiB at a time, never more of one line than is needed to refuse it.

    Raises InputError where the file cannot be read or is more than the allowance.
    """
    first = 1
    for block in _whole_lines(file, allowance, block_bytes):
        lines = _split(block)
        yield _checked(first, lines)
        first += len(lines)


def _whole_lines(file: UsageFile, allowance: Allowance, block_bytes: int) -> Iterator[bytes]:
    rest = b""
    at_start = True
    with opened(file) as stream:
        while True:
            with _readable(file.name):
                data = stream.read(block_bytes)
            if not data:
                break
            allowance.spend(len(data), name=file.name)
            block = rest + (data.removeprefix(_BOM) if at_start else data)
            at_start = False
            end = block.rfind(b"\n") + 1
            # One byte over the limit is all that is needed of a line without an end.
            rest = (
                block[end:]
                if len(block) - end <= MAX_LINE_BYTES
                else (block[end : end + MAX_LINE_BYTES + 1])
            )
            if end:
                yield block[:end]
    if rest:
        yield rest + b"\n"


def _split(block: bytes) -> pa.Array:
    lines = pc.split_pattern(pa.array([block[:-1]], pa.large_binary()), pattern=b"\n")
    return lines.flatten()


def _checked(first: int, lines: pa.Array) -> Lines:
    faults: dict[int, str] = {}
    too_long = pc.greater(pc.binary_length(lines), MAX_LINE_BYTES)
    if pc.any(too_long).as_py():
        for position in pc.indices_nonzero(too_long).to_pylist():
            faults[first + position] = f"is longer than {MAX_LINE_BYTES} bytes: no event is"
        lines = pc.if_else(too_long, pa.scalar(None, lines.type), lines)
    try:
        return Lines(first, lines.cast(pa.large_string()), faults)
    except pa.ArrowInvalid:
        return Lines(first, _decoded(first, lines, faults), faults)


def _decoded(first: int, lines: pa.Array, faults: dict[int, str]) -> pa.Array:
    """Line by line, for the rare block that holds something else than UTF-8."""
    texts: list[str | None] = []
    for position, line in enumerate(lines.to_pylist()):
        try:
            texts.append(None if line is None else line.decode("utf-8"))
        except UnicodeDecodeError as error:
            texts.append(None)
            faults[first + position] = f"byte {error.start + 1} is not UTF-8: save it as UTF-8"
    return pa.array(texts, pa.large_string())
