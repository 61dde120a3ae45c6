"""Minting by signature: who may sign, for which contract and chain, until when, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.eip712 import Contract, Domain
from obbligato.protocol.typed_data import Mint, sign
from tests.contracts.licensing import deploy
from tests.contracts.moments import next_at, rpc
from tests.contracts.protocol import (
    ARTIST,
    CONTENT,
    DOCUMENT,
    KEY_OF,
    LABEL,
    RELAY,
    STRANGER,
    DeployedProtocol,
    refused,
    split,
    terms,
)
from tests.protocol.vectors import vectors


@pytest.fixture(scope="module")
def wish(protocol: DeployedProtocol) -> Mint:
    """What the artist signs."""
    protocol.intern_terms(terms())
    protocol.intern_split(split((ARTIST, 1_000_000)))
    return Mint(
        account=ARTIST,
        terms=terms(),
        split=split((ARTIST, 1_000_000)),
        document=DOCUMENT,
        content=CONTENT,
        nonce=7,
        deadline=protocol.deadline(),
    )


def relay(protocol: DeployedProtocol, message: Mint, signature: bytes | None = None) -> Any:
    """Send a signed wish; whoever relays pays the gas and nothing else."""
    signed = (
        message.account,
        message.nonce,
        message.deadline,
        protocol.sign(message) if signature is None else signature,
    )
    return protocol.registry.mintBySignature(
        message.terms.digest(),
        message.split.digest(),
        message.document,
        message.content,
        signed,
        {"from": RELAY},
    )


def test_anyone_relays_a_signed_mint_and_the_signer_owns_it(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    tx = relay(protocol, wish)
    assert tx.return_value == 1
    assert protocol.registry.ownerOf(1) == ARTIST
    assert dict(tx.events["NonceConsumed"]) == {"account": ARTIST, "nonce": 7}
    assert bytes(protocol.registry.documentOf(1)) == DOCUMENT


def test_an_erc_1271_wallet_signs_with_its_key(protocol: DeployedProtocol, wish: Mint) -> None:
    wallet = deploy("TestWallet", LABEL)
    message = wish.model_copy(update={"account": wallet.address})
    relay(protocol, message, protocol.sign(message, LABEL))
    assert protocol.registry.ownerOf(1) == wallet.address
    other = message.model_copy(update={"nonce": 8})
    with refused("SignatureInvalid", wallet.address):
        relay(protocol, other, protocol.sign(other, STRANGER))


def test_a_contract_that_cannot_sign_signs_nothing(protocol: DeployedProtocol, wish: Mint) -> None:
    message = wish.model_copy(update={"account": protocol.token.address})
    with refused("SignatureInvalid", protocol.token.address):
        relay(protocol, message, protocol.sign(message, ARTIST))


def test_an_eip_7702_account_signs_with_its_own_key(protocol: DeployedProtocol, wish: Mint) -> None:
    # Delegated to code without ERC-1271: only recovery can hear it.
    rpc("anvil_setCode", ARTIST, "0xef0100" + protocol.token.address[2:])
    relay(protocol, wish)
    assert protocol.registry.ownerOf(1) == ARTIST


def test_an_eip_7702_account_signs_through_the_wallet_it_delegates_to(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    wallet = deploy("TestWallet", LABEL)
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, wish, protocol.sign(wish, LABEL))
    rpc("anvil_setCode", ARTIST, "0xef0100" + wallet.address[2:])
    relay(protocol, wish, protocol.sign(wish, LABEL))
    assert protocol.registry.ownerOf(1) == ARTIST


def test_anothers_signature_mints_nothing(protocol: DeployedProtocol, wish: Mint) -> None:
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, wish, protocol.sign(wish, STRANGER))
    stolen = wish.model_copy(update={"account": STRANGER})
    with refused("SignatureInvalid", STRANGER):
        relay(protocol, stolen, protocol.sign(wish, ARTIST))


@pytest.mark.parametrize("field", ["terms", "split", "document", "content", "nonce", "deadline"])
def test_a_signature_covers_every_field(protocol: DeployedProtocol, wish: Mint, field: str) -> None:
    others = {
        "terms": terms(term_days=366),
        "split": split((ARTIST, 999_999), (STRANGER, 1)),
        "document": keccak(DOCUMENT),
        "content": keccak(CONTENT),
        "nonce": wish.nonce + 1,
        "deadline": wish.deadline + 1,
    }
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, wish.model_copy(update={field: others[field]}), protocol.sign(wish))


def test_the_nobody_of_a_failed_recovery_mints_nothing(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    nobody = "0x" + "00" * 20
    for signature in (b"", bytes(65)):
        with refused("SignatureInvalid", nobody):
            relay(protocol, wish.model_copy(update={"account": nobody}), signature)
        with refused("SignatureInvalid", ARTIST):
            relay(protocol, wish, signature)


def test_a_signature_for_another_contract_is_refused(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    domain = protocol.domains[Contract.LICENSE_REGISTRY]
    for address in (protocol.vault.address, protocol.grants.address, ARTIST):
        elsewhere = Domain(contract=domain.contract, chain_id=domain.chain_id, address=address)
        with refused("SignatureInvalid", ARTIST):
            relay(protocol, wish, sign(wish, elsewhere, KEY_OF[ARTIST]))
    # The registry's address under the name of another contract.
    named = Domain(
        contract=Contract.GRANTS, chain_id=domain.chain_id, address=protocol.registry.address
    )
    digest = keccak(b"\x19\x01" + named.separator + wish.struct_hash())
    signature = KEY_OF[ARTIST].unsafe_sign_hash(digest).signature
    with refused("SignatureInvalid", ARTIST):
        relay(protocol, wish, bytes(signature))


def test_a_signature_for_another_chain_is_refused(protocol: DeployedProtocol, wish: Mint) -> None:
    domain = protocol.domains[Contract.LICENSE_REGISTRY]
    for chain_id in (1, 8453, 31_338):
        elsewhere = Domain(contract=domain.contract, chain_id=chain_id, address=domain.address)
        with refused("SignatureInvalid", ARTIST):
            relay(protocol, wish, sign(wish, elsewhere, KEY_OF[ARTIST]))


def test_a_deadline_that_is_now_is_in_time(protocol: DeployedProtocol, wish: Mint) -> None:
    now = protocol.now() + 1_000
    next_at(now)
    relay(protocol, wish.model_copy(update={"deadline": now}))
    assert protocol.registry.ownerOf(1) == ARTIST


def test_a_deadline_one_second_ago_is_not(protocol: DeployedProtocol, wish: Mint) -> None:
    now = protocol.now() + 1_000
    late = wish.model_copy(update={"deadline": now - 1})
    next_at(now)
    with refused("SignatureExpired", ARTIST, now - 1):
        relay(protocol, late)
    assert not protocol.registry.isNonceUsed(ARTIST, wish.nonce)


def test_nonces_are_used_in_any_order_each_once(protocol: DeployedProtocol, wish: Mint) -> None:
    used = [2**256 - 1, 0, 256, 255, 1]
    for nonce in used:
        assert not protocol.registry.isNonceUsed(ARTIST, nonce)
        relay(protocol, wish.model_copy(update={"nonce": nonce}))
        assert protocol.registry.isNonceUsed(ARTIST, nonce)
    assert not protocol.registry.isNonceUsed(ARTIST, 2)
    assert not protocol.registry.isNonceUsed(LABEL, 0)
    for nonce in used:
        with refused("NonceUsed", ARTIST, nonce):
            relay(
                protocol,
                wish.model_copy(update={"nonce": nonce, "document": keccak(b"%d" % nonce)}),
            )
    assert protocol.registry.licenseCount() == len(used)


def test_the_same_signature_is_refused_the_second_time(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    relay(protocol, wish)
    with refused("NonceUsed", ARTIST, 7):
        relay(protocol, wish)


def test_a_cancelled_nonce_cannot_be_used(protocol: DeployedProtocol, wish: Mint) -> None:
    # Another account's cancellation is its own.
    protocol.registry.cancelNonce(7, {"from": STRANGER})
    assert protocol.registry.isNonceUsed(STRANGER, 7)
    assert not protocol.registry.isNonceUsed(ARTIST, 7)

    tx = protocol.registry.cancelNonce(7, {"from": ARTIST})
    assert dict(tx.events["NonceConsumed"]) == {"account": ARTIST, "nonce": 7}
    with refused("NonceUsed", ARTIST, 7):
        relay(protocol, wish)
    with refused("NonceUsed", ARTIST, 7):
        protocol.registry.cancelNonce(7, {"from": ARTIST})


def test_a_signed_mint_is_refused_as_any_other(protocol: DeployedProtocol, wish: Mint) -> None:
    longer, shared = terms(term_days=366), split((ARTIST, 999_999), (STRANGER, 1))
    with refused("UnknownTerms", longer.digest()):
        relay(protocol, wish.model_copy(update={"terms": longer}))
    with refused("UnknownSplitDigest", shared.digest()):
        relay(protocol, wish.model_copy(update={"split": shared}))
    with refused("DigestMissing", "content"):
        relay(protocol, wish.model_copy(update={"content": bytes(32)}))
    # A refusal uses up nothing: the signature still counts once its terms are there.
    assert not protocol.registry.isNonceUsed(ARTIST, wish.nonce)


def test_a_signature_from_the_vectors_counts_for_its_own_domain_only(
    protocol: DeployedProtocol, wish: Mint
) -> None:
    vector = next(one.values[0] for one in vectors("typed_data") if one.id == "Mint, ordinary a")
    foreign = bytes.fromhex(vector["expected"]["signature"][2:])
    message = Mint.read(vector["input"]["message"])
    with refused("SignatureInvalid", message.account):
        relay(protocol, message, foreign)
