"""The fingerprint in a licence document: bounded, in one spelling, and left out where there is none."""

from __future__ import annotations

import json

import pytest

from obbligato.documents.license import LicenseDocument, Recording, license_document
from obbligato.errors import InputError
from tests.scenario import OPEN


def recording(**changes: object) -> Recording:
    facts = {"title": "One", "artists": ["Ann"], "content_hash": "0x" + "11" * 32}
    return Recording.read({**facts, **changes})


def heard(**changes: object) -> dict[str, object]:
    return {
        "algorithm": "chromaprint",
        "version": 1,
        "duration_seconds": 3,
        "data": "AAAAAQ",
        **changes,
    }


def test_a_document_without_a_fingerprint_does_not_mention_it() -> None:
    document = license_document(recording=recording(), terms=OPEN)
    assert b"fingerprint" not in document.to_bytes()


def test_a_document_with_a_fingerprint_comes_back_from_its_bytes() -> None:
    document = license_document(recording=recording(fingerprint=heard()), terms=OPEN)
    assert json.loads(document.to_bytes())["recording"]["fingerprint"] == heard()
    again = LicenseDocument.from_bytes(document.to_bytes())
    assert again == document
    assert again.recording.fingerprint is not None
    assert again.recording.fingerprint.packed() == b"\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"algorithm": "other"}, "algorithm"),
        ({"version": 2}, "version"),
        ({"duration_seconds": 0}, "duration_seconds"),
        ({"duration_seconds": 86_401}, "duration_seconds"),
        ({"data": ""}, "data"),
        ({"data": "AAAA"}, "data"),  # three bytes
        ({"data": "AAAAAAA"}, "data"),  # five
        ({"data": "AAAAAQ=="}, "data"),
        ({"data": "AAAAAR"}, "data"),  # a bit that belongs to no byte
        ({"data": "AAAAA"}, "data"),
        ({"data": "+/AAAA"}, "data"),
        ({"data": "AAAAAQ\n"}, "data"),
        ({"data": "A" * 5_340}, "data"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_fingerprint_that_is_none_is_refused_by_field(
    change: dict[str, object], field: str
) -> None:
    with pytest.raises(InputError) as refused:
        recording(fingerprint=heard(**change))
    assert refused.value.field is not None
    assert refused.value.field.startswith(("fingerprint." + field)[: len("fingerprint.") + 4])


def test_a_thousand_values_fit() -> None:
    made = recording(fingerprint=heard(data="A" * 5_332 + "AA"))
    assert made.fingerprint is not None
    assert len(made.fingerprint.packed()) == 4_000
