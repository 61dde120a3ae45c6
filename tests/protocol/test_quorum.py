"""Enough attesters, each counted once, in the one order the chain reads."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from obbligato.errors import InputError
from obbligato.protocol.quorum import (
    CURVE_ORDER,
    check_signature,
    pack_signatures,
    quorum,
    recover_signer,
    recover_signers,
    unpack_signatures,
)
from tests.protocol.examples import account
from tests.protocol.vectors import data, vectors

FOUR = next(vector.values[0] for vector in vectors("signatures") if vector.id.startswith("4"))
DIGEST = data(FOUR["input"]["digest"])
PACKED = data(FOUR["expected"]["packed"])
GOOD = PACKED[:65]


@pytest.mark.parametrize("vector", vectors("quorum"))
def test_quorums_agree_with_what_a_quorum_is_for(vector: dict[str, Any]) -> None:
    assert quorum(**vector["input"]) == vector["expected"]["quorum"]


@pytest.mark.parametrize("attesters", [0, -1, 1.0, True, "4", None])
def test_a_set_of_nobody_has_no_quorum(attesters: Any) -> None:
    with pytest.raises(InputError):
        quorum(attesters)


@pytest.mark.parametrize("vector", vectors("signatures"))
def test_signatures_pack_by_ascending_signer_and_name_their_signers(
    vector: dict[str, Any],
) -> None:
    digest = data(vector["input"]["digest"])
    packed = data(vector["expected"]["packed"])
    signed = [(one["signer"], data(one["signature"])) for one in vector["input"]["signed"]]
    assert pack_signatures(signed) == packed
    assert pack_signatures(reversed(signed)) == packed
    assert recover_signers(digest, packed) == vector["expected"]["signers"]
    assert b"".join(unpack_signatures(packed)) == packed


def flipped(signature: bytes) -> bytes:
    """The other signature of the same key: s replaced by the order less s."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (flipped(GOOD), "upper half"),
        (GOOD[:64] + b"\0", "27 or 28"),
        (GOOD[:64] + b"\x1d", "27 or 28"),
        (GOOD[:64], "65 bytes"),
        (GOOD + b"\0", "65 bytes"),
        ("0x" + GOOD.hex(), "65 bytes"),
        (bytes(32) + GOOD[32:], "out of range"),
        (GOOD[:32] + bytes(32) + GOOD[64:], "out of range"),
        (b"\xff" * 32 + GOOD[32:], "out of range"),
    ],
)
def test_a_signature_the_chain_would_refuse_is_refused(signature: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_signature(signature)
    with pytest.raises(InputError, match=reason):
        recover_signer(DIGEST, signature)
    with pytest.raises(InputError, match=reason) as refused:
        pack_signatures([(account(1), GOOD), (account(2), signature)])
    assert refused.value.row == 1


def test_a_point_off_the_curve_is_refused() -> None:
    off_curve = (5).to_bytes(32, "big") + GOOD[32:]
    with pytest.raises(InputError, match="no key"):
        recover_signer(DIGEST, off_curve)


def test_a_signer_counts_once() -> None:
    signer = FOUR["expected"]["signers"][0]
    with pytest.raises(InputError, match="twice") as refused:
        pack_signatures([(signer, GOOD), (signer.lower(), GOOD)])
    assert refused.value.row == 1
    with pytest.raises(InputError, match="ascending") as refused:
        recover_signers(DIGEST, GOOD + GOOD)
    assert refused.value.row == 1


def test_signatures_out_of_order_are_refused() -> None:
    swapped = PACKED[65:130] + PACKED[:65] + PACKED[130:]
    with pytest.raises(InputError, match="ascending"):
        recover_signers(DIGEST, swapped)
    with pytest.raises(InputError, match="cut off"):
        unpack_signatures(PACKED[:-1])
    bad = PACKED[:65] + flipped(PACKED[65:130])
    with pytest.raises(InputError) as refused:
        unpack_signatures(bad)
    assert refused.value.row == 1


def test_a_signature_over_another_digest_names_somebody_else() -> None:
    local = Account.create()
    signed = bytes(local.unsafe_sign_hash(DIGEST).signature)
    assert recover_signer(DIGEST, signed) == local.address
    assert recover_signer(DIGEST[::-1], signed) != local.address
