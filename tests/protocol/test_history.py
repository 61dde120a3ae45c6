"""Consent is a history: what it answers about the past never changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obbligato.errors import InputError, RefusedError
from obbligato.protocol.constants import MAX_TIME, Tier, tiers_of
from obbligato.protocol.history import LicenseHistory, Version
from obbligato.protocol.terms import PeriodTerms, Terms
from tests.protocol.examples import YEAR, terms_with
from tests.protocol.vectors import data, vectors

CATALOGUE = [
    terms_with(),
    terms_with(Tier.ANALYSIS),
    terms_with(Tier.ANALYSIS, Tier.STYLE),
    terms_with(*Tier),
    terms_with(Tier.ANALYSIS, generation=1),
    terms_with(Tier.VOICE, termDays=1_096),
]
T0 = 1_900_000_000


def document(number: int) -> bytes:
    return number.to_bytes(32, "big")


def minted(terms_id: int = 2, now: int = T0) -> LicenseHistory:
    return LicenseHistory.mint(
        terms_id=terms_id, terms=CATALOGUE[terms_id - 1], document=document(0), now=now
    )


def amended(history: LicenseHistory, terms_id: int, now: int, number: int = 1) -> LicenseHistory:
    return history.amend(
        terms_id=terms_id, terms=CATALOGUE[terms_id - 1], document=document(number), now=now
    )


def replay(history: LicenseHistory | None, act: dict[str, Any], terms: dict[int, Terms]) -> Any:
    now = act["at"]
    if act["act"] in ("mint", "amend"):
        offer = {
            "terms_id": act["termsId"],
            "terms": terms[act["termsId"]],
            "document": data(act["document"]),
            "now": now,
        }
        return LicenseHistory.mint(**offer) if history is None else history.amend(**offer)
    return getattr(history, act["act"])(now=now)


@pytest.mark.parametrize("vector", vectors("timelines"))
def test_timelines_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    asked, expected = vector["input"], vector["expected"]
    terms = {}
    for one in asked["terms"]:
        fields = {name: one[name] for name in one if name not in ("termsId", "digest")}
        terms[one["termsId"]] = Terms.read(fields)
        assert terms[one["termsId"]].digest() == data(one["digest"])

    history = None
    done = []
    for act in asked["acts"]:
        try:
            history = replay(history, act, terms)
            done.append(True)
        except RefusedError:
            done.append(False)
    assert history is not None
    assert done == expected["done"]
    assert history.ends_at == expected["endsAt"]

    for moment, answer in zip(asked["moments"], expected["answers"], strict=True):
        assert history.terms_at(moment) == answer["termsId"], moment
        consented = [tier for tier in Tier if history.consent_at(tier, moment)]
        assert consented == answer["tiers"], moment
    for (start, end), firsts in zip(asked["periods"], expected["firstMoments"], strict=True):
        assert [history.first_moment(tier, start, end) for tier in Tier] == firsts, (start, end)
    for (start, end), pairs in zip(asked["periods"], expected["periodTerms"], strict=True):
        wanted = [pair and PeriodTerms(*(terms[each] for each in pair)) for pair in pairs]
        assert [history.period_terms(tier, start, end) for tier in Tier] == wanted, (start, end)


def test_an_unchanged_offer_changes_the_document_at_once() -> None:
    history = amended(minted(), 2, T0 + 10)
    assert history.document_at(T0 - 1) is None
    assert history.document_at(T0 + 9) == document(0)
    assert history.document_at(T0 + 10) == document(1)


def test_a_pending_amendment_brings_its_document_when_it_takes_effect() -> None:
    history = amended(minted(), 1, T0 + 10)
    pending = history.pending_at(T0 + 10)
    assert pending is not None
    assert pending.start == pending.anchor == T0 + YEAR
    assert history.document_at(T0 + YEAR - 1) == document(0)
    assert history.document_at(T0 + YEAR) == document(1)
    assert history.pending_at(T0 + YEAR) is None


def test_an_amendment_that_never_takes_effect_never_brings_its_document() -> None:
    voided = amended(minted(), 1, T0 + 10).void(now=T0 + 20)
    revoked = amended(minted(), 1, T0 + 10).revoke(now=T0 + 20)
    for history in (voided, revoked):
        assert history.document_at(T0 + 2 * YEAR) == document(0)
    assert minted().void(now=T0).document_at(T0 + 1) == document(0)


def test_the_document_alone_does_not_move_the_term() -> None:
    history = amended(minted(), 2, T0 + 10)
    assert history.term_end(T0 + 20) == T0 + YEAR


def test_equal_terms_cannot_carry_two_ids() -> None:
    with pytest.raises(InputError, match="id 2"):
        minted().amend(terms_id=9, terms=CATALOGUE[1], document=document(1), now=T0 + 1)


@pytest.mark.parametrize("moment", [1.5, True, "1", -1, 2**64])
def test_a_moment_is_a_whole_second(moment: Any) -> None:
    with pytest.raises(InputError):
        minted().terms_at(moment)
    with pytest.raises(InputError):
        minted().first_moment(Tier.STYLE, moment, T0)


@pytest.mark.parametrize("tier", [0, 7, 1.0, True, "voice"])
def test_consent_for_what_is_no_tier_is_refused(tier: Any) -> None:
    with pytest.raises(InputError, match="no tier"):
        minted().consent_at(tier, T0)
    with pytest.raises(InputError, match="no tier"):
        minted().first_moment(tier, T0, T0 + 1)


@pytest.mark.parametrize("kind", ["amend", "revoke", "reinstate", "void"])
@pytest.mark.parametrize("now", [T0 + 9, 1.5, True, "1", 2**40])
def test_acts_come_in_order_of_time_and_in_whole_seconds(kind: str, now: Any) -> None:
    history = minted().revoke(now=T0 + 10)
    with pytest.raises(InputError) as refused:
        done(history, kind, 3, now)
    assert refused.value.field == "now"


def test_nothing_can_be_done_before_the_mint() -> None:
    with pytest.raises(RefusedError, match="not exist"):
        LicenseHistory(versions=minted().versions).void(now=T0 - 1)
    with pytest.raises(RefusedError, match="not in force"):
        minted().term_end(T0 - 1)


def test_a_void_never_moves_an_earlier_end() -> None:
    ended = minted().revoke(now=T0 + 10)
    with pytest.raises(RefusedError, match="ended at"):
        ended.void(now=T0 + 2 * YEAR)
    assert ended.void(now=T0 + 20).ends_at == T0 + 20


def test_a_term_beyond_the_last_moment_is_refused() -> None:
    late = minted(now=MAX_TIME - 1)
    assert late.consent_at(Tier.ANALYSIS, MAX_TIME)
    with pytest.raises(RefusedError, match="uint40"):
        late.revoke(now=MAX_TIME)
    with pytest.raises(InputError):
        minted(now=MAX_TIME + 1)


def test_a_history_read_off_a_chain_must_make_sense() -> None:
    early, late = minted().versions[0], minted(now=T0 + 1).versions[0]
    assert LicenseHistory(versions=(early, late)).terms_at(T0 + 1) == 2
    with pytest.raises(InputError, match="before the version before") as refused:
        LicenseHistory(versions=(late, early))
    assert refused.value.row == 1
    with pytest.raises(InputError, match="at least"):
        LicenseHistory(versions=())
    with pytest.raises(InputError) as refused:
        LicenseHistory(versions=(early,), ends_at=T0 - 1)
    assert refused.value.field == "endsAt"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"terms_id": 0}, "termsId"),
        ({"start": 1.0}, "start"),
        ({"anchor": T0 + 1}, "anchor"),
        ({"document": b"short"}, "document"),
    ],
)
def test_a_malformed_version_is_refused(change: dict[str, Any], field: str) -> None:
    fields: dict[str, Any] = {
        "terms_id": 1,
        "terms": CATALOGUE[0],
        "start": T0,
        "anchor": T0,
        "document": document(0),
    }
    with pytest.raises(InputError) as refused:
        Version(**{**fields, **change})
    assert refused.value.field == field


acts = st.lists(
    st.tuples(
        st.sampled_from(["amend", "amend", "amend", "revoke", "reinstate", "void"]),
        st.integers(min_value=1, max_value=len(CATALOGUE)),
        st.sampled_from([0, 1, 100, YEAR - 1, YEAR, YEAR + 1, 3 * YEAR]),
    ),
    max_size=12,
)


def done(history: LicenseHistory, kind: str, terms_id: int, now: int) -> LicenseHistory:
    try:
        if kind == "amend":
            return amended(history, terms_id, now)
        changed: LicenseHistory = getattr(history, kind)(now=now)
        return changed
    except RefusedError:
        return history


def edges_of(history: LicenseHistory) -> set[int]:
    marks = {version.start for version in history.versions} | {history.ends_at or T0}
    return {mark + step for mark in marks for step in (-1, 0, 1)}


def lived(steps: list[tuple[str, int, int]]) -> tuple[LicenseHistory, int]:
    """A licence after these acts, and the time of the last."""
    history, now = minted(), T0
    for kind, terms_id, wait in steps:
        now += wait
        history = done(history, kind, terms_id, now)
    return history, now


@given(acts, st.integers(min_value=1, max_value=len(CATALOGUE)))
def test_a_past_answer_never_changes(steps: list[tuple[str, int, int]], first: int) -> None:
    history, now = minted(first), T0
    for kind, terms_id, wait in steps:
        before, now = history, now + wait
        history = done(before, kind, terms_id, now)
        for moment in edges_of(before) | edges_of(history):
            if moment < now:
                assert history.terms_at(moment) == before.terms_at(moment)
                assert history.document_at(moment) == before.document_at(moment)
                for tier in Tier:
                    assert history.consent_at(tier, moment) == before.consent_at(tier, moment)


@given(acts, st.data())
def test_the_first_moment_is_the_first_of_all_moments_with_consent(
    steps: list[tuple[str, int, int]], drawn: Any
) -> None:
    history, now = lived(steps)
    edges = sorted(edges_of(history) | {now})
    start, end = drawn.draw(st.sampled_from(edges)), drawn.draw(st.sampled_from(edges))
    for tier in Tier:
        with_consent = [
            moment
            for moment in {start, *edges}
            if start <= moment < end and history.consent_at(tier, moment)
        ]
        assert history.first_moment(tier, start, end) == min(with_consent, default=None)


@given(acts, st.data())
def test_a_period_answers_to_its_first_and_last_second_with_consent(
    steps: list[tuple[str, int, int]], drawn: Any
) -> None:
    history, now = lived(steps)
    edges = sorted(edges_of(history) | {now})
    edge = drawn.draw(st.sampled_from(edges))
    start, end = edge - drawn.draw(st.integers(0, 5)), edge + drawn.draw(st.integers(0, 5))
    for tier in Tier:
        seconds = [each for each in range(start, end) if history.consent_at(tier, each)]
        if not seconds:
            assert history.period_terms(tier, start, end) is None
            continue
        assert history.last_moment(tier, start, end) == seconds[-1]
        first, last = (CATALOGUE[history.terms_at(seconds[at]) - 1] for at in (0, -1))
        assert history.period_terms(tier, start, end) == PeriodTerms(first, last)


@given(acts)
def test_consent_follows_the_terms_in_force(steps: list[tuple[str, int, int]]) -> None:
    history, _ = lived(steps)
    for moment in edges_of(history):
        terms_id = history.terms_at(moment)
        tiers = tiers_of(CATALOGUE[terms_id - 1].tiers) if terms_id else ()
        assert tuple(tier for tier in Tier if history.consent_at(tier, moment)) == tiers


@given(st.integers(min_value=0, max_value=20 * YEAR))
def test_a_term_ends_after_the_moment_it_contains_and_within_its_length(after: int) -> None:
    end = minted().term_end(T0 + after)
    assert 0 < end - (T0 + after) <= YEAR
    assert (end - T0) % YEAR == 0
