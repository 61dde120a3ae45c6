"""Solidity reads the golden vectors: digests, packed words, identifiers, signatures and prices."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from obbligato.protocol.constants import Flag, Metric, Pricing, Tier
from obbligato.protocol.rows import Row, pack_rows
from obbligato.protocol.terms import RateCard, Terms
from tests.contracts.licensing import deploy, licenses, packed_row, priced
from tests.contracts.protocol import STRANGER, DeployedProtocol, refused, terms
from tests.protocol.vectors import data, vectors

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2, section 2.4.1)."""
NOT_OFFERED = 2**64 - 1


@pytest.fixture(scope="module")
def harness(shared: None) -> Any:
    return deploy("Harness")


@pytest.fixture(scope="module")
def messages(shared: None) -> Any:
    return deploy("MessagesHarness")


def hand_worked(kind: str) -> list[Any]:
    """The hand-worked vectors of one kind."""
    return [vector for vector in vectors("hand_worked") if vector.values[0]["kind"] == kind]


def raw(struct: Any) -> Any:
    """A struct of the vectors as the ABI takes it: members in order, structs as tuples."""
    if isinstance(struct, dict):
        return tuple(raw(member) for member in struct.values())
    return [raw(item) for item in struct] if isinstance(struct, list) else struct


# ---- digests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("terms"))
def test_terms_have_the_digest_of_the_vectors(messages: Any, vector: dict[str, Any]) -> None:
    assert messages.termsDigest(raw(vector["input"])) == vector["expected"]["digest"]


@pytest.mark.parametrize("vector", vectors("terms"))
def test_the_registry_interns_the_terms_of_the_vectors_under_their_digest(
    protocol: DeployedProtocol, vector: dict[str, Any]
) -> None:
    given = vector["input"]
    tx = protocol.registry.internTerms(raw(given), {"from": STRANGER})
    assert tx.return_value == 1
    assert protocol.registry.termsIdOf(vector["expected"]["digest"]) == 1
    assert protocol.registry.termsHeadOf(1) == (
        given["tiers"],
        given["termDays"],
        given["flags"],
        given["influenceCapBps"],
    )
    assert protocol.registry.textDigestOf(1) == given["textDigest"]
    opted_in = [tier for tier in Tier if given["tiers"] >> (tier - 1) & 1]
    cards = dict(zip(opted_in, given["rates"], strict=True))
    for tier in Tier:
        assert protocol.registry.rateCardOf(1, tier) == raw(
            cards.get(tier, dict.fromkeys("abcd", 0))
        )


@pytest.mark.parametrize("vector", vectors("splits"))
def test_splits_have_the_digest_of_the_vectors(
    protocol: DeployedProtocol, messages: Any, vector: dict[str, Any]
) -> None:
    payees = raw(vector["input"]["payees"])
    assert messages.splitDigest(payees) == vector["expected"]["digest"]
    protocol.vault.internSplit(payees, {"from": STRANGER})
    assert protocol.vault.splitIdOf(vector["expected"]["digest"]) == 1


