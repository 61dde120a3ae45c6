"""Moments as people write them."""

from __future__ import annotations

import pytest

from obbligato.errors import InputError
from obbligato.times import moment_text, parse_moment

# `date -u -d 2026-01-01 +%s`
NEW_YEAR_2026 = 1_767_225_600


@pytest.mark.parametrize(
    "text",
    [
        "1767225600",
        " 1767225600 ",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01 01:00:00+01:00",
        "2025-12-31T19:00:00-05:00",
        "2026-01-01T00:00:00.999999Z",
    ],
)
def test_one_moment_has_many_spellings(text: str) -> None:
    assert parse_moment(text) == NEW_YEAR_2026


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.5", "2026-13-01", "2026-01-01T00:00:00", "1969-12-31", "99999-01-01", "٣"],
)
def test_what_is_no_moment_of_the_chain_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="time: "):
        parse_moment(text)


def test_moments_are_shown_in_utc() -> None:
    assert moment_text(NEW_YEAR_2026) == "2026-01-01T00:00:00Z"
    assert moment_text(0) == "1970-01-01T00:00:00Z"
    assert moment_text(2**62) == str(2**62)  # beyond every calendar
