"""The stores and CAR files against a real Kubo node; what the `ipfs` command says is the measure."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from obbligato.documents.cid import cid_of
from obbligato.documents.events import PublicUsageEvent, aggregate, write_chunks
from obbligato.documents.evidence import EventChunk, EvidenceDocument, Period, evidence_document
from obbligato.documents.license import LicenseDocument
from obbligato.errors import NotFound
from obbligato.protocol.constants import Metric, Tier
from obbligato.store import (
    BlockState,
    ContentStore,
    EmbeddedStore,
    GatewayStore,
    KuboStore,
    LayeredStore,
    StoreError,
    read_car,
    write_car,
)
from scripts.kubo import Kubo, NoKubo, kubo

# ipfshttpclient passes urllib3 an argument that means nothing any more.
pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")

GOLDEN = Path(__file__).parent / "golden"
DOCUMENTS = Path(__file__).parents[1] / "documents" / "golden"
NEVER_PUT = "bafkreih7rr54gpwialfg544kfhmjybuhlnhlvmw3dstlklwhbhxmhvxmz4"
KIB = 1_024
ADD = ("add", "--cid-version=1", "--raw-leaves", "--quieter")


@contextmanager
def running(*, offline: bool = True) -> Iterator[Kubo]:
    """A node, or a skipped test where none can be had."""
    try:
        with kubo(offline=offline) as node:
            yield node
    except NoKubo as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def node() -> Iterator[Kubo]:
    with running() as node:
        yield node


@pytest.fixture(scope="module")
def store(node: Kubo) -> Iterator[KuboStore]:
    store = KuboStore(node.api, timeout_seconds=30)
    yield store
    store.close()


@pytest.fixture
def blocks(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "blocks")


def said(node: Kubo, *arguments: str | Path, stdin: bytes = b"") -> str:
    """The last word of what `ipfs` prints."""
    return node.run(*arguments, stdin=stdin).decode().split()[-1]


def license_bytes() -> bytes:
    golden = json.loads((DOCUMENTS / "license-document.json").read_bytes())
    return LicenseDocument.read(golden).to_bytes()


def chunk_and_evidence() -> list[bytes]:
    """A chunk of a thousand events, and the evidence that names it."""
    start = 1_767_225_600
    events = [
        PublicUsageEvent(
            event_hash=number.to_bytes(32, "big"),
            occurred_at=start,
            license_id=1 + number % 7,
            tier=Tier.GENERATIVE,
            metric=Metric.PLAYBACK,
            units=1 + number,
            influence_ppm=1_000_000,
            model_id=bytes(32),
        )
        for number in range(1_000)
    ]
    (chunk,) = write_chunks(events)
    evidence: EvidenceDocument = evidence_document(
        platform_id=1,
        model_id=bytes(32),
        period=Period(start=start, end=start + 86_400),
        salt=bytes(16),
        chunks=[EventChunk.of(chunk)],
        rows=aggregate(events),
    )
    return [chunk.data, evidence.to_bytes()]


CHUNK, EVIDENCE = chunk_and_evidence()
CONTENTS = {
    "nothing": b"",
    "a legal text": (DOCUMENTS / "legal-text.txt").read_bytes(),
    "a licence document": license_bytes(),
    "an evidence document": EVIDENCE,
    "a chunk of events": CHUNK,
    "the largest document": bytes(256 * KIB),
    "the largest chunk": bytes(range(256)) * 4 * KIB,
}
each_kind = pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)


@each_kind
def test_what_is_put_is_what_the_node_has_under_that_cid(
    node: Kubo, store: KuboStore, data: bytes
) -> None:
    cid = store.put(data)
    assert cid == cid_of(data)
    assert node.run("block", "get", cid) == data
    assert node.run("pin", "ls", "--type=recursive", "--quiet", cid).decode().split() == [cid]
    assert store.get(cid) == data
    assert store.status(cid) == (cid, BlockState.PINNED, len(data))


@each_kind
def test_a_file_that_is_added_by_hand_has_the_cid_that_the_chain_computes(
    node: Kubo, data: bytes
) -> None:
    # By itself `add` cuts a file every 256 KiB: documents stay whole, chunks need to be told.
    whole = () if len(data) <= 256 * KIB else ("--chunker=size-1048576",)
    assert said(node, *ADD, *whole, stdin=data) == cid_of(data)


def test_what_is_stored_but_not_pinned_goes_with_the_garbage(node: Kubo, store: KuboStore) -> None:
    kept, lost = (
        said(node, "block", "put", "--cid-codec=raw", stdin=data) for data in (b"kept", b"lost")
    )
    assert store.status(kept) == (kept, BlockState.STORED, 4)
    store.pin(kept)
    assert store.status(kept) == (kept, BlockState.PINNED, 4)
    node.run("repo", "gc", "--quiet")
    assert store.get(kept) == b"kept"
    assert store.status(lost) == (lost, BlockState.ABSENT, None)


def test_a_block_that_a_pinned_folder_holds_is_pinned(
    node: Kubo, store: KuboStore, tmp_path: Path
) -> None:
    (tmp_path / "document").write_bytes(b"in a folder")
    node.run(*ADD, "--recursive", tmp_path)
    assert store.status(cid_of(b"in a folder")).state is BlockState.PINNED


def test_a_node_without_peers_has_what_it_has(store: KuboStore) -> None:
    assert store.status(NEVER_PUT) == (NEVER_PUT, BlockState.ABSENT, None)
    for verb in (store.get, store.pin):
        with pytest.raises(NotFound, match="has no such block"):
            verb(NEVER_PUT)


def test_a_node_that_searches_in_vain_says_so_when_its_time_is_up() -> None:
    with running(offline=False) as node:
        store = KuboStore(node.api, timeout_seconds=1)
        for verb in (store.get, store.pin):
            with pytest.raises(NotFound, match="deadline exceeded"):
                verb(NEVER_PUT)
        assert store.status(NEVER_PUT) == (NEVER_PUT, BlockState.ABSENT, None)
        store.close()


def test_a_node_that_was_away_is_used_again(node: Kubo, store: KuboStore) -> None:
    before = store.put(b"before")
    node.stop()
    try:
        for ask in (lambda: store.put(b"after"), lambda: store.status(before)):
            with pytest.raises(StoreError, match="no Kubo answers there"):
                ask()
    finally:
        node.start()
    after = store.put(b"after")
    assert [store.get(cid) for cid in (before, after)] == [b"before", b"after"]


def test_many_threads_use_one_store(store: KuboStore) -> None:
    contents = [b"of thread %d" % number for number in range(64)]
    with ThreadPoolExecutor(max_workers=8) as threads:
        cids = list(threads.map(store.put, contents))
        assert list(threads.map(store.get, cids)) == contents


def test_a_folder_before_a_node_keeps_what_it_fetched(
    node: Kubo, store: KuboStore, blocks: EmbeddedStore
) -> None:
    layered: ContentStore = LayeredStore(blocks, [store])
    own = layered.put(b"the folder's own")
    assert store.status(own).state is BlockState.ABSENT
    theirs = store.put(b"the node's")
    assert layered.status(theirs).state is BlockState.ABSENT
    assert layered.get(theirs) == b"the node's"
    assert layered.status(theirs).state is BlockState.PINNED
    with pytest.raises(NotFound):
        layered.get(NEVER_PUT)
    with pytest.raises(NotFound):
        LayeredStore(store, [blocks]).pin(NEVER_PUT)
    LayeredStore(store, [blocks]).pin(own)
    assert store.status(own).state is BlockState.PINNED


def test_the_gateway_of_a_node_serves_blocks(node: Kubo, store: KuboStore) -> None:
    with GatewayStore([node.gateway]) as gateway:
        for data in CONTENTS.values():
            assert gateway.get(store.put(data)) == data
        with pytest.raises(NotFound):
            gateway.get(NEVER_PUT)


# ---- CAR


def test_a_node_imports_our_car_and_pins_every_block(
    node: Kubo, store: KuboStore, blocks: EmbeddedStore, tmp_path: Path
) -> None:
    contents = [b"imported: " + data[:-10] for data in CONTENTS.values()]
    cids = [blocks.put(data) for data in contents]
    car = tmp_path / "all.car"
    with car.open("wb") as out:
        written = write_car(cids, blocks, out)
    assert written == (len(cids), car.stat().st_size, ())
    node.run("dag", "import", car)
    for cid, data in zip(cids, contents, strict=True):
        assert store.get(cid) == data
        assert store.status(cid).state is BlockState.PINNED


@each_kind
def test_our_car_of_one_block_is_the_nodes_to_the_byte(
    node: Kubo, store: KuboStore, data: bytes
) -> None:
    cid, out = store.put(data), io.BytesIO()
    write_car([cid], store, out)
    assert out.getvalue() == node.run("dag", "export", cid)


def test_a_folder_that_the_node_exports_gives_its_files(node: Kubo, tmp_path: Path) -> None:
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    root = said(node, *ADD, "--chunker=size-1048576", "--recursive", tmp_path)
    read = list(read_car(io.BytesIO(node.run("dag", "export", root))))
    assert {block.data for block in read if block.cid} == set(CONTENTS.values())
    assert [block.cid for block in read].count(None) == 1


def test_the_golden_files_are_what_this_node_exports(node: Kubo, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a").write_bytes(b"alpha")
    (folder / "b").write_bytes(b"beta")
    for golden, root in (
        ("kubo-block.car", said(node, *ADD, stdin=b"hello world")),
        ("kubo-folder.car", said(node, *ADD, "--recursive", folder)),
    ):
        assert node.run("dag", "export", root) == (GOLDEN / golden).read_bytes()
