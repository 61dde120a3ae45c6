"""What the service keeps on IPFS, with a real Kubo node: its export imported there, and a node as its own store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from backend.actions.store import missing_block, store_blocks
from backend.db.service_db import Pin
from backend.ipfs.pins import PinWorker
from backend.services import Services
from obbligato.documents.cid import cid_of
from obbligato.store import BlockState, GatewayStore, KuboStore, LayeredStore
from scripts.kubo import Kubo, NoKubo, kubo
from tests.backend.ipfs.conftest import Keeping

# ipfshttpclient passes urllib3 an argument that means nothing any more.
pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")


@pytest.fixture
def node() -> Iterator[Kubo]:
    """A node, or a skipped test where none can be had."""
    try:
        with kubo() as made:
            yield made
    except NoKubo as missing:
        pytest.skip(str(missing))


@pytest.fixture
def store(node: Kubo) -> Iterator[KuboStore]:
    made = KuboStore(node.api, timeout_seconds=30)
    yield made
    made.close()


def pins(services: Services) -> dict[str, str]:
    """The state of every block that the deployment refers to."""
    with services.service_db.reading() as session:
        return {pin.cid: pin.state for pin in session.scalars(select(Pin))}


def look_after(services: Services, keeping: Keeping) -> None:
    """One step for what the chain names, one for the chunks that evidence names."""
    pinner = PinWorker(services, keeping.alerts)
    pinner.step()
    pinner.step()


def test_a_node_imports_the_export_and_has_every_block(
    node: Kubo,
    store: KuboStore,
    keeping: Keeping,
    serve: Callable[[Services], str],
    tmp_path: Path,
) -> None:
    answer = httpx.get(f"{serve(keeping.services)}/v1/export.car", timeout=60)
    assert answer.status_code == 200
    car = tmp_path / "everything.car"
    car.write_bytes(answer.content)
    node.run("dag", "import", car)

    over_kubo = keeping.over(store)
    look_after(over_kubo, keeping)

    found = pins(over_kubo)
    assert found
    assert set(found.values()) == {BlockState.PINNED}
    assert keeping.alerts.standing() == ()


def test_what_the_node_dropped_is_fetched_again_and_pinned(
    node: Kubo, store: KuboStore, keeping: Keeping, serve: Callable[[Services], str]
) -> None:
    gateway = GatewayStore([serve(keeping.services)])
    services = keeping.over(LayeredStore(store, [gateway]))

    look_after(services, keeping)

    gateway.close()
    found = pins(services)
    assert found
    assert set(found.values()) == {BlockState.PINNED}
    for cid in found:
        # The node's own word, not ours.
        assert cid.encode() in node.run("pin", "ls", "--type=recursive", cid)


def test_documents_are_stored_in_the_node_and_read_back(node: Kubo, store: KuboStore) -> None:
    block = "Ein Dokument für Kubo".encode()
    (cid,) = store_blocks(store, [block])
    assert cid == cid_of(block)
    assert node.run("block", "get", cid) == block
    assert missing_block(store, [cid]) is None
