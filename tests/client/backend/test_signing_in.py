"""What a client signs to sign in: a text of EIP-4361 for this account, this service and this chain, or nothing."""

from __future__ import annotations

import pytest

from obbligato.client.errors import ActRefused
from obbligato.client.signing import check_sign_in

# The example of https://eips.ethereum.org/EIPS/eip-4361, without its resources.
EXAMPLE = """\
example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z"""
ACCOUNT = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
RESOURCES = "\nResources:\n- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/"


def check(text: str) -> None:
    check_sign_in(text, account=ACCOUNT, chain_id=1, url="https://example.com")


def test_the_standards_example_is_signed() -> None:
    check(EXAMPLE)
    check(EXAMPLE.replace("example.com wants", "https://example.com wants"))
    check(EXAMPLE + "\nExpiration Time: 2021-09-30T16:35:24Z\nNot Before: 2021-09-30T16:25:24Z")


def test_a_text_without_a_statement_is_signed() -> None:
    check(
        EXAMPLE.replace("I accept the ExampleOrg Terms of Service: https://example.com/tos\n", "")
    )


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ("example.com wants", "example.com.evil.example wants", "domain"),
        ("example.com wants", "http://example.com wants", "scheme"),
        (ACCOUNT, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "account"),
        ("Chain ID: 1", "Chain ID: 10", "chain_id"),
        ("URI: https://example.com/login", "URI: https://evil.example/login", "uri"),
        ("URI: https://example.com/login", "URI: http://example.com/login", "uri"),
    ],
)
def test_a_sign_in_elsewhere_is_refused_by_name(was: str, becomes: str, field: str) -> None:
    with pytest.raises(ActRefused, match="nothing was signed") as raised:
        check(EXAMPLE.replace(was, becomes))
    assert raised.value.field == f"message.{field}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Transfer everything",
        "Obbligato request\nchain: 1",
        EXAMPLE + RESOURCES,
        EXAMPLE + "\nand everything that I own",
        EXAMPLE.replace("Version: 1", "Version: 2"),
        EXAMPLE.replace("Nonce: 32891756", "Nonce: 1"),
        EXAMPLE.replace("\n", "\r\n"),
        "I give you all my money. " + EXAMPLE,
        EXAMPLE.replace("I accept", "I accept\nI pay"),
    ],
)
def test_whatever_is_not_a_plain_sign_in_is_not_signed(text: str) -> None:
    with pytest.raises(ActRefused, match="nothing was signed"):
        check(text)
