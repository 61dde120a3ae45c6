"""Texts of EIP-4361, against the examples of the standard."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.auth.sign_in import SignInMessage
from backend.http.callers import authority_of, origin_of
from obbligato.errors import InputError

# EIP-4361, "Examples": explicit scheme is the second, explicit port the third.
FIRST = """\
example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
PORT = FIRST.replace("example.com wants", "example.com:3388 wants")
SCHEME = FIRST.replace("example.com wants", "https://example.com wants")
SIGNED_AT = 1_633_019_124  # date -u -d 2021-09-30T16:25:24Z +%s


def test_the_example_of_the_standard_is_read_and_written_as_it_is() -> None:
    message = SignInMessage.parse(FIRST)
    assert message == SignInMessage(
        domain="example.com",
        account="0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
        statement="I accept the ExampleOrg Terms of Service: https://example.com/tos",
        uri="https://example.com/login",
        chain_id=1,
        nonce="32891756",
        issued_at=SIGNED_AT,
        resources=(
            "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
            "https://example.com/my-web2-claim.json",
        ),
    )
    assert message.text() == FIRST


def test_scheme_and_port_of_the_standards_other_examples_are_read() -> None:
    assert SignInMessage.parse(SCHEME).scheme == "https"
    assert SignInMessage.parse(SCHEME).domain == "example.com"
    assert SignInMessage.parse(PORT).domain == "example.com:3388"
    for text in (SCHEME, PORT):
        assert SignInMessage.parse(text).text() == text


def test_without_a_statement_two_empty_lines_follow_the_account() -> None:
    text = FIRST.replace("I accept the ExampleOrg Terms of Service: https://example.com/tos\n", "")
    message = SignInMessage.parse(text)
    assert message.statement is None
    assert message.text() == text


def test_every_optional_line_is_read_at_its_place() -> None:
    text = FIRST.replace(
        "Resources:",
        "Expiration Time: 2021-09-30T18:25:24.5+02:00\nNot Before: 2021-09-30T16:25:24Z\n"
        "Request ID: a%20b\nResources:",
    )
    message = SignInMessage.parse(text)
    assert (message.expires_at, message.not_before) == (SIGNED_AT, SIGNED_AT)
    assert message.request_id == "a%20b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Version: 1\nChain ID: 1\n", "Chain ID: 1\nVersion: 1\n"),
        ("Nonce: 32891756\n", ""),
        ("Nonce: 32891756\n", "Nonce: 32891756\nNonce: 32891757\n"),
        ("32891756", "3289175"),
        ("32891756", "3289-1756"),
        ("2021-09-30T", "2021-02-30T"),
        ("16:25:24Z", "16:25:24"),
        ("0xC02a", "0xC02"),
        ("https://example.com/login", "example.com/login"),
        ("\nResources:", "\nResources: "),
        ("- ipfs", "* ipfs"),
        ("I accept the", "I accept\nthe"),
        ("I accept the", "I accept\tthe"),
        ("sign in with", "sign away"),
        ("example.com wants", "example.com/login wants"),
        ("claim.json", "claim.json\n"),
        ("\n", "\r\n"),
    ],
)
def test_what_is_not_of_the_standard_is_refused_by_field(before: str, after: str) -> None:
    assert before in FIRST
    with pytest.raises(InputError) as refused:
        SignInMessage.parse(FIRST.replace(before, after))
    assert refused.value.field == "message"


@given(st.text(max_size=200))
def test_any_other_text_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(InputError):
        SignInMessage.parse(text)


@given(st.integers(0, len(FIRST) - 1), st.characters(blacklist_categories=("Cs",)))
@example(FIRST.index("Issued At: 2") + len("Issued At: "), "0")  # a year below 1000
def test_a_text_with_one_character_changed_is_read_whole_or_refused(at: int, other: str) -> None:
    text = FIRST[:at] + other + FIRST[at + 1 :]
    with contextlib.suppress(InputError):
        assert SignInMessage.parse(text).text().lower() == text.lower()


def test_a_site_is_named_without_the_port_of_its_scheme() -> None:
    assert authority_of("https://obbligato.example:443/x") == "obbligato.example"
    assert authority_of("http://127.0.0.1:8450") == "127.0.0.1:8450"
    assert authority_of("http://[::1]:80") == "[::1]"
    assert origin_of("https://Obbligato.example/a?b") == "https://obbligato.example"
