"""What a wallet shows of a message, with the descriptor that is made for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from obbligato.documents.clear_signing import descriptor
from obbligato.protocol.eip712 import Contract, Message
from obbligato.protocol.typed_data import MESSAGES
from tests.protocol.vectors import vectors

ADDRESS, TOKEN = "0x" + "c0" * 20, "0x" + "d0" * 20
ARTIST, LABEL, ADMIN = "0x" + "a1" * 20, "0x" + "b0" * 20, "0x" + "e5" * 20
ZEROS = "0x" + "00" * 32


def described(message: type[Message]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A contract's descriptor, and of it the format of one message."""
    whole = descriptor(message.contract, 31337, ADDRESS, TOKEN)
    return whole, whole["display"]["formats"][message.type_string]


def rendered(whole: Mapping[str, Any], fields: list[Any], data: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a wallet that reads the format as the ERC says; its token has six decimals."""
    for field in fields:
        name, _, rest = field["path"].partition(".")
        value = data[name]
        if "fields" in field:
            for inner in value if rest == "[]" else [value]:
                yield f"{field['label']}:"
                yield from ("  " + line for line in rendered(whole, field["fields"], inner))
        elif field.get("visible") != "never":
            yield f"{field['label']}: {text(whole, field, value)}"


def text(whole: Mapping[str, Any], field: Mapping[str, Any], value: Any) -> str:
    """One value, formatted."""
    params = field.get("params", {})
    match field["format"]:
        case "tokenAmount":
            assert params["token"] == TOKEN
            if int(value) >= int(params.get("threshold", hex(2**256)), 16):
                return str(params["message"])
            return f"{int(value) // 10**6}.{int(value) % 10**6:06d} USD"
        case "unit":
            whole_units, rest = divmod(int(value), 10 ** params["decimals"])
            fraction = f".{rest:0{params['decimals']}d}".rstrip("0") if rest else ""
            return f"{whole_units}{fraction} {params['base']}"
        case "date":
            return datetime.fromtimestamp(int(value), UTC).isoformat()
        case "enum":
            root, _, name = params["$ref"].rpartition(".")
            assert root == "$.metadata.enums"
            return str(whole["metadata"]["enums"][name][str(value)])
        case "addressName" | "raw":
            return str(value)
    raise AssertionError(field["format"])


def paths(fields: list[Any]) -> Iterator[str]:
    """Every member that a format names."""
    for field in fields:
        yield field["path"]
        yield from (f"{field['path']}.{inner}" for inner in paths(field.get("fields", [])))


def members(value: Mapping[str, Any]) -> Iterator[str]:
    """Every member of a message."""
    for name, inner in value.items():
        if isinstance(inner, list):
            yield f"{name}.[]"
            yield from (f"{name}.[].{each}" for each in members(inner[0]))
        else:
            yield name
        if isinstance(inner, dict):
            yield from (f"{name}.{each}" for each in members(inner))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.primary_type())
def test_every_member_of_every_message_is_named_once_in_its_order(message: type[Message]) -> None:
    _, form = described(message)
    vector = next(
        one.values[0]["input"]["message"]
        for one in vectors("typed_data")
        if one.id == f"{message.primary_type()}, ordinary a"
    )
    assert list(paths(form["fields"])) == list(members(vector))
    assert form["intent"]


def test_a_descriptor_is_for_one_contract_of_one_chain() -> None:
    counts = {}
    for contract in Contract:
        whole = descriptor(contract, 31337, ADDRESS, TOKEN)
        counts[contract.name] = len(whole["display"]["formats"])
        assert whole["context"]["eip712"] == {
            "domain": {"name": contract.value, "version": "1"},
            "deployments": [{"chainId": 31337, "address": ADDRESS}],
        }
    assert counts == {
        "LICENSE_REGISTRY": 7,
        "ROYALTY_VAULT": 3,
        "GRANTS": 1,
        "USAGE_ORACLE": 2,
        "DISPUTES": 1,
    }


def of_name(name: str) -> type[Message]:
    return next(each for each in MESSAGES if each.primary_type() == name)


def lines(name: str, **fields: Any) -> list[str]:
    """What a wallet shows of a message in JSON."""
    message = of_name(name)
    whole, form = described(message)
    return [form["intent"], *rendered(whole, form["fields"], fields)]


def test_a_wallet_shows_the_price_of_every_use_and_every_payee_before_a_licence_is_minted() -> None:
    assert lines(
        "Mint",
        account=ARTIST,
        terms={
            "tiers": 0b000110,
            "termDays": 365,
            "flags": 1 + 32,
            "influenceCapBps": 2_550,
            "rates": [
                {
                    "trainingRun": 5_000_000,
                    "generation": "18446744073709551615",
                    "playback": 0,
                    "grantFee": 1,
                },
                {
                    "trainingRun": "18446744073709551615",
                    "generation": 2_400,
                    "playback": 40,
                    "grantFee": 25_000_000,
                },
            ],
            "textDigest": ZEROS,
        },
        split={
            "payees": [
                {"account": ARTIST, "share": 650_001, "role": 4},
                {"account": LABEL, "share": 349_999, "role": 8},
            ]
        },
        document=ZEROS,
        content=ZEROS,
        nonce=7,
        deadline=1_764_547_200,
    ) == [
        "License a recording for AI use",
        f"Account: {ARTIST}",
        "Terms:",
        "  Allowed: training, generative",
        "  Term: 365 days",
        "  Conditions: attribution required, pool",
        "  Most influence on one output: 25.5 %",
        "  Prices of each allowed use, in their order:",
        "    Training run: 5.000000 USD",
        "    Generation: not offered",
        "    Playback: 0.000000 USD",
        "    Grant: 0.000001 USD",
        "  Prices of each allowed use, in their order:",
        "    Training run: not offered",
        "    Generation: 0.002400 USD",
        "    Playback: 0.000040 USD",
        "    Grant: 25.000000 USD",
        f"  Legal text (sha-256): {ZEROS}",
        "Who is paid:",
        "  Payee:",
        f"    Account: {ARTIST}",
        "    Share: 65.0001 %",
        "    Paid as: performer",
        "  Payee:",
        f"    Account: {LABEL}",
        "    Share: 34.9999 %",
        "    Paid as: label",
        f"Licence document (sha-256): {ZEROS}",
        f"Recording (sha-256): {ZEROS}",
        "Can be used until: 2025-12-01T00:00:00+00:00",
    ]


def test_a_wallet_shows_the_use_the_fee_and_the_quantity() -> None:
    assert lines(
        "ApproveGrant",
        account=ARTIST,
        licenseId=3,
        currentDocument=ZEROS,
        tier=6,
        platformId=2,
        platformAdmin=ADMIN,
        modelId=ZEROS,
        fee=150_000_000,
        nonce=1,
        deadline=0,
    )[4:8] == [
        "Use: voice",
        "Platform: 2",
        f"Platform's account: {ADMIN}",
        f"Model (zero: any): {ZEROS}",
    ]
    contested = lines(
        "Challenge",
        account=ARTIST,
        reportId=ZEROS,
        licenseId=3,
        currentDocument=ZEROS,
        tier=3,
        metric=2,
        claimedQuantity=15_500_000,
        evidence=ZEROS,
        maximumBond=5_000_000,
        nonce=1,
        deadline=0,
    )
    assert "Counted as: generation" in contested
    assert "Quantity that you claim: 15.5 units" in contested
    assert "Bond, at most: 5.000000 USD" in contested


@pytest.mark.parametrize(
    ("enum", "number", "words"),
    [
        ("tiers", 0, "no AI use at all"),
        ("tiers", 63, "analysis, training, generative, style, stems, voice"),
        ("conditions", 0, "none"),
        ("conditions", 8 + 16 + 64, "grant required, grant approval, model bound"),
        ("roles", 5, "session musician"),
        ("metrics", 1, "training run"),
        ("pricings", 2, "pool"),
    ],
)
def test_enums_and_masks_have_the_names_of_the_rules(enum: str, number: int, words: str) -> None:
    whole = descriptor(Contract.LICENSE_REGISTRY, 1, ADDRESS, TOKEN)
    assert whole["metadata"]["enums"][enum][str(number)] == words
