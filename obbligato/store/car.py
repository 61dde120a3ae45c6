"""Blocks in one file that every IPFS node imports: CAR, version 1.

A header in DAG-CBOR (`{"roots": [CID…], "version": 1}`), then one section for each block: its CID
and its bytes, after their length as a varint. Source: https://ipld.io/specs/transport/car/carv1/.
Every block that is written is a root: a node that imports the file pins them all, and a file that
was cut short between two sections lacks a root, which readers notice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from obbligato.documents.cid import PREFIX, check_block, cid_from_digest, digest_from_cid
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store.port import ContentStore, StoreError, check_size

MAX_HEADER_BYTES: Final = 32 << 20
MAX_SECTION_BYTES: Final = 8 << 20
"""Both as go-car bounds them, which Kubo reads with: https://github.com/ipld/go-car (options.go)."""

_CID_BYTES: Final = len(PREFIX) + 32
_HEADER_START: Final = b"\xa2\x65roots"  # a map of two, in DAG-CBOR's order: the shorter key first
_HEADER_END: Final = b"\x67version\x01"
_VERSION_2: Final = b"\xa1\x67version\x02"
_LINK: Final = b"\xd8\x2a"  # tag 42: a CID as bytes, after a zero byte
_ARRAY, _BYTES = 0x80, 0x40  # CBOR's major types 4 and 2
_VARINT_BYTES: Final = 9  # https://github.com/multiformats/unsigned-varint


class CarBlock(NamedTuple):
    """One section of a CAR.

    `cid` is None where the section holds no block of ours but a node of another kind, of a folder
    for example: then `data` was not verified.
    """

    cid: str | None
    data: bytes


class Absent(NamedTuple):
    """A block that is not in the file, and why."""

    cid: str
    reason: str


class WrittenCar(NamedTuple):
    """What a file holds: so many blocks, so many bytes in all; and what it should hold as well."""

    blocks: int
    size: int
    absent: tuple[Absent, ...]


def write_car(
    cids: Iterable[str],
    store: ContentStore,
    out: IO[bytes],
    *,
    step: Callable[[], None] = lambda: None,
    scratch: Path | None = None,
) -> WrittenCar:
    """Write the blocks with these CIDs to `out`, in this order, each once.

    What the store cannot give, or gives with other bytes, is left out and told. The same blocks in
    the same order make the same file. `step` is called once for each different CID; `scratch` is a
    folder with room for the whole file (default: the system's). Raises InputError for what is no CID
    of ours and where the header would grow beyond MAX_HEADER_BYTES.
    """
    roots: list[bytes] = []
    absent: list[Absent] = []
    # The header comes first and names what follows: sections wait until it is known.
    with tempfile.TemporaryFile(prefix="obbligato-", dir=scratch) as sections:
        for cid in dict.fromkeys(cids):
            try:
                data = store.get(cid)
            except (NotFound, StoreError, DigestMismatch) as error:
                absent.append(Absent(cid, str(error)))
            else:
                root = PREFIX + digest_from_cid(cid)
                roots.append(root)
                sections.write(_varint(len(root) + len(data)) + root + data)
            step()
        size = out.write(_header(roots)) + sections.tell()
        sections.seek(0)
        shutil.copyfileobj(sections, out)
    return WrittenCar(len(roots), size, tuple(absent))


def read_car(stream: IO[bytes]) -> Iterator[CarBlock]:
    """The sections of a CAR, one at a time, each block of ours verified against its CID.

    Raises InputError, with the section's number as its row, for what is no CAR of version 1, and at
    the end where a root of our kind was not among the blocks; DigestMismatch for wrong bytes. No
    more than MAX_HEADER_BYTES is held at once.
    """
    awaited = {root for root in _roots(stream) if _is_ours(root)}
    number = 0
    while (section := _framed(stream, MAX_SECTION_BYTES, "section", number)) is not None:
        if _is_ours(section[:_CID_BYTES]):
            root, data = section[:_CID_BYTES], section[_CID_BYTES:]
            awaited.discard(root)
            cid = cid_from_digest(root[len(PREFIX) :])
            yield CarBlock(cid, check_block(cid, check_size(data)))
        else:
            yield CarBlock(None, section)
        number += 1
    if awaited:
        missing = cid_from_digest(min(awaited)[len(PREFIX) :])
        raise InputError(
            f"it is incomplete, {len(awaited)} of its roots are not in it, {missing} for one: "
            "fetch it again",
            field="roots",
        )