# ---- packed words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("rows"))
def test_packed_rows_are_read_as_the_vectors_say(harness: Any, vector: dict[str, Any]) -> None:
    packed = data(vector["expected"]["packed"])
    assert keccak(packed) == data(vector["expected"]["digest"])
    rows = vector["input"]["rows"]
    sampled = range(len(rows)) if len(rows) < 20 else (0, 1, len(rows) // 2, len(rows) - 1)
    for index in sampled:
        expected = raw(rows[index])
        assert harness.rowAt(packed, index)[:4] == expected
        assert harness.plainRowAt(packed, index) == expected
        assert harness.find(packed, *expected[:3]) == (True, index)


@pytest.mark.parametrize("vector", hand_worked("row"))
def test_a_row_worked_by_hand_is_read(harness: Any, vector: dict[str, Any]) -> None:
    assert harness.rowAt(data(vector["expected"]["packed"]), 0)[:4] == raw(vector["input"])


@pytest.mark.parametrize("vector", vectors("credits"))
def test_credits_are_packed_as_the_vectors_say(harness: Any, vector: dict[str, Any]) -> None:
    given = vector["input"]["credits"]
    packed = harness.packCredits(
        [credit["splitId"] for credit in given], [credit["amount"] for credit in given]
    )
    assert packed == vector["expected"]["packed"]
    assert keccak(bytes(packed)) == data(vector["expected"]["digest"])
    for index, credit in enumerate(given):
        assert harness.creditAt(packed, index) == raw(credit)


@pytest.mark.parametrize("vector", hand_worked("credit"))
def test_a_credit_worked_by_hand_is_packed(harness: Any, vector: dict[str, Any]) -> None:
    split_id, amount = raw(vector["input"])
    assert harness.packCredits([split_id], [amount]) == vector["expected"]["packed"]


@pytest.mark.parametrize("vector", vectors("cids"))
def test_identifiers_are_the_ones_ipfs_gives(harness: Any, vector: dict[str, Any]) -> None:
    assert harness.cid(vector["expected"]["sha256"]) == vector["expected"]["cid"]


# ---- signatures -----------------------------------------------------------------------------------------------------


def signatures() -> list[tuple[bytes, str, bytes]]:
    """(digest, signer, signature) of every signature in the vectors."""
    return [
        (data(vector["input"]["digest"]), signed["signer"], data(signed["signature"]))
        for vector in (parameter.values[0] for parameter in vectors("signatures"))
        for signed in vector["input"]["signed"]
    ]


@pytest.mark.parametrize(("digest", "signer", "signature"), signatures())
def test_signatures_of_the_vectors_are_their_signers(
    harness: Any, digest: bytes, signer: str, signature: bytes
) -> None:
    other_digest = bytes([digest[0] ^ 1]) + digest[1:]
    assert harness.isValidSignature(signer, digest, signature)
    assert not harness.isValidSignature(harness, digest, signature)
    assert not harness.isValidSignature(signer, other_digest, signature)


def test_malformed_signatures_are_nobodys(harness: Any) -> None:
    digest, signer, good = signatures()[0]
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high_s = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    compact = r + (s | (v - 27) << 255).to_bytes(32, "big")
    for signature in (
        b"",
        bytes(65),
        good[:64],
        good + b"\0",
        high_s,
        compact,
        good[:64] + bytes([v - 27]),
        good[:64] + bytes([55 - v]),
    ):
        assert not harness.isValidSignature(signer, digest, signature), signature.hex()


def test_the_zero_address_signs_nothing(harness: Any) -> None:
    # What a failed recovery answers must never pass for a signer.
    assert not harness.isValidSignature("0x" + "00" * 20, bytes(32), bytes(65))
    assert not harness.isValidSignature("0x" + "00" * 20, bytes(32), b"")


# ---- prices ---------------------------------------------------------------------------------------------------------


def offered(rate: int, tier: Tier, *, pool: bool = False) -> Terms:
    card = RateCard(training_run=0, generation=rate, playback=0, grant_fee=0)
    return terms({tier: card}, flags=int(Flag.POOL) * pool)


@pytest.mark.parametrize("vector", [*vectors("metered"), *hand_worked("metered")])
def test_metered_prices_agree_with_the_vectors(
    protocol: DeployedProtocol, harness: Any, vector: dict[str, Any]
) -> None:
    quantity, rate = vector["input"]["quantity"], vector["input"]["rate"]
    (license_id,) = licenses(protocol, [offered(rate, Tier.GENERATIVE)])
    now = protocol.now()
    packed = packed_row(license_id, Tier.GENERATIVE, Metric.GENERATION, quantity)
    if "refused" in vector["expected"]:
        name = "NotOffered" if rate == NOT_OFFERED else "AmountTooLarge"
        with refused(name, license_id, Tier.GENERATIVE, Metric.GENERATION):
            priced(protocol, packed, now, now + 1)
        return
    amount = vector["expected"]["amount"]
    assert harness.metered(quantity, rate) == amount
    (credit,), total, _ = priced(protocol, packed, now, now + 1)
    assert credit.amount == total == amount


@pytest.mark.parametrize("vector", [*vectors("pool"), *hand_worked("pool")])
def test_pools_agree_with_the_vectors(protocol: DeployedProtocol, vector: dict[str, Any]) -> None:
    given, total = vector["input"]["rows"], vector["input"]["total"]
    offers = [
        offered(one.get("rate", 0), Tier(one["tier"]), pool=one.get("pool", True)) for one in given
    ]
    ids = licenses(protocol, offers)
    rows = [
        Row(license_id, one["tier"], Metric.GENERATION, one["quantity"])
        for license_id, one in zip(ids, given, strict=True)
    ]
    now = protocol.now()
    bad = vector["expected"].get("refusedRow")
    if bad is not None:
        name = "BelowReserve" if given[bad]["pool"] else "NotInPool"
        with refused(name, ids[bad], given[bad]["tier"], Metric.GENERATION):
            priced(protocol, pack_rows(rows), now, now + 1, Pricing.POOL, total)
        return
    credits_, found, _ = priced(protocol, pack_rows(rows), now, now + 1, Pricing.POOL, total)
    assert [credit.amount for credit in credits_] == vector["expected"]["amounts"]
    assert found == total
