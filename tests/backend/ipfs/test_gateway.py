"""The trustless gateway, read with a client that believes nothing; and the CAR of everything."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from backend.ipfs.references import all_references
from backend.services import Services
from obbligato.audit.recompute import read_ledger
from obbligato.audit.references import Unread, evidence_blocks, licences_and_texts
from obbligato.documents.cid import cid_of
from obbligato.errors import DigestMismatch, NotFound
from obbligato.store import EmbeddedStore, GatewayStore, LayeredStore, StoreError, read_car
from tests.backend.ipfs.conftest import Keeping
from tests.store.test_gateway import HTML, gateway

Serve = Callable[[Services], str]
RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"
UNKNOWN = cid_of(b"of no concern to this deployment")


def references(keeping: Keeping) -> dict[str, str]:
    with keeping.services.index_db.reading() as session:
        return {each.cid: each.what for each in all_references(session, keeping.blocks)}


def some_document(keeping: Keeping) -> str:
    return next(cid for cid, what in references(keeping).items() if what == "document of licence 1")


def test_every_block_is_read_and_verified_by_our_own_client(keeping: Keeping, serve: Serve) -> None:
    url = serve(keeping.services)
    with GatewayStore([url]) as client:
        for cid in references(keeping):
            assert client.get(cid) == keeping.blocks.get(cid)
        with pytest.raises(NotFound):
            client.get(UNKNOWN)


def test_what_is_referred_to_is_what_a_replay_of_the_chain_finds(keeping: Keeping) -> None:
    ledger = read_ledger(keeping.services.chain).ledger
    replayed = {each.cid for each in licences_and_texts(ledger)}
    for each in evidence_blocks(list(ledger.reports.values()), keeping.blocks):
        assert not isinstance(each, Unread)
        replayed.add(each.cid)
    assert replayed <= set(references(keeping))


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", None, RAW),
        ("", "*/*", RAW),
        ("?format=raw", "text/html", RAW),
        ("?format=car", RAW, CAR),
        ("", RAW, RAW),
        ("", f"{CAR}; version=1; order=dfs", CAR),
        ("", f"text/html, {CAR};q=0.5, */*;q=0.1", CAR),
    ],
)
def test_the_form_is_the_one_that_was_asked_for(
    keeping: Keeping, serve: Serve, query: str, accept: str | None, kind: str
) -> None:
    cid = some_document(keeping)
    url = f"{serve(keeping.services)}/ipfs/{cid}{query}"
    headers = {} if accept is None else {"accept": accept}
    answer = httpx.get(url, headers=headers)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
    if kind == CAR:
        assert list(read_car(io.BytesIO(answer.content))) == [(cid, keeping.blocks.get(cid))]
    else:
        assert answer.content == keeping.blocks.get(cid)
    assert answer.headers["cache-control"] == "public, max-age=29030400, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-ipfs-path"] == f"/ipfs/{cid}"
    assert answer.headers["x-ipfs-roots"] == cid
    again = httpx.get(url, headers={**headers, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = httpx.head(url, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("path", "accept", "status", "field"),
    [
        ("{cid}?format=tar", "*/*", 400, "format"),
        ("{cid}", "text/html", 406, "Accept"),
        ("{cid}", f"{CAR}; version=2", 400, "Accept"),
        ("QmYjtig7VJQ6XsnUjqqJvj7QaMcCAwtrgNdahSiFofrE7o", "*/*", 400, "cid"),
        ("..%2f..%2fetc", "*/*", 404, None),
        (UNKNOWN, "*/*", 404, None),
    ],
)
def test_what_is_not_served_is_a_problem(
    keeping: Keeping, serve: Serve, path: str, accept: str, status: int, field: str | None
) -> None:
    path = path.format(cid=some_document(keeping))
    answer = httpx.get(f"{serve(keeping.services)}/ipfs/{path}", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("field") == field


def test_what_is_missing_here_is_fetched_only_if_it_is_referred_to(
    keeping: Keeping, serve: Serve, tmp_path: Path
) -> None:
    cid = some_document(keeping)
    with (
        gateway(body=keeping.blocks.get(cid)) as upstream,
        GatewayStore([upstream.url]) as others,
    ):
        empty = EmbeddedStore(tmp_path / "empty")
        url = serve(keeping.over(LayeredStore(empty, [others])))
        cached = {"cache-control": "only-if-cached"}
        assert httpx.get(f"{url}/ipfs/{cid}", headers=cached).status_code == 412
        assert httpx.get(f"{url}/ipfs/{UNKNOWN}").status_code == 404
        assert upstream.asked == []
        assert httpx.get(f"{url}/ipfs/{cid}").content == keeping.blocks.get(cid)
        assert len(upstream.asked) == 1
        assert empty.get(cid)


def test_tampered_bytes_and_a_gateway_s_html_are_digest_mismatches(
    keeping: Keeping, serve: Serve, tmp_path: Path
) -> None:
    """Fault 29."""
    cid = some_document(keeping)
    keeping.file(cid).write_bytes(b"tampered")
    answer = httpx.get(f"{serve(keeping.services)}/ipfs/{cid}")
    assert answer.status_code == 502
    assert "hashes to" in answer.json()["detail"]
    with gateway(body=HTML) as liar, GatewayStore([liar.url]) as others:
        store = LayeredStore(EmbeddedStore(tmp_path / "empty"), [others])
        answer = httpx.get(f"{serve(keeping.over(store))}/ipfs/{cid}")
    assert answer.status_code == 502
    assert cid in answer.json()["detail"]
    with pytest.raises(DigestMismatch):
        keeping.blocks.get(cid)


def test_a_store_that_is_down_is_a_503_and_works_again_afterwards(
    keeping: Keeping, serve: Serve, tmp_path: Path
) -> None:
    """Fault 30."""
    cid = some_document(keeping)
    with gateway() as gone:
        down = gone.url
    with GatewayStore([down]) as nobody, GatewayStore([serve(keeping.services)]) as somebody:
        store = LayeredStore(EmbeddedStore(tmp_path / "empty"), [nobody])
        answer = httpx.get(f"{serve(keeping.over(store))}/ipfs/{cid}")
        assert answer.status_code == 503
        assert down in answer.json()["detail"]
        store = LayeredStore(EmbeddedStore(tmp_path / "empty"), [nobody, somebody])
        assert httpx.get(f"{serve(keeping.over(store))}/ipfs/{cid}").status_code == 200


class Down(EmbeddedStore):
    """Cannot be asked."""

    def status(self, cid: str) -> object:  # type: ignore[override]
        raise StoreError("nobody answers")


def test_the_export_holds_everything_and_says_what_it_lacks(keeping: Keeping, serve: Serve) -> None:
    url = f"{serve(keeping.services)}/v1/export.car"
    whole = httpx.get(url)
    expected = references(keeping)
    blocks = [block.cid for block in read_car(io.BytesIO(whole.content))]
    assert blocks == list(expected)
    assert whole.headers["x-missing-blocks"] == "0"
    assert whole.headers["content-length"] == str(len(whole.content))
    assert httpx.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    gone = some_document(keeping)
    keeping.file(gone).unlink()
    less = httpx.get(url)
    assert less.headers["x-missing-blocks"] == "1"
    assert less.headers["etag"] != whole.headers["etag"]
    assert {block.cid for block in read_car(io.BytesIO(less.content))} == set(expected) - {gone}
    down = httpx.get(f"{serve(keeping.over(Down(keeping.folder)))}/v1/export.car")
    assert down.status_code == 503
