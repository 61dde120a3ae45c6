"""Minting: for oneself, for the owners one operates for, in batches. What a licence is as a token."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from tests.contracts.licensing import deploy, document_of
from tests.contracts.protocol import (
    ARTIST,
    CONTENT,
    DOCUMENT,
    LABEL,
    PRODUCER,
    SOCIETY,
    STRANGER,
    DeployedProtocol,
    raw_split,
    raw_terms,
    refused,
    split,
    terms,
)
from tests.protocol.vectors import vectors

NOBODY = "0x" + "00" * 20


@pytest.fixture(scope="module")
def offer(protocol: DeployedProtocol) -> bytes:
    """The digest of interned terms."""
    return protocol.intern_terms(terms())


@pytest.fixture(scope="module")
def pays(protocol: DeployedProtocol) -> bytes:
    """The digest of an interned split."""
    return protocol.intern_split(split((ARTIST, 600_000), (LABEL, 400_000)))


def test_an_artist_mints_on_interned_terms_and_split(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    tx = protocol.registry.mint(ARTIST, offer, pays, DOCUMENT, CONTENT, {"from": ARTIST})
    assert tx.return_value == 1
    event = tx.events["LicenseMinted"]
    assert dict(event) == {
        "licenseId": 1,
        "owner": ARTIST,
        "content": "0x" + CONTENT.hex(),
        "termsId": 1,
        "splitId": 1,
        "document": "0x" + DOCUMENT.hex(),
    }
    transfer = tx.events["Transfer"]
    assert (transfer["from"], transfer["to"], transfer["tokenId"]) == (NOBODY, ARTIST, 1)
    assert protocol.registry.ownerOf(1) == ARTIST
    assert protocol.registry.balanceOf(ARTIST) == 1
    # terms, from, anchor, next terms, next from, end, split
    assert protocol.registry.licenseOf(1) == (1, tx.timestamp, tx.timestamp, 0, 0, 0, 1)
    assert document_of(protocol, 1) == DOCUMENT


def test_ids_follow_one_another_from_one(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    assert protocol.registry.licenseCount() == 0
    assert [protocol.license(owner=owner) for owner in (ARTIST, LABEL, ARTIST)] == [1, 2, 3]
    assert protocol.registry.licenseCount() == 3


def test_several_licences_may_name_one_recording(protocol: DeployedProtocol) -> None:
    first = protocol.license(owner=ARTIST, content=CONTENT)
    second = protocol.license(owner=LABEL, content=CONTENT)
    assert first != second


def test_minting_with_terms_and_split_interns_what_is_new(protocol: DeployedProtocol) -> None:
    given, paid = terms(term_days=1000), split((PRODUCER, 1_000_000))
    arguments = (ARTIST, raw_terms(given), raw_split(paid), DOCUMENT, CONTENT, {"from": ARTIST})
    tx = protocol.registry.mintWith(*arguments)
    assert tx.events["TermsInterned"]["digest"] == "0x" + given.digest().hex()
    assert tx.events["SplitInterned"]["digest"] == "0x" + paid.digest().hex()
    again = protocol.registry.mintWith(*arguments)
    assert "TermsInterned" not in again.events
    assert "SplitInterned" not in again.events
    first, second = protocol.registry.licenseOf(1), protocol.registry.licenseOf(2)
    assert first["termsId"] == second["termsId"] == protocol.registry.termsIdOf(given.digest())
    assert first["splitId"] == second["splitId"] == protocol.split_id(paid)


def test_nobody_mints_for_another(protocol: DeployedProtocol, offer: bytes, pays: bytes) -> None:
    tail = (DOCUMENT, CONTENT, {"from": STRANGER})
    with refused("NotMinterFor", ARTIST, STRANGER):
        protocol.registry.mint(ARTIST, offer, pays, *tail)
    with refused("NotMinterFor", ARTIST, STRANGER):
        protocol.registry.mintWith(
            ARTIST, raw_terms(terms()), raw_split(split((ARTIST, 1_000_000))), *tail
        )
    with refused("NotMinterFor", NOBODY, STRANGER):
        protocol.registry.mint(NOBODY, offer, pays, *tail)


def test_an_operator_mints_for_its_owners(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    protocol.registry.mint(ARTIST, offer, pays, DOCUMENT, CONTENT, {"from": SOCIETY})
    protocol.registry.mintWith(
        ARTIST,
        raw_terms(terms()),
        raw_split(split((ARTIST, 1_000_000))),
        DOCUMENT,
        CONTENT,
        {"from": SOCIETY},
    )
    assert protocol.registry.balanceOf(ARTIST) == 2
    protocol.registry.setApprovalForAll(SOCIETY, False, {"from": ARTIST})
    with refused("NotMinterFor", ARTIST, SOCIETY):
        protocol.registry.mint(ARTIST, offer, pays, DOCUMENT, CONTENT, {"from": SOCIETY})


def test_terms_and_splits_that_nobody_interned_are_refused(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    unknown = keccak(b"unknown")
    sender = {"from": ARTIST}
    with refused("UnknownTerms", unknown):
        protocol.registry.mint(ARTIST, unknown, pays, DOCUMENT, CONTENT, sender)
    with refused("UnknownSplitDigest", unknown):
        protocol.registry.mint(ARTIST, offer, unknown, DOCUMENT, CONTENT, sender)
    with refused("UnknownTerms", bytes(32)):
        protocol.registry.mint(ARTIST, bytes(32), pays, DOCUMENT, CONTENT, sender)


def test_a_licence_has_a_document_and_a_recording(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    sender = {"from": ARTIST}
    with refused("DigestMissing", "document"):
        protocol.registry.mint(ARTIST, offer, pays, bytes(32), CONTENT, sender)
    with refused("DigestMissing", "content"):
        protocol.registry.mint(ARTIST, offer, pays, DOCUMENT, bytes(32), sender)
    assert protocol.registry.licenseCount() == 0


def test_terms_and_splits_are_checked_where_they_come_with_the_mint(
    protocol: DeployedProtocol,
) -> None:
    bad_terms = (0b1, 364, 0, 0, [(0, 0, 0, 0)], DOCUMENT)
    paid = raw_split(split((ARTIST, 1_000_000)))
    sender = {"from": ARTIST}
    with refused("TermDaysInvalid", 364):
        protocol.registry.mintWith(ARTIST, bad_terms, paid, DOCUMENT, CONTENT, sender)
    with refused("SharesNotWhole", 999_999):
        protocol.registry.mintWith(
            ARTIST, raw_terms(terms()), [(ARTIST, 999_999, 1)], DOCUMENT, CONTENT, sender
        )


# ---- batches --------------------------------------------------------------------------------------------------------


def item(owner: str, offer: bytes, pays: bytes, number: int) -> tuple[Any, ...]:
    return (owner, offer, pays, keccak(b"batch %d" % number), keccak(b"recording %d" % number))


def test_a_society_mints_a_batch_for_its_members_and_itself(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    for member in (ARTIST, PRODUCER):
        protocol.registry.setApprovalForAll(SOCIETY, True, {"from": member})
    protocol.license(owner=LABEL)
    owners = [ARTIST, SOCIETY, PRODUCER, ARTIST]
    items = [item(owner, offer, pays, number) for number, owner in enumerate(owners)]
    tx = protocol.registry.mintBatch(items, {"from": SOCIETY})
    assert tx.return_value == 2
    assert [protocol.registry.ownerOf(2 + i) for i in range(4)] == owners
    assert [document_of(protocol, 2 + i) for i in range(4)] == [one[3] for one in items]
    minted = tx.events["LicenseMinted"]
    assert [event["licenseId"] for event in minted] == [2, 3, 4, 5]
    assert [event["content"] for event in minted] == ["0x" + one[4].hex() for one in items]


def test_a_batch_with_one_owner_too_many_mints_nothing(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    protocol.registry.setApprovalForAll(SOCIETY, True, {"from": ARTIST})
    items = [item(owner, offer, pays, i) for i, owner in enumerate((ARTIST, LABEL))]
    with refused("NotMinterFor", LABEL, SOCIETY):
        protocol.registry.mintBatch(items, {"from": SOCIETY})
    unknown = keccak(b"unknown")
    with refused("UnknownTerms", unknown):
        protocol.registry.mintBatch([items[0], item(ARTIST, unknown, pays, 1)], {"from": SOCIETY})
    assert protocol.registry.licenseCount() == 0
    assert protocol.registry.balanceOf(ARTIST) == 0


def test_an_empty_batch_mints_nothing(protocol: DeployedProtocol) -> None:
    protocol.registry.mintBatch([], {"from": ARTIST})
    assert protocol.registry.licenseCount() == 0


# ---- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("cids"))
def test_the_token_points_to_its_document_on_ipfs(
    protocol: DeployedProtocol, vector: dict[str, Any]
) -> None:
    license_id = protocol.license(document=vector["expected"]["sha256"])
    assert protocol.registry.tokenURI(license_id) == "ipfs://" + vector["expected"]["cid"]


def test_a_token_that_was_not_minted_points_nowhere(protocol: DeployedProtocol) -> None:
    for token_id in (0, 1, 2**32, 2**256 - 1):
        with refused("ERC721NonexistentToken", token_id):
            protocol.registry.tokenURI(token_id)
    license_id = protocol.license()
    # The same low 32 bits are another token.
    with refused("ERC721NonexistentToken", 2**32 + license_id):
        protocol.registry.tokenURI(2**32 + license_id)


def test_the_registry_says_what_it_implements(protocol: DeployedProtocol) -> None:
    supports = protocol.registry.supportsInterface
    assert supports("0x01ffc9a7")  # ERC-165
    assert supports("0x80ac58cd")  # ERC-721
    assert supports("0x5b5e139f")  # ERC-721 metadata
    assert supports("0x49064906")  # ERC-4906
    assert supports("0x84b0196e")  # ERC-5267
    assert not supports("0xffffffff")
    assert not supports("0x780e9d63")  # ERC-721 enumerable
    assert protocol.registry.name() == "Obbligato Licence"
    assert protocol.registry.symbol() == "OBBLIGATO"
    assert protocol.registry.vault() == protocol.vault.address
    assert protocol.registry.disputes() == protocol.disputes.address


def test_a_contract_may_own_a_licence_without_being_asked(
    protocol: DeployedProtocol, offer: bytes, pays: bytes
) -> None:
    wallet = deploy("TestWallet", LABEL)
    call = protocol.registry.mint.encode_input(wallet, offer, pays, DOCUMENT, CONTENT)
    wallet.execute(protocol.registry, call, {"from": STRANGER})
    assert protocol.registry.ownerOf(1) == wallet.address
