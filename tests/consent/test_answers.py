"""What the book says is allowed, against what the contracts answer and accept."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from obbligato.chain.events import read_events
from obbligato.consent import LicenseBook
from obbligato.documents.evidence import Period
from obbligato.metering.workbench import Consents
from obbligato.protocol.constants import Metric, Pricing, Tier
from tests.consent.conftest import CLAIMED_TWICE, RENEWED, Past
from tests.onchain import DAY
from tests.scenario import MODEL, OTHER_MODEL

_REASONS = {
    "NoConsent": "no consent",
    "NotOffered": "not offered",
    "NotInPool": "no pool",
    "NotGranted": "no grant",
    None: None,
}
"""By the errors of the contracts."""


@pytest.fixture(scope="module")
def book(past: Past) -> LicenseBook:
    book = LicenseBook(past.scenario.protocol.chain, past.scenario.protocol.store)
    book.follow()
    return book


@pytest.fixture(scope="module")
def turns(past: Past) -> list[int]:
    """Every time at which something happened to a licence or will have, and the seconds beside it."""
    events = read_events(past.scenario.protocol.chain, contracts=("LicenseRegistry", "Grants"))
    times = {past.began, past.ended}
    for event in events:
        later = {event.arguments.get(name) for name in ("from", "endsAt", "start", "end")}
        times |= {event.timestamp, *(each for each in later if isinstance(each, int))}
    near = {moment + step for moment in times for step in (-1, 0, 1)}
    return sorted(moment for moment in near if 0 < moment < past.ended)


def consents(
    book: LicenseBook,
    past: Past,
    period: tuple[int, int],
    pricing: Pricing = Pricing.METERED,
    model: bytes = MODEL,
) -> Consents:
    start, end = period
    return book.consents(
        period=Period(start=start, end=end),
        platform_id=past.platform_id,
        model_id=model,
        pricing=pricing,
    )


def reason_of(found: Consents, use: tuple[int, Tier, Metric]) -> str | None:
    """Why a use makes no row by the book; None if it makes one."""
    license_id, tier, _ = use
    if all((each.license_id, each.tier) != (license_id, tier) for each in found.intervals):
        return "no consent"
    return found.withheld.get(use)


def test_consent_is_what_the_registry_answers_at_every_turn(
    book: LicenseBook, past: Past, turns: list[int]
) -> None:
    found = consents(book, past, (turns[0], past.ended))
    draw = random.Random("moments")
    for license_id in range(1, book.license_count + 1):
        for tier in Tier:
            mine = [i for i in found.intervals if (i.license_id, i.tier) == (license_id, tier)]
            granted = past.granted_in(license_id, tier, (turns[0], past.ended))
            for moment in draw.sample(turns, 25):
                allowed = any(each.start <= moment < each.end for each in mine)
                answer = past.consent_at(license_id, tier, moment)
                if answer and granted:
                    # A grant serves while it runs, where the terms of the moment ask for one.
                    second = (moment, moment + 1)
                    use = (license_id, tier, Metric.PLAYBACK)
                    answer = past.refusal(use, second, Pricing.METERED, MODEL) != "NotGranted"
                assert allowed == answer, (license_id, tier, moment)


def test_intervals_are_disjoint_merged_ascending_and_within_the_period(
    book: LicenseBook, past: Past
) -> None:
    period = (past.began + 15 * DAY, past.ended - 3)
    intervals = consents(book, past, period).intervals
    assert all(period[0] <= each.start < each.end <= period[1] for each in intervals)
    for before, after in pairwise(intervals):
        if (before.license_id, before.tier) == (after.license_id, after.tier):
            assert before.end < after.start
        else:
            assert (before.license_id, before.tier) < (after.license_id, after.tier)


@pytest.mark.parametrize("pricing", Pricing)
@pytest.mark.parametrize("model", [MODEL, OTHER_MODEL])
def test_a_use_makes_a_row_exactly_where_the_contracts_accept_it(
    book: LicenseBook, past: Past, turns: list[int], pricing: Pricing, model: bytes
) -> None:
    draw = random.Random(f"{pricing} {model.hex()}")
    seen: set[str | None] = set()
    for _ in range(25):
        start, end = sorted(draw.sample(turns, 2))
        found = consents(book, past, (start, end), pricing, model)
        for license_id in draw.sample(range(1, book.license_count + 1), 4):
            for tier in (Tier.ANALYSIS, Tier.TRAINING, Tier.GENERATIVE, Tier.STYLE):
                use = (license_id, tier, draw.choice(list(Metric)))
                refused = past.refusal(use, (start, end), pricing, model)
                reason = reason_of(found, use)
                seen.add(reason)
                if refused in ("NotOffered", "NotInPool") and reason == "no grant":
                    continue  # both hold: the contracts look for the grant last
                assert reason == _REASONS[refused], (use, start, end)
    expected = {None, "no consent", "no grant"}
    assert seen >= expected | ({"no pool"} if pricing is Pricing.POOL else {"not offered"})


def test_a_grant_serves_its_model_and_one_for_any_model_serves_all(
    book: LicenseBook, past: Past
) -> None:
    period = (past.began, past.ended)
    for model, trained in ((MODEL, None), (OTHER_MODEL, "no grant")):
        found = consents(book, past, period, Pricing.POOL, model)
        assert reason_of(found, (past.granted, Tier.TRAINING, Metric.PLAYBACK)) == trained
        assert reason_of(found, (past.granted, Tier.STYLE, Metric.PLAYBACK)) is None


def test_a_recording_that_two_licences_claim_names_both_while_both_are_in_force(
    book: LicenseBook, past: Past
) -> None:
    both = (past.rival, past.rival + 1)
    day = past.began + 15 * DAY
    assert book.licenses_of(CLAIMED_TWICE, day, day + 1) == both
    later = past.began + 40 * DAY  # the rival was voided on day 30
    assert book.licenses_of(CLAIMED_TWICE, later, past.ended) == both[1:]
    assert book.licenses_of(CLAIMED_TWICE, day, past.ended) == both


def test_a_licence_that_ended_gives_way_to_the_one_that_was_minted_again(
    book: LicenseBook, past: Past
) -> None:
    month = 30 * DAY
    assert book.licenses_of(RENEWED, past.began, past.began + month) == (past.amended,)
    assert book.licenses_of(RENEWED, past.ended - month, past.ended) == (past.renewed,)
    assert book.licenses_of(RENEWED, past.began, past.ended) == (past.amended, past.renewed)
    assert book.licenses_of("QZABC2699999", past.began, past.ended) == ()


def test_the_answer_for_a_period_that_is_over_never_changes(past: Past, turns: list[int]) -> None:
    chain, store = past.scenario.protocol.chain, past.scenario.protocol.store
    book = LicenseBook(chain, store)
    first = chain.web3.eth.block_number - 40
    periods = [tuple(sorted(random.Random(n).sample(turns, 2))) for n in range(40)]
    answers: dict[tuple[int, int], Consents] = {}
    checked = 0
    for block in range(first, first + 41):
        book.follow(until=block)
        for start, end in periods:
            if end > book.time:
                continue
            found = consents(book, past, (start, end))
            checked += (start, end) in answers
            assert answers.setdefault((start, end), found) == found
    assert len(answers) == len(set(periods))
    assert checked > len(periods)
