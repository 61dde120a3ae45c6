"""A chain that says something else than its rules: each forged event is found, by report and row where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from obbligato.audit.compare import Difference, DifferenceKind
from obbligato.audit.replay import Replay
from obbligato.chain.events import Event
from tests.onchain import LABEL
from tests.scenario import Scenario

Chosen = Callable[[Event], bool]


def forged(
    scenario: Scenario, events: list[Event], name: str, nth: int = 0, /, **changes: Any
) -> list[Difference]:
    """What is found once the `nth` event of this name says otherwise. A change may be a function of what was there."""
    chosen = [event for event in events if event.name == name][nth]

    def retold() -> Iterator[Event]:
        for event in events:
            if event is not chosen:
                yield event
                continue
            arguments = dict(event.arguments)
            for argument, change in changes.items():
                arguments[argument] = change(arguments[argument]) if callable(change) else change
            yield replace(event, arguments=arguments)

    return found(scenario, retold())


def found(scenario: Scenario, events: Iterator[Event] | list[Event]) -> list[Difference]:
    return Replay(scenario.protocol.chain.deployment).apply_all(events).differences


def one_more(amount: int) -> int:
    return amount + 1


def credit_raised(row: int) -> Callable[[bytes], bytes]:
    """Packed credits (4 bytes of split, 8 of amount) with one unit more for a row."""

    def change(packed: bytes) -> bytes:
        at = row * 12 + 4
        amount = int.from_bytes(packed[at : at + 8], "big") + 1
        return packed[:at] + amount.to_bytes(8, "big") + packed[at + 8 :]

    return change


def of(differences: list[Difference], what: str) -> Difference:
    """The one difference of this kind."""
    (one,) = [difference for difference in differences if difference.what == what]
    assert one.kind is DifferenceKind.WRONG
    return one


def test_true_events_differ_in_nothing(scenario: Scenario, events: list[Event]) -> None:
    assert found(scenario, events) == []


@pytest.mark.parametrize(("row", "amount"), [(0, 24_000_000), (1, 1_200_000), (2, 493_800)])
def test_a_credit_changed_by_one_unit_is_found_in_its_row(
    scenario: Scenario, events: list[Event], row: int, amount: int
) -> None:
    split = {0: 1, 1: 2, 2: 2}[row]
    difference = of(
        forged(scenario, events, "ReportSubmitted", credits=credit_raised(row)), "credit"
    )
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), row)
    assert difference.expected == f"{amount} to split {split}"
    assert difference.found == f"{amount + 1} to split {split}"


def test_a_pool_shared_otherwise_is_found_in_its_row(
    scenario: Scenario, events: list[Event]
) -> None:
    difference = of(
        forged(scenario, events, "ReportSubmitted", 1, credits=credit_raised(1)), "credit"
    )
    assert (difference.report, difference.row) == (scenario.reports[1].report_id.hex(), 1)
    assert (difference.expected, difference.found) == ("700003 to split 2", "700004 to split 2")


def test_a_settled_amount_is_not_believed(scenario: Scenario, events: list[Event]) -> None:
    difference = of(forged(scenario, events, "ReportSettled", credited=one_more), "settled amount")
    assert difference.report == scenario.reports[0].report_id.hex()
    # Report 1 without its second row, which was held.
    assert (difference.expected, difference.found) == ("25693800", "25693801")


def test_a_report_settled_twice_is_found(scenario: Scenario, events: list[Event]) -> None:
    settled = next(event for event in events if event.name == "ReportSettled")
    at = events.index(settled) + 1
    differences = found(scenario, [*events[:at], settled, *events[at:]])
    difference = of(differences, "state before settling")
    assert difference.report == scenario.reports[0].report_id.hex()
    assert (difference.expected, difference.found) == ("pending", "settled")
    # And the vault never credited it again.
    assert of(differences, "credits without a reason").found == str(-25_693_800)


def test_a_report_settled_in_its_window_is_found(scenario: Scenario, events: list[Event]) -> None:
    settled = next(event for event in events if event.name == "ReportSettled")
    early = replace(settled, timestamp=settled.timestamp - 2 * 86_400)
    difference = of(
        found(scenario, [early if event is settled else event for event in events]),
        "time of settling",
    )
    assert difference.report == scenario.reports[0].report_id.hex()


def test_a_report_accepted_without_consent_is_found_at_its_first_such_row(
    scenario: Scenario, events: list[Event]
) -> None:
    nothing = [
        e["termsId"] for e in events if e.name == "TermsInterned" and not e["terms"]["tiers"]
    ]
    differences = forged(scenario, events, "LicenseMinted", 1, termsId=nothing[0])
    (difference, *_) = [d for d in differences if d.what == "the report"]
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), 1)
    assert "licence 2 has no consent for GENERATIVE" in difference.expected
    assert difference.found == "accepted"


def test_a_report_accepted_without_its_grant_is_found_at_that_row(
    scenario: Scenario, events: list[Event]
) -> None:
    differences = forged(scenario, events, "Granted", platformId=scenario.poor)
    difference = of(differences, "the report")
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), 3)
    assert "asks for a grant" in difference.expected


def test_a_grant_that_runs_past_its_term_is_found(scenario: Scenario, events: list[Event]) -> None:
    (granted,) = [event for event in events if event.name == "Granted"]
    start, end = granted["start"], granted["end"]
    difference = of(forged(scenario, events, "Granted", end=one_more), "time of the grant")
    assert (difference.expected, difference.found) == (f"{start} to {end}", f"{start} to {end + 1}")


def test_a_grant_that_is_sold_again_before_its_last_thirty_days_is_found(
    scenario: Scenario, events: list[Event]
) -> None:
    (granted,) = [event for event in events if event.name == "Granted"]
    twice = [each for event in events for each in ([event] * 2 if event is granted else [event])]
    difference = of(found(scenario, twice), "time of the grant")
    opens_at = granted["end"] - 30 * 86_400 + 1
    assert difference.expected == f"refused (a grant that runs is renewed from {opens_at} on)"


def test_a_report_that_skips_a_number_or_a_period_is_found(
    scenario: Scenario, events: list[Event]
) -> None:
    zero = scenario.reports[4]

    def later(header: dict[str, Any]) -> dict[str, Any]:
        return {**header, "sequence": 3, "periodStart": header["periodStart"] + 1}

    differences = forged(scenario, events, "ReportSubmitted", 4, report=later)
    assert of(differences, "sequence").report == zero.report_id.hex()
    assert of(differences, "period").report == zero.report_id.hex()
    # The header no longer hashes to its id either.
    assert of(differences, "reportId").found == zero.report_id.hex()


def test_rows_that_do_not_hash_to_the_header_are_found(
    scenario: Scenario, events: list[Event]
) -> None:
    def one_unit_more(packed: bytes) -> bytes:
        return packed[:13] + bytes([packed[13] ^ 1]) + packed[14:]

    differences = forged(scenario, events, "ReportSubmitted", rows=one_unit_more)
    assert of(differences, "rowsDigest").report == scenario.reports[0].report_id.hex()


@pytest.mark.parametrize(
    ("argument", "what", "expected", "claimed"),
    [
        ("amount", "ruled amount", "720000", "720001"),
        ("paid", "paid by the ruling", "720000", "720001"),
    ],
)
def test_a_ruling_is_worked_out_again_for_its_row(
    scenario: Scenario, events: list[Event], argument: str, what: str, expected: str, claimed: str
) -> None:
    difference = of(forged(scenario, events, "Ruled", **{argument: one_more}), what)
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), 1)
    assert (difference.expected, difference.found) == (expected, claimed)


def test_the_winner_of_a_challenge_is_who_was_nearer(
    scenario: Scenario, events: list[Event]
) -> None:
    difference = of(forged(scenario, events, "Ruled", 1, challengerWon=False), "challenger won")
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), 0)


def test_a_lapse_pays_what_was_held(scenario: Scenario, events: list[Event]) -> None:
    difference = of(forged(scenario, events, "Lapsed", paid=one_more), "paid by the lapse")
    assert (difference.report, difference.row) == (scenario.reports[1].report_id.hex(), 0)
    assert difference.expected == "300000"


def test_arrears_are_what_the_ruling_left_unpaid(scenario: Scenario, events: list[Event]) -> None:
    def more_for_the_row(paid: int) -> int:
        return paid + 1 if paid else 0

    difference = of(forged(scenario, events, "ArrearsPaid", paid=more_for_the_row), "arrears")
    assert (difference.report, difference.row) == (scenario.reports[2].report_id.hex(), 0)
    # The row was owed 197 600 000: of 200 000 001 that were paid, the rest is penalty.
    assert difference.expected == "(197600000, 2400001)"
    assert difference.found == "(197600001, 2400000)"


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("reported", "reported quantity"),
        ("amount", "amount of the row"),
        ("splitId", "split of the row"),
    ],
)
def test_a_challenge_is_of_the_row_as_it_stood(
    scenario: Scenario, events: list[Event], argument: str, what: str
) -> None:
    difference = of(forged(scenario, events, "Challenged", 2, **{argument: one_more}), what)
    assert (difference.report, difference.row) == (scenario.reports[0].report_id.hex(), 2)


def test_a_held_amount_is_the_row_s_credit(scenario: Scenario, events: list[Event]) -> None:
    difference = of(forged(scenario, events, "RowHeld", 1, amount=one_more), "held amount")
    assert (difference.report, difference.row) == (scenario.reports[1].report_id.hex(), 0)


def test_a_claim_of_another_amount_is_found_by_its_payee(
    scenario: Scenario, events: list[Event]
) -> None:
    nth = [e["payee"] for e in events if e.name == "Claimed"].index(LABEL.address)
    difference = of(forged(scenario, events, "Claimed", nth, amount=one_more), "claim")
    assert (difference.expected, difference.found) == ("51944794", "51944795")
    assert difference.where is not None
    assert LABEL.address in difference.where


def test_terms_that_do_not_hash_to_their_digest_are_found(
    scenario: Scenario, events: list[Event]
) -> None:
    difference = of(
        forged(scenario, events, "TermsInterned", digest=bytes(32)), "digest of the terms"
    )
    assert difference.found == "00" * 32
    assert difference.where is not None
    assert "TermsInterned" in difference.where


def test_a_split_that_does_not_hash_to_its_digest_is_found(
    scenario: Scenario, events: list[Event]
) -> None:
    def swapped(payees: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first, second = payees
        return [{**first, "share": second["share"]}, {**second, "share": first["share"]}]

    difference = of(
        forged(scenario, events, "SplitInterned", 1, payees=swapped), "digest of the split"
    )
    assert difference.where is not None


def test_a_credit_that_nothing_explains_is_found(scenario: Scenario, events: list[Event]) -> None:
    differences = forged(scenario, events, "Credited", amount=one_more)
    assert of(differences, "credits without a reason").found == "1"


def test_an_end_that_is_not_the_term_s_is_found(scenario: Scenario, events: list[Event]) -> None:
    differences = forged(scenario, events, "LicenseRevoked", endsAt=one_more)
    assert of(differences, "end of the licence").where is not None


def test_an_event_that_the_rules_forbid_is_a_difference_and_the_replay_goes_on(
    scenario: Scenario, events: list[Event]
) -> None:
    differences = forged(scenario, events, "LicenseReinstated", licenseId=99)
    difference = of(differences, "the event")
    assert difference.found.startswith("LicenseRegistry.LicenseReinstated in block")


@pytest.mark.parametrize(
    "name", ["ReportSubmitted", "Challenged", "LicenseMinted", "SplitInterned"]
)
def test_an_event_left_out_never_ends_in_an_exception(
    scenario: Scenario, events: list[Event], name: str
) -> None:
    first = next(event for event in events if event.name == name)
    assert found(scenario, [event for event in events if event is not first]) != []
