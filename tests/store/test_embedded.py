"""The block folder: whole blocks or none, verified at every read, safe for many writers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obbligato.documents.cid import cid_of
from obbligato.errors import DigestMismatch, InputError, NotFound
from obbligato.store import MAX_BLOCK_BYTES, BlockState, EmbeddedStore, StoreError

HELLO = b"hello world"
HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "store")


def block_path(store: EmbeddedStore, tmp_path: Path, cid: str) -> Path:
    (found,) = (tmp_path / "store" / "blocks").rglob(cid)
    return found


def test_a_block_comes_back_under_its_published_cid(store: EmbeddedStore) -> None:
    assert store.put(HELLO) == HELLO_CID
    assert store.get(HELLO_CID) == HELLO
    assert store.status(HELLO_CID) == (HELLO_CID, BlockState.PINNED, 11)
    store.pin(HELLO_CID)


@settings(max_examples=25)
@given(data=st.binary(max_size=2_000))
def test_any_bytes_come_back_even_in_a_store_opened_anew(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    cid = EmbeddedStore(folder).put(data)
    assert EmbeddedStore(folder).get(cid) == data


def test_blocks_lie_where_flatfs_shards_them_by_the_characters_next_to_the_last(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.put(HELLO)
    assert (tmp_path / "store" / "blocks" / "n5" / HELLO_CID).read_bytes() == HELLO


def test_a_block_that_is_not_here_is_not_found(store: EmbeddedStore) -> None:
    assert store.status(HELLO_CID) == (HELLO_CID, BlockState.ABSENT, None)
    for verb in (store.get, store.pin):
        with pytest.raises(NotFound, match=HELLO_CID):
            verb(HELLO_CID)


@pytest.mark.parametrize("tampered", [b"hello w0rld", b"", HELLO + b"!", b"x" * 2_000_000])
def test_a_tampered_block_is_a_digest_mismatch_for_every_verb_that_reads(
    store: EmbeddedStore, tmp_path: Path, tampered: bytes
) -> None:
    store.put(HELLO)
    block_path(store, tmp_path, HELLO_CID).write_bytes(tampered)
    for verb in (store.get, store.pin, store.status):
        with pytest.raises(DigestMismatch, match=HELLO_CID):
            verb(HELLO_CID)


def test_putting_the_true_bytes_again_mends_a_tampered_block(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.put(HELLO)
    block_path(store, tmp_path, HELLO_CID).write_bytes(b"other")
    store.put(HELLO)
    assert store.get(HELLO_CID) == HELLO


def test_a_link_in_the_folder_is_not_followed(store: EmbeddedStore, tmp_path: Path) -> None:
    store.put(HELLO)
    path = block_path(store, tmp_path, HELLO_CID)
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(StoreError):
        store.get(HELLO_CID)


@pytest.mark.parametrize(
    "trick",
    ["../../../etc/passwd", "b/../../x", "", ".", HELLO_CID + "/..", HELLO_CID + "\x00", "b" * 400],
)
def test_path_tricks_are_refused_before_any_file_is_touched(
    store: EmbeddedStore, trick: str
) -> None:
    for verb in (store.get, store.pin, store.status):
        with pytest.raises(InputError, match="is not a CID"):
            verb(trick)


def test_a_block_holds_one_mebibyte_and_not_one_byte_more(store: EmbeddedStore) -> None:
    largest = bytes(MAX_BLOCK_BYTES)
    assert store.get(store.put(largest)) == largest
    with pytest.raises(InputError, match="1048577 bytes"):
        store.put(largest + b"x")


def test_a_write_that_fails_leaves_no_block_and_no_remains(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            store.put(HELLO)
    with pytest.raises(NotFound):
        store.get(HELLO_CID)
    assert list((tmp_path / "store" / "partial").iterdir()) == []
    assert store.put(HELLO) == HELLO_CID


def test_what_a_dead_writer_left_is_swept_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    partial = tmp_path / "store" / "partial"
    (partial / "dead").write_bytes(b"half")
    long_ago = time.time() - 7_200
    os.utime(partial / "dead", (long_ago, long_ago))
    (partial / "live").write_bytes(b"half")
    EmbeddedStore(tmp_path / "store")
    assert [path.name for path in partial.iterdir()] == ["live"]
    assert store.status(HELLO_CID).state is BlockState.ABSENT


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot open the block folder"):
        EmbeddedStore(tmp_path / "file")


def test_many_threads_write_and_read_the_same_blocks(store: EmbeddedStore) -> None:
    blocks = [f"block {number % 7}".encode() * 5_000 for number in range(56)]
    start = threading.Barrier(8)

    def work(offset: int) -> None:
        start.wait(timeout=30)
        for data in blocks[offset::8] + blocks[:7]:
            assert store.get(store.put(data)) == data

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


WRITER = """
import sys
from obbligato.store import EmbeddedStore

store, turn = EmbeddedStore(sys.argv[1]), int(sys.argv[2])
blocks = [f"block {number}".encode() * 20_000 for number in range(12)]
for data in blocks[turn:] + blocks[:turn]:
    store.put(data)
"""


def test_many_processes_write_the_same_blocks(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(turn)], cwd=root)
        for turn in (0, 3, 6)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    store = EmbeddedStore(tmp_path)
    for number in range(12):
        data = f"block {number}".encode() * 20_000
        assert store.get(cid_of(data)) == data
    assert len([path for path in (tmp_path / "blocks").rglob("b*") if path.is_file()]) == 12
    assert list((tmp_path / "partial").iterdir()) == []
