"""A grant serves one platform, model, licence and tier while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.errors import InputError
from obbligato.protocol.constants import Tier
from obbligato.protocol.grants import Grant

MODEL = b"\7" * 32
GRANT = Grant(license_id=1, tier=Tier.VOICE, platform_id=2, model_id=MODEL, start=100, end=200)


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [
        (0, 100, False),
        (0, 101, True),
        (100, 101, True),
        (120, 130, True),
        (50, 300, True),
        (199, 300, True),
        (200, 300, False),
        (150, 150, False),
    ],
)
def test_periods_are_half_open(start: int, end: int, overlaps: bool) -> None:
    assert GRANT.overlaps(start, end) is overlaps


@pytest.mark.parametrize(
    ("change", "covers"),
    [
        ({}, True),
        ({"license_id": 9}, False),
        ({"tier": Tier.STYLE}, False),
        ({"platform_id": 9}, False),
        ({"model_id": bytes(32)}, False),
        ({"start": 200, "end": 300}, False),
    ],
)
def test_a_grant_covers_only_what_it_names(change: dict[str, Any], covers: bool) -> None:
    asked: dict[str, Any] = {
        "license_id": 1,
        "tier": Tier.VOICE,
        "platform_id": 2,
        "model_id": MODEL,
        "start": 150,
        "end": 160,
    }
    assert GRANT.covers(**{**asked, **change}) is covers


@pytest.mark.parametrize(
    ("field", "value"),
    [("end", 100), ("end", 99), ("end", 2**40), ("start", 1.0), ("tier", 7), ("modelId", b"")],
)
def test_a_malformed_grant_is_refused_by_field(field: str, value: object) -> None:
    fields = GRANT.model_dump(mode="json", by_alias=True)
    with pytest.raises(InputError) as refused:
        Grant.read({**fields, field: value})
    assert refused.value.field == field
