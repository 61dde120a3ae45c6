"""Following the chain: reorgs, nodes that leave logs out, documents that nobody has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from obbligato.chain.client import Chain
from obbligato.consent import LicenseBook
from obbligato.documents.evidence import Period
from obbligato.documents.license import Recording, license_document
from obbligato.documents.wording import legal_text
from obbligato.errors import ChainError, NotFound
from obbligato.metering.workbench import Consents
from obbligato.protocol.constants import Pricing
from obbligato.store import EmbeddedStore
from scripts.demo.cast import RELAY
from tests.chain.proxy import PASS, served
from tests.consent.conftest import mint, mint_with
from tests.onchain import ARTIST, DUO, Acts, raw_terms
from tests.scenario import MODEL, OPEN, WIDER, Scenario

ISRC, OTHER_ISRC = "QZABC2600011", "QZABC2600012"


@pytest.fixture
def acts(scenario: Scenario) -> Iterator[Acts]:
    acts = Acts(scenario.protocol)
    with acts.undone():
        yield acts


def book_of(acts: Acts) -> LicenseBook:
    return LicenseBook(acts.chain, acts.protocol.store)


def everything(book: LicenseBook, *, isrcs: tuple[str, ...] | None = None) -> Consents:
    """What was allowed from the beginning to the last followed block."""
    period = Period(start=1, end=book.time)
    return book.consents(
        period=period, platform_id=1, model_id=MODEL, pricing=Pricing.METERED, isrcs=isrcs
    )


def test_a_book_that_was_never_read_has_no_answers(acts: Acts) -> None:
    book = book_of(acts)
    with pytest.raises(ChainError, match="follow the chain first"):
        _ = book.license_count
    with pytest.raises(ChainError, match="follow the chain first"):
        book.licenses_of(ISRC, 1, 2)


def test_reading_block_by_block_gives_what_reading_at_once_gives(acts: Acts) -> None:
    book = book_of(acts)
    last = acts.chain.web3.eth.block_number
    for block in range(last - 30, last + 1):
        assert book.follow(until=block) == block
    whole = book_of(acts)
    whole.follow()
    assert everything(book) == everything(whole)
    assert [book.history(n) for n in range(1, 5)] == [whole.history(n) for n in range(1, 5)]


def test_an_earlier_block_does_not_take_the_book_back(acts: Acts) -> None:
    book = book_of(acts)
    block = book.follow()
    assert book.follow(until=block - 5) == block
    assert book.block_hash == bytes(acts.chain.web3.eth.get_block(block)["hash"])


def test_a_licence_that_was_never_minted_is_not_found(acts: Acts) -> None:
    book = book_of(acts)
    book.follow()
    with pytest.raises(NotFound, match="licence 99 was never minted"):
        book.history(99)


def test_a_reorg_takes_back_what_it_undid(acts: Acts) -> None:
    book = book_of(acts)
    book.follow()
    before = book.license_count
    with acts.undone():
        undone = mint(acts, ARTIST, OPEN, "undone", ISRC)
        acts.chain.transact(DUO, "LicenseRegistry", "revoke", 2)
        book.follow()
        assert book.license_count == undone
        assert book.history(2).ends_at is not None
    # Another licence takes the id, in as many blocks.
    assert mint(acts, DUO, WIDER, "instead", OTHER_ISRC) == undone
    acts.node("evm_mine")
    block = book.follow()
    assert block == acts.chain.web3.eth.block_number
    assert book.license_count == before + 1
    assert book.history(2).ends_at is None
    now = acts.wait(1)
    book.follow()
    assert book.licenses_of(ISRC, 1, now) == ()
    assert book.licenses_of(OTHER_ISRC, 1, now) == (undone,)


def test_a_node_that_holds_a_shorter_chain_takes_the_book_back(acts: Acts) -> None:
    book = book_of(acts)
    short = book.follow()
    before = everything(book)
    with acts.undone():
        mint(acts, ARTIST, OPEN, "undone", ISRC)
        acts.wait(3)
        assert book.follow() > short
    assert book.follow() == short
    assert everything(book) == before


def test_a_reorg_deeper_than_every_block_remembered_reads_all_again(acts: Acts) -> None:
    with acts.undone():
        mint(acts, ARTIST, OPEN, "undone", ISRC)
        acts.wait(1)
        book = book_of(acts)
        book.follow()
    assert mint(acts, DUO, WIDER, "instead", OTHER_ISRC) == book.license_count
    acts.wait(1)
    book.follow()
    whole = book_of(acts)
    whole.follow()
    assert everything(book) == everything(whole)


def test_a_node_that_leaves_logs_out_is_refused_and_changes_nothing(acts: Acts) -> None:
    silent = False

    def answer(request: dict[str, Any]) -> Any:
        return [] if silent and request["method"] == "eth_getLogs" else PASS

    with served(answer, node=acts.protocol.url) as url:
        book = LicenseBook(Chain.connect(url, acts.chain.deployment), acts.protocol.store)
        block = book.follow()
        known = book.license_count
        mint(acts, ARTIST, OPEN, "unheard of", ISRC)
        silent = True
        with pytest.raises(ChainError, match=r"licenseCount is .* it left some out"):
            book.follow()
        assert (book.block, book.license_count) == (block, known)
        silent = False
        book.follow()
        assert book.license_count == known + 1


def test_a_node_that_contradicts_itself_for_a_moment_is_asked_again(acts: Acts) -> None:
    hidden = iter(())

    def answer(request: dict[str, Any]) -> Any:
        return [] if request["method"] == "eth_getLogs" and next(hidden, False) else PASS

    with served(answer, node=acts.protocol.url) as url:
        book = LicenseBook(Chain.connect(url, acts.chain.deployment), acts.protocol.store)
        book.follow()
        known = book.license_count
        mint(acts, ARTIST, OPEN, "seen at the second look", ISRC)
        hidden = iter([True])
        book.follow()
        assert next(hidden, None) is None  # the first look was answered with nothing
        assert book.license_count == known + 1


def test_terms_that_the_logs_left_out_are_noticed_too(acts: Acts) -> None:
    silent = False

    def answer(request: dict[str, Any]) -> Any:
        return [] if silent and request["method"] == "eth_getLogs" else PASS

    with served(answer, node=acts.protocol.url) as url:
        book = LicenseBook(Chain.connect(url, acts.chain.deployment), acts.protocol.store)
        book.follow()
        rates = WIDER.model_copy(update={"influence_cap_bps": 1_234})
        acts.chain.transact(RELAY, "LicenseRegistry", "internTerms", raw_terms(rates))
        silent = True
        with pytest.raises(ChainError, match="termsCount"):
            book.follow()


def test_a_missing_document_makes_unknown_recordings_unknown_and_no_others(
    acts: Acts, tmp_path: Path
) -> None:
    known = mint(acts, ARTIST, OPEN, "there", ISRC)
    content = hashlib.sha256(b"elsewhere").digest()
    recording = Recording(
        title="missing", artists=("Somebody",), content_hash=content, isrc=OTHER_ISRC
    )
    document = license_document(recording=recording, terms=OPEN)
    missing = mint_with(acts, ARTIST, OPEN, (document.digest(), content))
    now = acts.wait(1)
    book = book_of(acts)
    book.follow()

    assert list(book.unreadable) == [missing]
    assert "is not in this store" in book.unreadable[missing]
    assert book.licenses_of(ISRC, 1, now) == (known,)
    assert everything(book, isrcs=(ISRC,)).licenses_of == {ISRC: (known,)}
    assert everything(book, isrcs=()).license_count == missing
    for asked in ((OTHER_ISRC,), (ISRC, OTHER_ISRC), None):
        with pytest.raises(NotFound, match=rf"documents of licences {missing} are missing"):
            everything(book, isrcs=asked)
    with pytest.raises(NotFound, match="name the licence by its id"):
        book.licenses_of(OTHER_ISRC, 1, now)
    # Before it was minted it cannot have been the one.
    assert book.licenses_of(OTHER_ISRC, 1, book.history(missing).minted_at) == ()

    acts.protocol.store.put(document.to_bytes())
    book.follow()
    assert book.unreadable == {}
    assert book.licenses_of(OTHER_ISRC, 1, now) == (missing,)


def test_a_document_that_stays_missing_is_asked_for_less_and_less_often(acts: Acts) -> None:
    asked: list[str] = []
    clock = [0.0]

    class Counting(EmbeddedStore):
        def get(self, cid: str) -> bytes:
            asked.append(cid)
            return super().get(cid)

    mint_with(acts, ARTIST, OPEN, (hashlib.sha256(b"nobody has it").digest(), b"\1" * 32))
    book = LicenseBook(acts.chain, Counting(acts.protocol.folder), clock=lambda: clock[0])
    book.follow()
    asked.clear()
    tries = []
    for second in range(20):
        clock[0] = second
        book.follow()
        tries.append(len(asked))
        asked.clear()
    # At the next follow, then after 1, 2, 4, 8 seconds.
    assert [second for second, count in enumerate(tries) if count] == [0, 1, 3, 7, 15]


def test_bytes_that_are_no_licence_document_name_no_recording(acts: Acts) -> None:
    data = legal_text(OPEN)
    licence = mint_with(acts, ARTIST, OPEN, (hashlib.sha256(data).digest(), b"\2" * 32))
    now = acts.wait(1)
    book = book_of(acts)
    book.follow()
    assert book.unreadable == {}
    assert book.licenses_of(ISRC, 1, now) == ()
    assert book.license_count == licence


def test_a_document_that_was_tampered_with_counts_as_missing(acts: Acts, tmp_path: Path) -> None:
    licence = mint(acts, ARTIST, OPEN, "tampered", ISRC)
    now = acts.wait(1)
    store = EmbeddedStore(tmp_path)
    for file in acts.protocol.folder.glob("blocks/*/*"):
        copy = tmp_path / "blocks" / file.parent.name / file.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes().replace(ISRC.encode(), OTHER_ISRC.encode()))
    book = LicenseBook(acts.chain, store)
    book.follow()
    assert "hashes to" in book.unreadable[licence]
    with pytest.raises(NotFound):
        book.licenses_of(OTHER_ISRC, 1, now)


def test_without_a_store_uses_by_licence_id_have_their_answers(acts: Acts) -> None:
    book = LicenseBook(acts.chain, None)
    book.follow()
    whole = book_of(acts)
    whole.follow()
    assert everything(book, isrcs=()).intervals == everything(whole).intervals
    with pytest.raises(NotFound):
        everything(book)


def test_one_book_serves_many_threads_while_licences_are_minted(acts: Acts) -> None:
    book = book_of(acts)
    book.follow()
    first = book.license_count

    def ask(number: int) -> tuple[int, int]:
        book.follow()
        found = everything(book, isrcs=())
        return number, max(each.license_id for each in found.intervals)

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, number) for number in range(24)]
        for number in range(4):
            mint(acts, ARTIST, OPEN, f"while asked {number}", None)
            acts.node("evm_mine")
        answers = [future.result() for future in asked]
    assert len(answers) == 24
    book.follow()
    assert book.license_count == first + 4
    whole = book_of(acts)
    whole.follow()
    assert everything(book, isrcs=()) == everything(whole, isrcs=())
