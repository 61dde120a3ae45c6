"""Messages hash, sign and recover as wallets and contracts do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from obbligato.errors import InputError
from obbligato.protocol.eip712 import TypedStruct
from obbligato.protocol.splits import Payee, Split
from obbligato.protocol.terms import RateCard, Terms
from obbligato.protocol.typed_data import (
    MESSAGES,
    Attestation,
    Contract,
    Domain,
    Message,
    Redirect,
    UsageReport,
    recover,
    sign,
)
from tests.protocol.examples import account
from tests.protocol.vectors import data, vectors

RULES_PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
BY_NAME = {message.primary_type(): message for message in MESSAGES}
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
VAULT = Domain(contract=Contract.ROYALTY_VAULT, chain_id=31337, address=account(7))
REDIRECT = Redirect(account=account(1), to=account(2), nonce=2**256 - 1, deadline=2**53)


def message_of(given: dict[str, Any]) -> Message:
    return BY_NAME[given["type"]].read(given["message"])


def domain_of(given: dict[str, Any]) -> Domain:
    return Domain(
        contract=Contract(f"Obbligato {given['contract']}"),
        chain_id=given["chainId"],
        address=given["verifyingContract"],
    )


@pytest.mark.parametrize("vector", vectors("typed_data"))
def test_hashes_and_signatures_agree_with_viem(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    message, domain = message_of(given), domain_of(given)
    assert message.type_hash == data(expected["typeHash"])
    assert message.struct_hash() == data(expected["structHash"])
    assert domain.separator == data(expected["domainSeparator"])
    assert message.digest(domain) == data(expected["digest"])
    assert sign(message, domain, given["key"]) == data(expected["signature"])
    assert recover(message, domain, data(expected["signature"])) == expected["signer"]


@pytest.mark.parametrize("vector", vectors("typed_data"))
def test_the_json_for_wallets_hashes_to_the_same_digest(vector: dict[str, Any]) -> None:
    message, domain = message_of(vector["input"]), domain_of(vector["input"])
    sent = json.loads(json.dumps(message.as_typed_data(domain)))
    assert not list(unsafe_integers(sent))
    encoded = encode_typed_data(full_message=sent)
    assert keccak(b"\x19" + encoded.version + encoded.header + encoded.body) == message.digest(
        domain
    )


def unsafe_integers(value: Any) -> Any:
    """Every integer in JSON that JavaScript could not hold."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from unsafe_integers(inner)
    elif isinstance(value, int) and value > 2**53 - 1:
        yield value


def test_every_message_type_has_vectors() -> None:
    tested = {vector.values[0]["input"]["type"] for vector in vectors("typed_data")}
    assert tested == set(BY_NAME)


def test_type_strings_are_those_of_the_rules_page() -> None:
    page = RULES_PAGE.read_text()
    block = page.split("```")[1]
    stated: dict[str, str] = {}
    contract = ""
    for line in block.strip().splitlines():
        if line.startswith("  "):
            stated[line.strip()] = contract
        else:
            contract = line.strip()
    own = {kind: kind.type_string[: kind.type_string.index(")") + 1] for kind in MESSAGES}
    assert {own[kind]: kind.contract.value for kind in MESSAGES} == {
        type_string: f"Obbligato {contract}" for type_string, contract in stated.items()
    }
    for kind in (RateCard, Payee, Terms, Split):
        assert f"\n{kind.type_string[: kind.type_string.index(')') + 1]}" in block


@pytest.mark.parametrize("kind", [*MESSAGES, RateCard, Payee, Terms, Split])
def test_python_fields_follow_the_type_string(kind: type[TypedStruct]) -> None:
    declared = [member.attribute for member in kind.struct_types[kind.primary_type()]]
    assert list(kind.model_fields) == declared


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_field_changes_the_digest(kind: type[Message]) -> None:
    same_type = [
        vector.values[0]["input"]
        for vector in vectors("typed_data")
        if vector.values[0]["input"]["type"] == kind.primary_type()
    ]
    whole, other = message_of(same_type[2]), message_of(same_type[1])
    changed = {whole.struct_hash()}
    for field in kind.model_fields:
        changed.add(whole.model_copy(update={field: getattr(other, field)}).struct_hash())
    same = sum(getattr(whole, field) == getattr(other, field) for field in kind.model_fields)
    assert len(changed) == len(kind.model_fields) + 1 - same


def test_a_local_account_signs_as_its_key_does() -> None:
    local = Account.from_key(KEY)
    assert sign(REDIRECT, VAULT, local) == sign(REDIRECT, VAULT, KEY)
    assert recover(REDIRECT, VAULT, sign(REDIRECT, VAULT, data(KEY))) == local.address


def test_a_signature_for_another_domain_names_another_signer() -> None:
    signature = sign(REDIRECT, VAULT, KEY)
    for change in ({"chain_id": 1}, {"address": account(8)}):
        elsewhere = VAULT.model_copy(update=change)
        elsewhere.__dict__.pop("separator", None)
        assert recover(REDIRECT, elsewhere, signature) != Account.from_key(KEY).address


def test_the_domain_of_another_contract_is_refused() -> None:
    grants = Domain(contract=Contract.GRANTS, chain_id=31337, address=account(7))
    with pytest.raises(InputError, match="not for Obbligato Grants") as refused:
        REDIRECT.digest(grants)
    assert refused.value.field == "domain"


@pytest.mark.parametrize("key", ["0x12", "zz" * 32, b"", bytes(32), "0x" + "ff" * 32])
def test_what_is_no_private_key_is_refused_without_repeating_it(key: bytes | str) -> None:
    with pytest.raises(InputError) as refused:
        sign(REDIRECT, VAULT, key)
    assert not key or str(key) not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nonce", -1),
        ("nonce", 2**256),
        ("deadline", 2**64),
        ("deadline", 1.0),
        ("deadline", True),
        ("deadline", "1"),
        ("account", "0x12"),
        ("account", "0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        ("unknown", 1),
    ],
)
def test_malformed_fields_are_refused_by_name(field: str, value: object) -> None:
    fields = {"account": account(1), "to": account(2), "nonce": 1, "deadline": 1, field: value}
    with pytest.raises(InputError) as refused:
        Redirect.read(fields)
    assert refused.value.field == field


def test_a_digest_is_32_bytes_and_approved_is_a_boolean() -> None:
    with pytest.raises(InputError, match="32 bytes"):
        Attestation.read({"reportId": "0x00", "configVersion": 1})
    fields = {"account": account(1), "operator": account(2), "nonce": 1, "deadline": 1}
    with pytest.raises(InputError) as refused:
        BY_NAME["ApproveOperator"].read({**fields, "approved": 1})
    assert refused.value.field == "approved"


@pytest.mark.parametrize("pricing", [0, 3, 1.0, True, "1"])
def test_an_unknown_pricing_is_refused(pricing: object) -> None:
    given = next(v.values[0]["input"] for v in vectors("typed_data") if "UsageReport" in v.id)
    with pytest.raises(InputError) as refused:
        UsageReport.read({**given["message"], "pricing": pricing})
    assert refused.value.field == "pricing"


def test_the_report_id_is_the_digest_of_the_report() -> None:
    given = next(v.values[0]["input"] for v in vectors("typed_data") if "UsageReport" in v.id)
    report = UsageReport.read(given["message"])
    assert report.report_id(domain_of(given)) == report.digest(domain_of(given))


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        REDIRECT.nonce = 1  # type: ignore[misc]