def _is_ours(cid: bytes) -> bool:
    return len(cid) == _CID_BYTES and cid.startswith(PREFIX)


# ---- writing


def _header(roots: Sequence[bytes]) -> bytes:
    links = b"".join(_LINK + _head(_BYTES, len(root) + 1) + b"\x00" + root for root in roots)
    header = _HEADER_START + _head(_ARRAY, len(roots)) + links + _HEADER_END
    if len(header) > MAX_HEADER_BYTES:
        raise InputError(
            f"{len(roots)} blocks are more than one CAR names: divide them", field="cids"
        )
    return _varint(len(header)) + header


def _head(major: int, count: int) -> bytes:
    """A CBOR head with the shortest count there is, as DAG-CBOR demands."""
    if count < 24:
        return bytes((major | count,))
    for more, width in ((24, 1), (25, 2), (26, 4)):
        if count < 1 << 8 * width:
            return bytes((major | more,)) + count.to_bytes(width, "big")
    raise AssertionError("a header never counts to 2^32")


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


# ---- reading


def _roots(stream: IO[bytes]) -> Iterator[bytes]:
    """The binary CIDs in the header."""
    header = _framed(stream, MAX_HEADER_BYTES, "header", None)
    if header == _VERSION_2:
        raise InputError("this is a CAR of version 2: export it as version 1", field="version")
    if header is None or not (header.startswith(_HEADER_START) and header.endswith(_HEADER_END)):
        raise InputError("this is no CAR of version 1: it has no such header", field="header")
    reader = _Cbor(header, len(_HEADER_START))
    for _ in range(reader.head(_ARRAY)):
        reader.skip(_LINK)
        root = reader.take(reader.head(_BYTES))
        if not root.startswith(b"\x00"):
            raise InputError("a root is no link: a CID starts with a zero byte", field="roots")
        yield root[1:]
    reader.skip(_HEADER_END)
    reader.finish()


class _Cbor:
    """A position in DAG-CBOR, as far as headers need it; every error is an InputError."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def head(self, major: int) -> int:
        """The count of an item of this major type."""
        (first,) = self.take(1)
        if first & 0xE0 != major:
            raise InputError(f"0x{first:02x} stands where another type is due", field="header")
        count = first & 0x1F
        if count < 24:
            return count
        if count > 26:
            raise InputError("a count is beyond 2^32", field="header")
        return int.from_bytes(self.take(1 << count - 24), "big")

    def skip(self, due: bytes) -> None:
        """Pass over what has to be here."""
        if self.take(len(due)) != due:
            raise InputError("its roots are not a list of links", field="roots")

    def take(self, count: int) -> bytes:
        taken = self._data[self._position : self._position + count]
        if len(taken) != count:
            raise InputError("it ends too early", field="header")
        self._position += count
        return taken

    def finish(self) -> None:
        if self._position != len(self._data):
            raise InputError("something follows the version", field="header")


def _framed(stream: IO[bytes], most: int, what: str, row: int | None) -> bytes | None:
    """The next length and so many bytes; None at the end of the file."""
    length = _read_varint(stream, what, row)
    if length is None:
        return None
    if not 0 < length <= most:
        raise InputError(f"its length is {length}, not from 1 to {most}", field=what, row=row)
    data = stream.read(length)
    if len(data) != length:
        raise InputError(
            f"the file ends {length - len(data)} bytes too early: fetch it again",
            field=what,
            row=row,
        )
    return data


def _read_varint(stream: IO[bytes], what: str, row: int | None) -> int | None:
    number = 0
    for position in range(_VARINT_BYTES):
        byte = stream.read(1)
        if not byte:
            break
        number |= (byte[0] & 0x7F) << 7 * position
        if byte[0] < 0x80:
            return number
    else:
        raise InputError("its length is no varint of at most 9 bytes", field=what, row=row)
    if position == 0:
        return None
    raise InputError("the file ends within a length: fetch it again", field=what, row=row)
