"""Signed messages: the contracts hash what the golden vectors say, at the addresses and on the chains they name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from brownie import web3
from eth_hash.auto import keccak

from obbligato.protocol import typed_data
from obbligato.protocol.splits import PAYEE_TYPE, Split
from obbligato.protocol.terms import RATE_CARD_TYPE, Terms
from tests.contracts.licensing import deploy
from tests.contracts.moments import rpc
from tests.contracts.protocol import DeployedProtocol, decode_error
from tests.protocol.vectors import data, vectors

TYPES = [
    RATE_CARD_TYPE,
    Terms.type_string,
    PAYEE_TYPE,
    Split.type_string,
    typed_data.Mint.type_string,
    typed_data.Amend.type_string,
    typed_data.Revoke.type_string,
    typed_data.Reinstate.type_string,
    typed_data.ChangeSplit.type_string,
    typed_data.AcceptSplit.type_string,
    typed_data.ApproveOperator.type_string,
    typed_data.ApproveGrant.type_string,
    typed_data.Claim.type_string,
    typed_data.Redirect.type_string,
    typed_data.GuardClaims.type_string,
    typed_data.UsageReport.type_string,
    typed_data.Attestation.type_string,
    typed_data.Challenge.type_string,
]
"""What the messages harness lists, in its order."""

ALL = [parameter.values[0] for parameter in vectors("typed_data")]
DOORS = (
    *("Mint", "Amend", "Revoke", "Reinstate", "ApproveOperator"),
    *("Claim", "Redirect", "GuardClaims"),
)
"""Messages whose door checks the signature before anything that a vector's numbers could fail."""


@pytest.fixture(scope="module")
def messages(shared: None) -> Any:
    return deploy("MessagesHarness")


@contextlib.contextmanager
def transplanted(contract: Any, vector: dict[str, Any]) -> Iterator[str]:
    """The contract's code at the address and on the chain of a vector's domain; that address."""
    address = vector["input"]["verifyingContract"]
    rpc("anvil_setCode", address, rpc("eth_getCode", contract.address, "latest"))
    rpc("anvil_setChainId", vector["input"]["chainId"])
    try:
        yield address
    finally:
        rpc("anvil_setChainId", 31337)


def answer_at(address: str, payload: str, moment: int) -> tuple[str, bytes]:
    """The error's name (empty for none) and the returned bytes of a call in a block of this time."""
    call = {"to": address, "data": payload}
    asked = [call, "latest", {}, {"time": hex(moment)}]
    answer = web3.provider.make_request("eth_call", asked)
    if "error" in answer:
        return decode_error(answer["error"]["data"])[0], b""
    return "", bytes.fromhex(answer["result"].removeprefix("0x"))


def digest_of(name: str, value: Any) -> Any:
    """What a door is given of a member: the digest of terms or a split, anything else as it is."""
    kind = {"terms": Terms, "split": Split}.get(name)
    return value if kind is None else kind.from_json(value).digest()


def door(protocol: DeployedProtocol, vector: dict[str, Any], signature: bytes) -> tuple[Any, str]:
    """The contract that takes a message and the call that carries it, signed."""
    kind, message = vector["input"]["type"], vector["input"]["message"]
    signed = (message["account"], message["nonce"], message["deadline"], signature)
    fields = [
        digest_of(name, value)
        for name, value in message.items()
        if name not in ("account", "nonce", "deadline")
    ]
    contract = getattr(
        protocol, {"RoyaltyVault": "vault"}.get(vector["input"]["contract"], "registry")
    )
    method = getattr(contract, f"{kind[0].lower()}{kind[1:]}BySignature")
    return contract, method.encode_input(*fields, *([[]] if kind == "Claim" else []), signed)


def of_type(*kinds: str) -> list[Any]:
    return [one for one in vectors("typed_data") if one.values[0]["input"]["type"] in kinds]


def test_type_hashes_are_those_of_the_rules(messages: Any) -> None:
    assert list(messages.typeHashes()) == ["0x" + keccak(kind.encode()).hex() for kind in TYPES]


