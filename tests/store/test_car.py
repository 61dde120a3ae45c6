"""CAR files: as Kubo wrote them, as another CBOR library reads them, and everything that is none.

golden/kubo-block.car and golden/kubo-folder.car are what `ipfs dag export` of Kubo 0.42.0 printed for the block
`hello world` and for a folder of two files, `a` with `alpha` and `b` with `beta`, added with --cid-version=1.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store import MAX_BLOCK_BYTES, CarBlock, EmbeddedStore, read_car, write_car

GOLDEN = Path(__file__).parent / "golden"
BLOCK = (GOLDEN / "kubo-block.car").read_bytes()
FOLDER = (GOLDEN / "kubo-folder.car").read_bytes()

HELLO = b"hello world"
HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
ALPHA_CID = "bafkreieo2p3k22c3swpk24bckghbv53m3alpr2hmptg5uhwuaghi6ird7a"
BETA_CID = "bafkreihujzsooxzzjdu7op4n7kkhehcm5df3j4tfyr4qy4blfva47pzhkm"
"""As Kubo named them."""

# The lengths of the header and of the one section, as `xxd` shows them: 0x3a and 0x2f.
HEADER, SECTION = BLOCK[:59], BLOCK[59:]
NO_ROOTS = bytes((17,)) + b"\xa2\x65roots\x80\x67version\x01"
RAW_SHA256 = bytes.fromhex("01551220")


def read(data: bytes) -> list[CarBlock]:
    return list(read_car(io.BytesIO(data)))


def section(cid: bytes, data: bytes) -> bytes:
    """A section of fewer than 128 bytes, whose length is one byte."""
    return bytes((len(cid) + len(data),)) + cid + data


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path)


def test_what_kubo_exported_is_read(store: EmbeddedStore) -> None:
    assert read(BLOCK) == [(HELLO_CID, HELLO)]


def test_nodes_of_folders_are_told_apart_from_blocks() -> None:
    node, *blocks = read(FOLDER)
    assert node.cid is None
    assert blocks == [(ALPHA_CID, b"alpha"), (BETA_CID, b"beta")]


def test_a_block_is_written_as_kubo_writes_it(store: EmbeddedStore) -> None:
    store.put(HELLO)
    out = io.BytesIO()
    assert write_car([HELLO_CID, HELLO_CID], store, out) == (1, len(BLOCK), ())
    assert out.getvalue() == BLOCK


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256])
def test_the_header_names_every_block_in_its_order(store: EmbeddedStore, count: int) -> None:
    contents = [b"%d" % number for number in reversed(range(count))]
    cids = [store.put(data) for data in contents]
    out = io.BytesIO()
    steps = itertools.count()
    written = write_car(iter(cids), store, out, step=lambda: next(steps) and None)
    assert (written.blocks, written.size, next(steps)) == (count, len(out.getvalue()), count)
    car = out.getvalue()
    # The length is a varint of one byte or two: the second holds the higher seven bits.
    length, start = (car[0], 1) if car[0] < 0x80 else (car[0] - 0x80 + (car[1] << 7), 2)
    header: dict[str, Any] = cbor2.loads(car[start : start + length])
    digests = [hashlib.sha256(data).digest() for data in contents]
    assert header == {
        "roots": [cbor2.CBORTag(42, b"\0" + RAW_SHA256 + digest) for digest in digests],
        "version": 1,
    }
    assert list(header) == ["roots", "version"]  # DAG-CBOR: the shorter key first
    assert [(block.cid, block.data) for block in read(car)] == list(
        zip(cids, contents, strict=True)
    )


def test_the_largest_and_the_smallest_block_come_back(store: EmbeddedStore) -> None:
    contents = [b"", bytes(MAX_BLOCK_BYTES)]
    out = io.BytesIO()
    write_car([store.put(data) for data in contents], store, out)
    assert [block.data for block in read(out.getvalue())] == contents


def test_blocks_that_cannot_be_had_are_left_out_and_told(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.put(HELLO)
    spoilt = store.put(b"alpha")
    (file,) = tmp_path.rglob(spoilt)
    file.write_bytes(b"other bytes")
    out = io.BytesIO()
    written = write_car([BETA_CID, HELLO_CID, spoilt], store, out)
    assert [absent.cid for absent in written.absent] == [BETA_CID, ALPHA_CID]
    assert "is not in this store" in written.absent[0].reason
    assert "fetch it from another source" in written.absent[1].reason
    assert out.getvalue() == BLOCK


def test_what_is_no_cid_of_ours_is_not_written(store: EmbeddedStore) -> None:
    with pytest.raises(InputError, match="UnixFS"):
        write_car(
            ["bafybeibc7s7uob3tficfac46wyefwztxznn3eaewphs4jcr53yyyhbodha"], store, io.BytesIO()
        )


# ---- what is no CAR


@given(data=st.data())
def test_no_file_makes_the_reader_fail_in_a_way_of_its_own(data: st.DataObject) -> None:
    car = bytearray(data.draw(st.sampled_from([BLOCK, FOLDER])))
    for _ in range(data.draw(st.integers(1, 4))):
        car[data.draw(st.integers(0, len(car) - 1))] = data.draw(st.integers(0, 255))
    try:
        blocks = read(bytes(car))
    except (InputError, DigestMismatch):
        return
    assert {block.cid for block in blocks} <= {HELLO_CID, ALPHA_CID, BETA_CID, None}


@pytest.mark.parametrize("length", range(len(BLOCK)))
def test_a_file_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(InputError):
        read(BLOCK[:length])


def test_a_file_cut_between_two_sections_lacks_a_root(store: EmbeddedStore) -> None:
    cids = [store.put(HELLO), store.put(b"alpha")]
    out = io.BytesIO()
    write_car(cids, store, out)
    blocks = read_car(io.BytesIO(out.getvalue()[: -len(section(bytes(36), b"alpha"))]))
    assert next(blocks) == (HELLO_CID, HELLO)
    with pytest.raises(InputError, match=f"1 of its roots are not in it, {ALPHA_CID}"):
        next(blocks)


def test_wrong_bytes_are_named_by_their_cid() -> None:
    with pytest.raises(DigestMismatch, match=HELLO_CID):
        read(BLOCK[:-1] + b"!")


def test_blocks_before_an_error_are_handed_out() -> None:
    blocks = read_car(io.BytesIO(BLOCK + section(RAW_SHA256 + bytes(32), b"not what hashes to 0")))
    assert next(blocks) == (HELLO_CID, HELLO)
    with pytest.raises(DigestMismatch):
        next(blocks)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no CAR of version 1"),
        (b"<html><body>Not found</body></html>", "the file ends"),
        (bytes.fromhex("0aa16776657273696f6e02") + bytes(40), "version 2: export it as version 1"),
        (bytes.fromhex("0aa16776657273696f6e01") + SECTION, "no CAR of version 1"),
        (b"\xff" * 12, "no varint"),
        (b"\x00", "its length is 0"),
        (b"\xff\xff\xff\xff\x7f" + bytes(9), "not from 1 to 33554432"),
        (HEADER + b"\x00", "row 0, section: its length is 0"),
        (HEADER + b"\x81\x80\x80\x04" + bytes(9), "row 0, section: its length is 8388609"),
        (HEADER.replace(b"\x81\xd8\x2a", b"\x82\xd8\x2a") + SECTION, "not a list of links"),
        (HEADER.replace(b"\x81\xd8\x2a", b"\x61\xd8\x2a") + SECTION, "another type"),
        (HEADER.replace(b"\x81\xd8\x2a", b"\x9b\xd8\x2a") + SECTION, "beyond 2\\^32"),
        (HEADER.replace(b"\xd8\x2a", b"\xd8\x2b") + SECTION, "not a list of links"),
        (HEADER.replace(b"\x25\x00\x01", b"\x25\x01\x01") + SECTION, "no link"),
        (HEADER.replace(b"\x81\xd8\x2a", b"\x9a\xff\xff") + SECTION, "another type|not a list"),
    ],
)
def test_what_is_no_car_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(data)


def test_a_block_of_ours_beyond_the_limit_is_refused() -> None:
    data = bytes(MAX_BLOCK_BYTES + 1)
    cid = RAW_SHA256 + hashlib.sha256(data).digest()
    # 36 + 1 048 577 = 0x100025: 0b1000000 0000000 0100101 in groups of seven bits.
    with pytest.raises(InputError, match="more than one block holds"):
        read(NO_ROOTS + b"\xa5\x80\x40" + cid + data)


def test_a_store_that_says_it_has_nothing_makes_an_empty_car(store: EmbeddedStore) -> None:
    out = io.BytesIO()
    assert write_car([HELLO_CID], store, out).blocks == 0
    assert out.getvalue() == NO_ROOTS
    assert read(out.getvalue()) == []
    with pytest.raises(NotFound):
        store.get(HELLO_CID)
