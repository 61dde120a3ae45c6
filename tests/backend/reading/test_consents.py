"""Consent as the API tells of it: against the registry's own answers for the same moments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from obbligato.protocol.constants import Tier
from tests.backend.reading.conftest import ISRC, SHARED, Api, ReadingEnv
from tests.scenario import MODEL, OTHER_MODEL

ALL = range(1, 15)


def moments(api: Api, license_id: int, reading_env: ReadingEnv) -> list[int]:
    """Around every moment at which something may change, and some others."""
    known = api.get(f"/v1/licenses/{license_id}").json()
    turns = [each["start"] for each in known["versions"]]
    turns += [each for each in (known["ends_at"], known["term_ends_at"]) if each is not None]
    around = {turn + step for turn in turns for step in (-1, 0, 1)}
    return sorted({0, reading_env.head_time, reading_env.head_time + 10**9, 2**40 - 1} | around)


@pytest.mark.parametrize("license_id", ALL)
def test_consent_is_what_the_registry_says_at_every_turn(
    api: Api, reading_env: ReadingEnv, license_id: int
) -> None:
    for at in moments(api, license_id, reading_env):
        found = api.get(f"/v1/licenses/{license_id}/consent", params={"at": at}).json()
        expected = reading_env.call("LicenseRegistry", "termsAt", license_id, at)
        assert (found["terms_id"] or 0) == expected, at
        for tier, answer in zip(Tier, found["tiers"], strict=True):
            chain = reading_env.call("LicenseRegistry", "consentAt", license_id, int(tier), at)
            assert (answer["tier"], answer["allowed"]) == (tier.name, chain), at
            assert (answer["prices"] is not None) == chain


@pytest.mark.parametrize("license_id", ALL)
def test_the_intervals_of_consent_are_where_the_registry_consents(
    api: Api, reading_env: ReadingEnv, license_id: int
) -> None:
    history = api.get(f"/v1/licenses/{license_id}/consent/history").json()
    for tier, scenario in zip(Tier, history["tiers"], strict=True):
        assert scenario["tier"] == tier.name
        for before, after in pairwise(scenario["intervals"]):
            assert before["end"] <= after["start"]
        for at in moments(api, license_id, reading_env):
            terms_ids = [
                each["terms_id"]
                for each in scenario["intervals"]
                if each["start"] <= at and (each["end"] is None or at < each["end"])
            ]
            consent = reading_env.call("LicenseRegistry", "consentAt", license_id, int(tier), at)
            in_force = reading_env.call("LicenseRegistry", "termsAt", license_id, at)
            assert terms_ids == ([in_force] if consent else []), at


def test_use_is_allowed_until_the_second_before_the_end(api: Api) -> None:
    end = api.get("/v1/licenses/6").json()["ends_at"]
    answers = {
        at: api.get("/v1/licenses/6/consent", params={"tier": "TRAINING", "at": at}).json()
        for at in (end - 1, end, end + 1)
    }
    assert [each["tiers"][0]["allowed"] for each in answers.values()] == [True, False, False]
    assert answers[end - 1]["state"] == "ending"
    assert answers[end]["state"] == "ended"
    assert answers[end]["tiers"][0]["reason"].startswith("no consent since ")


def test_an_answer_says_whether_its_moment_is_over(api: Api, reading_env: ReadingEnv) -> None:
    for at, over in ((reading_env.head_time - 1, True), (reading_env.head_time, False)):
        answer = api.get("/v1/licenses/1/consent", params={"at": at}).json()
        assert answer["moment_is_over"] is over


def check(client: Api, *uses: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/consent-checks", json={"uses": list(uses), **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["answers"]
    return found


def test_many_uses_are_checked_at_once(client: Api) -> None:
    found = check(
        client,
        {"license_id": 1, "tier": "ANALYSIS"},
        {"license_id": 1, "tier": "VOICE"},
        {"license_id": 99, "tier": "VOICE"},
        {"isrc": "AA-6Q7-20-00047", "tier": "TRAINING"},
        {"isrc": "GBAYE0601498", "tier": "TRAINING"},
        {"content": "0x" + SHARED.hex(), "tier": "GENERATIVE"},
        {"content": "0x" + "ab" * 32, "tier": "GENERATIVE"},
    )
    assert [each["allowed"] for each in found] == [True, False, False, True, False, True, False]
    assert [each["license_id"] for each in found] == [1, 1, None, 5, None, 5, None]
    assert [each["rivals"] for each in found] == [[], [], [], [6], [], [7], []]
    assert found[1]["reason"] == "no consent"
    assert found[2]["reason"] == found[6]["reason"] == "no licence"
    # The document of licence 11 is missing, and it may be the one: unknown is not unlicensed.
    assert "1 documents are missing" in found[4]["reason"]


def test_the_earliest_licence_in_force_is_used_for_an_isrc(api: Api) -> None:
    minted = [api.get(f"/v1/licenses/{each}").json()["minted_at"] for each in (5, 6, 8)]
    use = {"isrc": ISRC, "tier": "TRAINING"}
    (before,) = check(api, use, at=minted[0] - 1)
    assert (before["allowed"], before["license_id"]) == (False, None)
    (first,) = check(api, use, at=minted[0])
    assert (first["allowed"], first["license_id"]) == (True, 5)
    assert first["rivals"] == ([6] if minted[1] == minted[0] else [])
    (last,) = check(api, use, at=api.get("/v1/licenses/6").json()["ends_at"])
    assert (last["license_id"], last["rivals"]) == (5, [])


@pytest.mark.parametrize(
    ("use", "has_grant"),
    [
        ({"license_id": 3, "platform_id": 1, "model_id": "0x" + MODEL.hex()}, True),
        ({"license_id": 3, "platform_id": 1, "model_id": "0x" + OTHER_MODEL.hex()}, False),
        ({"license_id": 3, "platform_id": 1}, False),
        ({"license_id": 3, "platform_id": 2, "model_id": "0x" + MODEL.hex()}, False),
        ({"license_id": 3}, False),
    ],
)
def test_grants_count_where_the_contract_counts_them(
    client: Api, reading_env: ReadingEnv, use: dict[str, Any], has_grant: bool
) -> None:
    grant = api_grant(client)
    for at, within in ((grant["start"], True), (grant["end"] - 1, True), (grant["end"], False)):
        (found,) = check(client, {**use, "tier": "GENERATIVE"}, at=at)
        model = bytes.fromhex(use.get("model_id", "0x" + "00" * 32)[2:])
        platform_id = use.get("platform_id", 0)
        covered = reading_env.call("Grants", "covers", 3, 3, platform_id, model, at, at + 1)
        assert found["has_grant"] == covered == (has_grant and within)
        consent = reading_env.call("LicenseRegistry", "consentAt", 3, 3, at)
        assert found["needs_grant"] == consent
        assert found["allowed"] == (consent and covered)


def api_grant(client: Api) -> dict[str, Any]:
    (grant,) = client.get("/v1/grants", params={"license_id": 3}).json()["items"]
    found: dict[str, Any] = grant
    return found


def test_a_thousand_uses_take_as_many_queries_as_one(
    reading_env: ReadingEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the index is, is asked now and then, whatever else is: here once, before anything is counted.
    monkeypatch.setattr("backend.http.caching.FRESH_SECONDS", 3_600)
    reading_env.clients["sqlite"].get("/v1/licenses")
    asked: list[str] = []
    engine = reading_env.services["sqlite"].index_db.engine
    event.listen(engine, "before_cursor_execute", lambda *of: asked.append(of[2]))
    uses = [
        {"license_id": 1 + number % 14, "tier": "TRAINING", "platform_id": 1}
        for number in range(998)
    ]
    uses += [{"isrc": ISRC, "tier": "TRAINING"}, {"content": "0x" + SHARED.hex(), "tier": "VOICE"}]
    counts = []
    for some in (uses[-3:], uses):
        asked.clear()
        assert len(check(reading_env.clients["sqlite"], *some)) == len(some)
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"uses": []}, "uses"),
        ({"uses": [{"license_id": 1, "tier": "VOICE"}] * 1_001}, "uses"),
        ({"uses": [{"license_id": 1, "tier": "ALL"}]}, "uses.0.tier"),
        ({"uses": [{"license_id": 0, "tier": "VOICE"}]}, "uses.0.license_id"),
        ({"uses": [{"tier": "VOICE"}]}, "uses.0"),
        ({"uses": [{"license_id": 1, "isrc": ISRC, "tier": "VOICE"}]}, "uses.0"),
        ({"uses": [{"isrc": "?", "tier": "VOICE"}]}, "uses.0.isrc"),
        ({"uses": [{"license_id": 1, "tier": "VOICE", "model": 1}]}, "uses.0.model"),
        ({"uses": [{"license_id": 1, "tier": "VOICE"}], "at": -5}, "at"),
        ({"uses": [{"license_id": 1, "tier": "VOICE"}], "at": 2**70}, "at"),
        ({}, "uses"),
    ],
)
def test_questions_that_cannot_be_meant_name_their_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    answer = api.post("/v1/consent-checks", json=body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