def test_type_hashes_are_those_of_the_vectors(messages: Any) -> None:
    kinds = [kind.partition("(")[0] for kind in TYPES]
    found = messages.typeHashes()
    for vector in ALL:
        assert found[kinds.index(vector["input"]["type"])] == vector["expected"]["typeHash"]


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        ("vault", "Obbligato RoyaltyVault"),
        ("registry", "Obbligato LicenseRegistry"),
        ("grants", "Obbligato Grants"),
        ("oracle", "Obbligato UsageOracle"),
        ("disputes", "Obbligato Disputes"),
    ],
)
def test_every_contract_says_its_domain(
    protocol: DeployedProtocol, contract: str, name: str
) -> None:
    deployed = getattr(protocol, contract)
    found = deployed.eip712Domain()
    assert found[1:5] == (name, "1", 31337, deployed.address)
    assert int.from_bytes(bytes(found[0]), "big") == 0b01111  # name, version, chain, contract
    assert bytes(found[5]) == bytes(32)
    assert tuple(found[6]) == ()


@pytest.mark.parametrize("contract", sorted({one["input"]["contract"] for one in ALL}))
def test_domains_have_the_separator_of_the_vectors(contract: str) -> None:
    harness = deploy("DomainHarness", "Obbligato " + contract)
    for vector in (one for one in ALL if one["input"]["contract"] == contract):
        with transplanted(harness, vector) as address:
            found = answer_at(address, harness.separator.encode_input(), 1)
        assert found == ("", data(vector["expected"]["domainSeparator"])), vector["name"]


@pytest.mark.parametrize("vector", of_type("UsageReport"))
def test_a_report_is_identified_as_the_vectors_say(
    protocol: DeployedProtocol, messages: Any, vector: dict[str, Any]
) -> None:
    header = tuple(vector["input"]["message"].values())
    assert messages.reportHash(header) == vector["expected"]["structHash"]
    with transplanted(protocol.oracle, vector) as address:
        found = answer_at(address, protocol.oracle.reportIdOf.encode_input(header), 1)
    assert found == ("", data(vector["expected"]["digest"]))


@pytest.mark.parametrize("vector", of_type("Attestation"))
def test_an_attestation_is_hashed_as_the_vectors_say(messages: Any, vector: dict[str, Any]) -> None:
    message = vector["input"]["message"].values()
    assert messages.attestationHash(*message) == vector["expected"]["structHash"]


@pytest.mark.parametrize("vector", of_type(*DOORS))
def test_the_doors_take_the_signatures_of_the_vectors(
    protocol: DeployedProtocol, vector: dict[str, Any]
) -> None:
    signature = data(vector["expected"]["signature"])
    forged = signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]
    deadline = vector["input"]["message"]["deadline"]
    contract, good = door(protocol, vector, signature)
    _, bad = door(protocol, vector, forged)
    with transplanted(contract, vector) as address:
        # The empty state at this address knows no licence, no terms: what refuses now is a later check.
        refusal, _ = answer_at(address, good, deadline)
        assert refusal not in ("SignatureInvalid", "SignatureExpired")
        assert answer_at(address, bad, deadline)[0] == "SignatureInvalid"
        if deadline < 2**64 - 1:
            assert answer_at(address, good, deadline + 1)[0] == "SignatureExpired"


@pytest.mark.parametrize("vector", of_type("Mint", "Claim"))
def test_a_signature_counts_on_its_own_chain_and_contract_only(
    protocol: DeployedProtocol, vector: dict[str, Any]
) -> None:
    contract, payload = door(protocol, vector, data(vector["expected"]["signature"]))
    deadline = vector["input"]["message"]["deadline"]
    for change in ({"chainId": 2}, {"verifyingContract": "0x" + "22" * 20}):
        elsewhere = {**vector, "input": {**vector["input"], **change}}
        with transplanted(contract, elsewhere) as address:
            assert answer_at(address, payload, deadline)[0] == "SignatureInvalid"
