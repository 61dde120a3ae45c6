"""A grant serves one platform, model, licence and tier while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import Flag, Tier
from obbligato.protocol.grants import Grant, span_for_sale
from obbligato.protocol.history import LicenseHistory
from obbligato.protocol.terms import RateCard, terms_of_cards

MODEL = b"\7" * 32
DAY = 86_400
T0 = 2_000_000_000
END = T0 + 365 * DAY
NEXT = END + 365 * DAY
CARD = RateCard(training_run=0, generation=5, playback=0, grant_fee=3)
TERMS = terms_of_cards(
    {Tier.VOICE: CARD}, term_days=365, flags=Flag.GRANT_REQUIRED, text_digest=b"\1" * 32
)
NO_USE = terms_of_cards({}, term_days=365, flags=Flag(0), text_digest=b"\1" * 32)
LICENSE = LicenseHistory.mint(terms_id=1, terms=TERMS, document=b"\2" * 32, now=T0)
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


@pytest.mark.parametrize(
    ("named", "asked", "bound", "serves"),
    [
        (MODEL, MODEL, False, True),
        (MODEL, MODEL, True, True),
        (MODEL, bytes(32), False, False),
        (bytes(32), MODEL, False, True),
        (bytes(32), MODEL, True, False),
        (bytes(32), bytes(32), True, False),
    ],
)
def test_a_grant_for_any_model_serves_none_where_the_terms_bind_to_one(
    named: bytes, asked: bytes, bound: bool, serves: bool
) -> None:
    grant = GRANT.model_copy(update={"model_id": named})
    assert grant.serves_model(asked, bound=bound) is serves


@pytest.mark.parametrize(
    ("held_until", "now", "span"),
    [
        (0, T0 + 5, (T0 + 5, END)),
        (0, END - 1, (END - 1, END)),
        (0, END, (END, NEXT)),
        (END, END, (END, NEXT)),
        (END, END - 30 * DAY + 1, (END, NEXT)),
        (END, END - 1, (END, NEXT)),
        (NEXT, NEXT - 1, (NEXT, NEXT + 365 * DAY)),
        (END, NEXT + 7, (NEXT + 7, NEXT + 365 * DAY)),
    ],
)
def test_a_sale_is_for_the_rest_of_the_term_or_for_the_next(
    held_until: int, now: int, span: tuple[int, int]
) -> None:
    assert span_for_sale(LICENSE, held_until=held_until, now=now) == span


def test_a_renewal_too_early_or_too_far_ahead_is_refused() -> None:
    with pytest.raises(RefusedError, match=f"from {END - 30 * DAY + 1} on"):
        span_for_sale(LICENSE, held_until=END, now=END - 30 * DAY)
    with pytest.raises(RefusedError, match="nothing to grant"):
        span_for_sale(LICENSE, held_until=NEXT, now=END - 1)


def test_a_next_term_that_ends_or_has_other_terms_is_not_for_sale() -> None:
    revoked = LICENSE.revoke(now=T0 + DAY)
    assert span_for_sale(revoked, held_until=0, now=END - 1) == (END - 1, END)
    with pytest.raises(RefusedError, match="nothing to grant"):
        span_for_sale(revoked, held_until=END, now=END - 1)
    amended = LICENSE.amend(terms_id=2, terms=NO_USE, document=b"\3" * 32, now=T0 + DAY)
    with pytest.raises(RefusedError, match=f"from {END} on"):
        span_for_sale(amended, held_until=END, now=END - 1)
    # In the last thirty days other terms wait for the end of the next term: that one is for sale.
    late = LICENSE.amend(terms_id=2, terms=NO_USE, document=b"\3" * 32, now=END - DAY)
    assert span_for_sale(late, held_until=END, now=END - 1) == (END, NEXT)


def test_a_revocation_waits_for_the_term_that_was_sold_ahead() -> None:
    assert LICENSE.revoke(now=END - 1).ends_at == END
    assert LICENSE.revoke(now=END - 1, sold_until=NEXT).ends_at == NEXT
    assert LICENSE.revoke(now=NEXT, sold_until=NEXT).ends_at == NEXT + 365 * DAY
