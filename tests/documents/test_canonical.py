"""Canonical JSON and CIDs: expected bytes are typed in from RFC 8785 and from published CIDs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.documents.canonical import MAX_DOCUMENT_BYTES, canonical_bytes, parse_canonical
from obbligato.documents.cid import check_block, cid_from_digest, cid_of, digest_from_cid, ipfs_uri
from obbligato.errors import DigestMismatch, InputError

HELLO_CID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
HELLO_SHA256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
EMPTY_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


# --- RFC 8785 -----------------------------------------------------------------------------------


def test_keys_are_sorted_as_rfc_8785_section_3_2_3_shows() -> None:
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical_bytes(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_strings_and_literals_have_the_bytes_of_rfc_8785_section_3_2_4() -> None:
    value = json.loads(
        r'{"string": "\u20ac$\u000F\u000aA' + "'" + r'\u0042\u0022\u005c\\\"\/",'
        r' "literals": [null, true, false]}'
    )
    assert canonical_bytes(value) == bytes.fromhex(
        "7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c"
        "22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30 30 66 5c 6e 41 27 42 5c 22 5c 5c 5c"
        "5c 5c 22 2f 22 7d"
    )


def test_the_largest_integers_of_rfc_8785_appendix_b_are_written_whole() -> None:
    assert canonical_bytes([2**53 - 1, -(2**53) + 1, 0]) == (
        b"[9007199254740991,-9007199254740991,0]"
    )


@given(json_values)
def test_every_value_comes_back_from_its_bytes(value: Any) -> None:
    assert parse_canonical(canonical_bytes(value)) == value


@given(json_values)
def test_the_standard_library_reads_what_is_written(value: Any) -> None:
    assert json.loads(canonical_bytes(value)) == value


@given(json_values)
def test_only_the_canonical_bytes_of_a_value_are_accepted(value: Any) -> None:
    spaced = json.dumps(value, indent=1).encode()
    if spaced == canonical_bytes(value):
        assert parse_canonical(spaced) == value
    else:
        with pytest.raises(InputError, match="canonical form"):
            parse_canonical(spaced)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, 0.5]}, r"\$\.a\[1\]"),
        ({"a": float("nan")}, r"\$\.a"),
        ([2**53], r"\$\[0\]"),
        ({"a": {1: 2}}, r"\$\.a"),
        ({"a": b"bytes"}, r"\$\.a"),
        (["\ud800"], r"\$\[0\]"),
    ],
)
def test_what_json_cannot_carry_exactly_is_refused_by_its_place(value: Any, place: str) -> None:
    with pytest.raises(InputError, match=place):
        canonical_bytes(value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":2}', "'a' appears twice"),
        (b'{"a":{"b":1,"b":1}}', "'b' appears twice"),
        (b'{"b":1,"a":2}', "from byte 2 on"),
        (b'{"a": 1}', "from byte 5 on"),
        (b'{"a":1}\n', "from byte 7 on"),
        (b'"\\u0041"', "from byte 1 on"),
        (b'"\\/"', "from byte 1 on"),
        (b"[1.0]", "1.0 is a float"),
        (b"[1e2]", "1e2 is a float"),
        (b"[-0]", "from byte 1 on"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[9007199254740992]", "2^53 - 1"),
        (b"[" + b"9" * 10_000 + b"]", "2^53 - 1"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b"", "not JSON"),
        (b"<html></html>", "not JSON"),
        (b"[" * 100 + b"]" * 100, "nested deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_canonical(data)
    assert reason in str(refused.value)


def test_a_document_may_have_262_144_bytes_and_not_one_more() -> None:
    largest = "x" * (MAX_DOCUMENT_BYTES - 2)
    assert len(canonical_bytes(largest)) == 262_144
    assert parse_canonical(canonical_bytes(largest)) == largest
    with pytest.raises(InputError, match="262145 bytes"):
        canonical_bytes(largest + "x")
    with pytest.raises(InputError, match="262145 bytes"):
        parse_canonical(b'"' + largest.encode() + b'x"')


# --- CIDs ---------------------------------------------------------------------------------------


def test_published_cids_of_published_bytes_come_out() -> None:
    assert cid_of(b"hello world") == HELLO_CID
    assert cid_of(b"") == EMPTY_CID
    assert cid_from_digest(bytes.fromhex(HELLO_SHA256)) == HELLO_CID
    assert digest_from_cid(HELLO_CID).hex() == HELLO_SHA256


@given(st.binary(min_size=32, max_size=32))
def test_every_digest_comes_back_from_its_cid(digest: bytes) -> None:
    cid = cid_from_digest(digest)
    assert len(cid) == 59
    assert digest_from_cid(cid) == digest


@pytest.mark.parametrize(
    ("cid", "reason"),
    [
        ("QmYjtig7VJQ6XsnUjqqJvj7QaMcCAwtrgNdahSiFofrE7o", "CIDv0"),
        ("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "dag-pb"),
        (HELLO_CID.upper(), "prefix b"),
        ("b" + HELLO_CID[1:].upper(), "a-z"),
        ("z" + HELLO_CID[1:], "prefix b"),
        (HELLO_CID[:-1], "59 characters, this has 58"),
        (HELLO_CID + "e", "59 characters, this has 60"),
        (HELLO_CID[:-1] + "f", "last character"),
        (HELLO_CID + "\n", "a-z"),
        (" " + HELLO_CID, "prefix b"),
        ("ipfs://" + HELLO_CID, "prefix b"),
        ("b" + "a" * 58, "version"),
        ("bafkrm" + HELLO_CID[6:], "hash"),
        ("b../../../../../etc/passwd", "a-z"),
        ("", "prefix b"),
    ],
)
def test_every_other_spelling_of_a_cid_is_refused_with_the_reason(cid: str, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        digest_from_cid(cid)
    assert reason in str(refused.value)


def test_a_digest_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="32 bytes, this has 20"):
        cid_from_digest(bytes(20))


def test_bytes_that_are_not_what_the_cid_names_are_a_digest_mismatch() -> None:
    assert check_block(HELLO_CID, b"hello world") == b"hello world"
    with pytest.raises(DigestMismatch) as mismatch:
        check_block(HELLO_CID, b"hello world!")
    assert mismatch.value.expected.hex() == HELLO_SHA256
    assert mismatch.value.found != mismatch.value.expected


def test_a_token_uri_is_made_of_a_checked_cid() -> None:
    assert ipfs_uri(HELLO_CID) == f"ipfs://{HELLO_CID}"
    with pytest.raises(InputError):
        ipfs_uri("not-a-cid")
