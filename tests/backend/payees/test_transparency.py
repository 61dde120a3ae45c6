"""Transparency reports over the story: months sum to its hand-worked figures, quarters to their months."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

import pytest
from fastapi.testclient import TestClient

from obbligato.chain.events import read_events
from tests.onchain import UNIT
from tests.scenario import MODEL, RECEIVED, Scenario

Answer = dict[str, Any]


@pytest.fixture
def reports(story_client: TestClient) -> dict[str, Answer]:
    """Every report there is, by its period."""
    names = [each["period"] for each in story_client.get("/v1/transparency").json()["items"]]
    answers = {name: story_client.get(f"/v1/transparency/{name}.json") for name in names}
    assert all(answer.status_code == 200 for answer in answers.values())
    return {name: answer.json() for name, answer in answers.items()}


@pytest.fixture
def months(reports: dict[str, Answer]) -> list[Answer]:
    return [report for name, report in reports.items() if "Q" not in name]


def figures(reports: list[Answer], section: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for report in reports:
        for name, value in report[section].items():
            if name not in ("meaning", "at", "tiers"):
                total[name] += int(value)
    return total


def streams(reports: list[Answer], *names: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for report in reports:
        for stream in report["streams"]["items"]:
            total.update({name: int(stream[name]) for name in names})
    return total


def test_months_sum_to_what_happened_to_licences(months: list[Answer]) -> None:
    assert figures(months, "licenses") == Counter(
        minted=4, amended=1, revoked=2, reinstated=1, voided=1
    )
    assert figures(months, "grants") == Counter(grants=1, fees_units=150_000_000)


def test_months_sum_to_what_was_earned_and_paid(months: list[Answer], scenario: Scenario) -> None:
    vault = scenario.protocol.chain.deployment.address("RoyaltyVault")
    claims = [
        event["amount"]
        for event in read_events(scenario.protocol.chain)
        if event.name == "Claimed" and event["to"] != vault
    ]
    assert figures(months, "money") == Counter(
        earned_units=sum(RECEIVED.values()), paid_units=sum(claims), payments=len(claims)
    )


def test_months_sum_to_what_was_reported_and_contested(months: list[Answer]) -> None:
    expected = {
        "reports": 5,
        "zero_statements": 1,
        "rows": 4 + 2 + 1 + 1,
        # The totals of the four reports with rows, as they were submitted.
        "priced_units": 26_893_800 + 1_000_003 + 2_400_000 + 240_000,
        "challenges": 6,
        "rulings": 4,
        "rulings_for_challenger": 3,  # the third was a draw
        "lapsed": 1,
        "raised_units": 9_600_000 + 40 + 1_197_600_000,
        "reduced_units": 1_200_000 - 720_000,
        "arrears_units": 0,
        # Everything but the fee of the grant and half of a bond.
        "credited_units": sum(RECEIVED.values()) - 150_000_000 - 2_500_000,
    }
    assert streams(months, *expected) == Counter(expected)


def test_uses_are_told_by_tier_and_metric(months: list[Answer], scenario: Scenario) -> None:
    total: Counter[tuple[str, str]] = Counter()
    for report in months:
        for stream in report["streams"]["items"]:
            if (stream["platform_id"], stream["model_id"]) == (scenario.rich, "0x" + MODEL.hex()):
                for use in stream["uses"]:
                    total[use["tier"], use["metric"]] += int(use["quantity"])
    assert total == {
        ("GENERATIVE", "GENERATION"): (14_000 + 300 + 1_000) * UNIT,
        ("GENERATIVE", "PLAYBACK"): 12_346 * UNIT,
    }


def test_a_quarter_is_the_sum_of_its_months(reports: dict[str, Answer]) -> None:
    for name, quarter in reports.items():
        if "Q" not in name:
            continue
        within = [
            report
            for month, report in reports.items()
            if "Q" not in month and quarter["start"] <= report["start"] < quarter["end"]
        ]
        for section in ("licenses", "money", "grants"):
            assert figures([quarter], section) == figures(within, section), name
        names = ("reports", "rows", "challenges", "rulings", "credited_units")
        assert streams([quarter], *names) == streams(within, *names), name


def test_consents_are_those_that_the_registry_has_at_the_end(
    months: list[Answer], scenario: Scenario
) -> None:
    chain = scenario.protocol.chain
    for report in months:
        at = report["consents"]["at"]
        for each in report["consents"]["tiers"]:
            tier = ["ANALYSIS", "TRAINING", "GENERATIVE", "STYLE", "STEMS", "VOICE"].index(
                each["tier"]
            )
            allowed = [
                chain.call("LicenseRegistry", "consentAt", license_id, tier + 1, at)
                for license_id in (1, 2, 3, 4)
            ]
            assert each["licenses"] == sum(allowed), (report["period"], each["tier"])


def test_a_stream_that_lags_is_missing_the_rest_of_the_period(
    reports: dict[str, Answer], scenario: Scenario
) -> None:
    ends = {
        (header.platform_id, "0x" + header.model_id.hex()): header.period_end
        for header in (report.header for report in scenario.reports)
    }
    newest = max(report["as_of_time"] for report in reports.values())
    last = max(reports.values(), key=lambda report: (report["end"], report["start"]))
    for stream in last["streams"]["items"]:
        covered = ends[stream["platform_id"], stream["model_id"]]
        assert stream["covered_until"] == covered
        assert stream["missing_seconds"] == newest - max(covered, last["start"])


def test_the_csv_has_every_figure_once(
    story_client: TestClient, reports: dict[str, Answer]
) -> None:
    for name, report in reports.items():
        answer = story_client.get(f"/v1/transparency/{name}.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        keys = [tuple(row[column] for column in list(row)[:-1]) for row in rows]
        assert len(set(keys)) == len(keys)
        found = {(row["section"], row["figure"]): row["value"] for row in rows}
        assert found["money", "earned_units"] == report["money"]["earned_units"]
        assert found["report", "period"] == name


@pytest.mark.parametrize(
    ("period", "status", "field"),
    [
        ("2026-Q5", 422, "period"),
        ("2026-13", 422, "period"),
        ("9998-Q4", 404, None),
        ("9999-12", 422, "period"),
    ],
)
def test_a_period_that_is_none_is_refused(
    story_client: TestClient, period: str, status: int, field: str | None
) -> None:
    answer = story_client.get(f"/v1/transparency/{period}.json")
    assert (answer.status_code, answer.json().get("field")) == (status, field)
