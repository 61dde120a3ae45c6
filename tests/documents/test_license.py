"""Licence documents: words that follow the terms, public credits only, text kept whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.documents.canonical import canonical_bytes, sha256
from obbligato.documents.identifiers import (
    checked_release_date,
    compact_isni,
    compact_isrc,
    compact_iswc,
    isrc_text,
)
from obbligato.documents.license import (
    Contributor,
    LicenseDocument,
    Recording,
    Stem,
    license_document,
)
from obbligato.documents.wording import check_legal_text, dollars, legal_text, terms_with_legal_text
from obbligato.errors import DigestMismatch, InputError
from obbligato.protocol.constants import NOT_OFFERED, Flag, Role, Tier
from obbligato.protocol.terms import RateCard, Terms

GOLDEN = Path(__file__).parent / "golden"

CARD = RateCard(
    training_run=250_000, generation=0, playback=NOT_OFFERED, grant_fee=9_007_199_254_740_993
)
FLAGS = Flag.ATTRIBUTION_REQUIRED | Flag.COMMERCIAL | Flag.GRANT_REQUIRED | Flag.MODEL_BOUND
TERMS = terms_with_legal_text(
    {Tier.TRAINING: CARD, Tier.ANALYSIS: CARD},
    term_days=365,
    flags=FLAGS,
    influence_cap_bps=1_250,
)
NO_USE = terms_with_legal_text({}, term_days=400, flags=Flag(0))


def recording(**changes: object) -> Recording:
    facts: dict[str, object] = {
        "isrc": "aa-6q7-20-00047",
        "iswc": "T-034.524.680-1",
        "title": "Aubade",
        "artists": ["The Example Quartet"],
        "contributors": [
            {"role": "session musician", "name": "A. Player"},
            {"role": "composer", "name": "A. Writer", "isni": "0000 0001 2281 955X"},
        ],
        "release_date": "2024-05-04",
        "content_hash": "0x" + "11" * 32,
        "stems": [{"name": "drums", "content_hash": "0x" + "22" * 32}],
        "scope": ["recording", "stems"],
    }
    return Recording.read({**facts, **changes})


def tampered(document: LicenseDocument, **changes: object) -> bytes:
    return canonical_bytes({**json.loads(document.to_bytes()), **changes})


# --- the document -------------------------------------------------------------------------------


def test_the_document_is_the_one_that_was_read_and_approved() -> None:
    document = license_document(recording=recording(), terms=TERMS, image="https://example.org/a")
    golden = (GOLDEN / "license-document.json").read_bytes()
    assert json.loads(document.to_bytes()) == json.loads(golden)


def test_a_document_comes_back_from_its_bytes_with_the_terms_of_the_chain() -> None:
    document = license_document(recording=recording(), terms=TERMS)
    again = LicenseDocument.from_bytes(document.to_bytes())
    assert again == document
    assert again.terms.terms() == TERMS
    assert again.digest() == sha256(document.to_bytes())
    assert again.cid().startswith("bafkrei")


def test_rates_are_decimal_strings_and_the_same_numbers_as_on_the_chain() -> None:
    rates = json.loads(license_document(recording=recording(), terms=TERMS).to_bytes())["terms"]
    assert rates["rates"][0] == {
        "training_run": "250000",
        "generation": "0",
        "playback": "18446744073709551615",
        "grant_fee": "9007199254740993",
    }


def test_the_document_is_metadata_that_wallets_read() -> None:
    metadata = json.loads(license_document(recording=recording(), terms=TERMS).to_bytes())
    assert metadata["name"] == "Aubade - The Example Quartet"
    assert {"trait_type": "ISRC", "value": "AA-6Q7-20-00047"} in metadata["attributes"]
    assert {"trait_type": "Training", "value": "allowed"} in metadata["attributes"]
    assert {"trait_type": "Voice", "value": "not allowed"} in metadata["attributes"]
    assert {"trait_type": "Term (days)", "value": 365} in metadata["attributes"]


def test_terms_without_any_tier_say_so_in_plain_words() -> None:
    document = license_document(recording=recording(), terms=NO_USE)
    assert document.description == (
        "What AI may do with “Aubade” by The Example Quartet.\nNo use by AI is allowed."
    )
    assert [entry.allowed for entry in document.consent] == [False] * 6


@pytest.mark.parametrize("field", ["name", "description", "attributes", "consent", "legal_text"])
def test_words_that_contradict_the_terms_are_refused_by_field(field: str) -> None:
    document = license_document(recording=recording(), terms=TERMS)
    other = json.loads(license_document(recording=recording(title="x"), terms=NO_USE).to_bytes())
    with pytest.raises(InputError, match="does not say what") as refused:
        LicenseDocument.from_bytes(tampered(document, **{field: other[field]}))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"wallet": "0x" + "ab" * 20}, "wallet"),
        ({"schema_version": 2}, "schema_version"),
        ({"type": "obbligato.evidence"}, "type"),
        ({"image": "javascript:alert(1)"}, "image"),
        ({"image": "ipfs://QmYjtig7VJQ6XsnUjqqJvj7QaMcCAwtrgNdahSiFofrE7o"}, "image"),
    ],
)
def test_unknown_fields_and_wrong_values_are_refused_by_name(
    change: dict[str, object], field: str
) -> None:
    document = license_document(recording=recording(), terms=TERMS)
    with pytest.raises(InputError) as refused:
        LicenseDocument.from_bytes(tampered(document, **change))
    assert refused.value.field is not None
    assert refused.value.field.startswith(field)


def test_terms_that_break_the_rules_of_terms_are_refused_in_a_document() -> None:
    document = json.loads(license_document(recording=recording(), terms=TERMS).to_bytes())
    document["terms"]["term_days"] = 364
    with pytest.raises(InputError) as refused:
        LicenseDocument.from_bytes(canonical_bytes(document))
    assert "365" in str(refused.value)


def test_one_value_has_one_spelling() -> None:
    document = license_document(recording=recording(), terms=TERMS)
    spelled = json.loads(document.to_bytes())
    assert "image" not in spelled
    changes: list[dict[str, object]] = [
        {"image": None},
        {"schema_version": True},
        {"recording": {**spelled["recording"], "isrc": "AA-6Q7-20-00047"}},
        {"recording": {**spelled["recording"], "content_hash": "0x" + "AA" * 32}},
    ]
    for change in changes:
        with pytest.raises(InputError):
            LicenseDocument.from_bytes(tampered(document, **change))
    with pytest.raises(InputError, match="canonical form"):
        LicenseDocument.from_bytes(json.dumps(spelled).encode())


def test_a_tier_on_stems_or_voice_needs_a_scope_that_covers_them() -> None:
    for tier, part in ((Tier.STEMS, "stems"), (Tier.VOICE, "voice")):
        terms = terms_with_legal_text({tier: CARD}, term_days=365, flags=Flag(0))
        license_document(recording=recording(scope=["recording", part]), terms=terms)
        with pytest.raises(InputError, match=f"lacks '{part}'"):
            license_document(recording=recording(scope=["recording"]), terms=terms)


def test_a_document_that_one_block_cannot_hold_is_refused() -> None:
    many = [{"role": "performer", "name": "x" * 2_000}] * 150
    with pytest.raises(InputError, match="more than the 262144"):
        license_document(recording=recording(contributors=many), terms=TERMS)


# --- the recording ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title",
    [
        "t" * 500,
        "שלום" * 125,
        "👩‍👩‍👧‍👦" * 71,
        "<script>alert('x')</script>",
        '=HYPERLINK("https://example.org","x")',
        "\"'`{}${7*7}%s\\",
        " leading and trailing ",
        "two\r\nlines\tand a tab",
        "\u202eright to left override",
        "é",
        "e\u0301",
    ],
)
def test_titles_are_kept_whole(title: str) -> None:
    document = license_document(recording=recording(title=title, artists=[title]), terms=TERMS)
    again = LicenseDocument.from_bytes(document.to_bytes())
    assert again.recording.title == title
    assert again.recording.artists == (title,)
    assert title in again.description


@given(st.text(min_size=1, max_size=500).filter(lambda text: text.strip() and "\0" not in text))
def test_any_title_comes_back_unchanged(title: str) -> None:
    document = license_document(recording=recording(title=title), terms=NO_USE)
    assert LicenseDocument.from_bytes(document.to_bytes()).recording.title == title


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \n"}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "x" * 2_001}, "title"),
        ({"title": 7}, "title"),
        ({"artists": []}, "artists"),
        ({"artists": ["0x" + "Ab" * 20]}, "artists.0"),
        ({"contributors": [{"role": "singer", "name": "A"}]}, "contributors.0.role"),
        ({"contributors": [{"role": 1, "name": "A"}]}, "contributors.0.role"),
        (
            {"contributors": [{"role": "label", "name": "A", "ipi": "00000000199"}]},
            "contributors.0.ipi",
        ),
        (
            {"contributors": [{"role": "label", "name": "pay 0x" + "ab" * 20}]},
            "contributors.0.name",
        ),
        ({"isrc": "US-UG1-24-0091"}, "isrc"),
        ({"iswc": "T-034.524.680-2"}, "iswc"),
        ({"release_date": "2023-02-29"}, "release_date"),
        ({"content_hash": "0x11"}, "content_hash"),
        ({"scope": []}, "scope"),
        ({"scope": ["stems", "stems"]}, "scope"),
        ({"scope": ["everything"]}, "scope.0"),
        ({"stems": [{"name": "drums"}]}, "stems.0.content_hash"),
    ],
)
def test_a_wrong_fact_about_a_recording_is_refused_by_field(
    change: dict[str, object], field: str | None
) -> None:
    with pytest.raises(InputError) as refused:
        recording(**change)
    assert refused.value.field == field


def test_roles_are_the_words_of_split_sheets() -> None:
    words = "composer lyricist arranger performer session_musician producer publisher label society"
    made = [
        Contributor.read({"role": word.replace("_", " "), "name": "A"}) for word in words.split()
    ]
    assert [contributor.role for contributor in made] == list(Role)
    assert Stem(name="bass", content_hash=bytes(32)).content_hash == bytes(32)


# --- identifiers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "compact"),
    [
        ("AA-6Q7-20-00047", "AA6Q72000047"),
        ("ISRC US-S1Z-99-00001", "USS1Z9900001"),
        ("us s1z 99 00001", "USS1Z9900001"),
        ("USUG12400910", "USUG12400910"),
    ],
)
def test_an_isrc_is_read_as_people_write_it(given_as: str, compact: str) -> None:
    assert compact_isrc(given_as) == compact


@pytest.mark.parametrize(
    "wrong", ["", "AA6Q7200004", "1A6Q72000047", "AA6Q7200004٣", "AA_6Q7_20_00047", None, 12]
)
def test_what_is_no_isrc_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="is not an ISRC"):
        compact_isrc(wrong)


def test_an_isrc_is_shown_with_hyphens() -> None:
    assert isrc_text("AA6Q72000047") == "AA-6Q7-20-00047"


@pytest.mark.parametrize(
    ("given_as", "compact"),
    [("T-034.524.680-1", "T0345246801"), ("ISWC T-000.000.001-0", "T0000000010")],
)
def test_published_iswcs_pass_and_a_mistyped_digit_does_not(given_as: str, compact: str) -> None:
    assert compact_iswc(given_as) == compact
    for place in range(1, 11):
        digit = (int(compact[place]) + 1) % 10
        with pytest.raises(InputError, match="check digit"):
            compact_iswc(f"{compact[:place]}{digit}{compact[place + 1 :]}")


@pytest.mark.parametrize(
    ("given_as", "compact"),
    [
        ("0000 0001 2281 955X", "000000012281955X"),
        ("0000 0001 2150 090X", "000000012150090X"),
        ("ISNI::0000000218250097", "0000000218250097"),
    ],
)
def test_published_isnis_pass_and_a_mistyped_digit_does_not(given_as: str, compact: str) -> None:
    given_as = given_as.replace("::", ":")
    assert compact_isni(given_as) == compact
    mistyped = compact[:14] + str((int(compact[14]) + 1) % 10) + compact[15]
    with pytest.raises(InputError, match="check digit"):
        compact_isni(mistyped)


@pytest.mark.parametrize("date", ["2024-05-04", "2024-02-29", "1999", "1969-08", "1857-01-01"])
def test_a_release_date_may_be_as_exact_as_it_is_known(date: str) -> None:
    assert checked_release_date(date) == date


@pytest.mark.parametrize(
    "wrong",
    ["2023-02-29", "2024-13", "0001-01-01", "24-05-04", "2024-5-4", "2024-05-04T00:00", 2024],
)
def test_what_is_no_release_date_is_refused(wrong: object) -> None:
    with pytest.raises(InputError):
        checked_release_date(wrong)


# --- legal text ---------------------------------------------------------------------------------


def test_the_legal_text_is_the_one_that_was_read_and_approved() -> None:
    assert legal_text(TERMS) == (GOLDEN / "legal-text.txt").read_bytes()
    assert b"This is a template. It is not legal advice." in legal_text(TERMS)


def test_terms_carry_the_digest_of_their_legal_text() -> None:
    assert TERMS.text_digest == sha256(legal_text(TERMS))
    assert check_legal_text(TERMS, legal_text(TERMS)) == legal_text(TERMS)
    with pytest.raises(DigestMismatch, match="legal text"):
        check_legal_text(TERMS, legal_text(TERMS) + b"\n")


def test_terms_that_only_add_tiers_keep_their_legal_text() -> None:
    more = terms_with_legal_text(
        {Tier.TRAINING: CARD, Tier.ANALYSIS: CARD, Tier.STYLE: CARD},
        term_days=365,
        flags=FLAGS,
        influence_cap_bps=1_250,
    )
    assert more.only_adds_tiers_to(TERMS)


def test_every_other_term_has_a_legal_text_of_its_own() -> None:
    def text(term_days: int = 365, flags: int = 0, cap: int = 10_000) -> bytes:
        return legal_text(
            Terms(
                tiers=0,
                term_days=term_days,
                flags=flags,
                influence_cap_bps=cap,
                rates=(),
                text_digest=b"\x01" * 32,
            )
        )

    grants = Flag.GRANT_REQUIRED
    flags = [Flag.ATTRIBUTION_REQUIRED, Flag.COMMERCIAL, Flag.EXPORT_ALLOWED, Flag.POOL, grants]
    flags += [grants | Flag.GRANT_APPROVAL, grants | Flag.MODEL_BOUND]
    flags += [grants | Flag.GRANT_APPROVAL | Flag.MODEL_BOUND]
    texts = [text(), text(term_days=366), text(cap=9_999), *(text(flags=flag) for flag in flags)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (1, "0.000001 dollars"),
        (250_000, "0.25 dollars"),
        (10_000_000, "10.00 dollars"),
        (1_100_000, "1.10 dollars"),
        (2**64 - 2, "18446744073709.551614 dollars"),
    ],
)
def test_amounts_are_said_to_the_last_digit(units: int, said: str) -> None:
    assert dollars(units) == said
